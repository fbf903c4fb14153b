"""Plans as trees: exclusive figures, loops, workers, CTEs, and input that is no plan."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perftui.analysis.sqlplan import read_plan


def node(kind: str, cost: float, rows: float = 1, **more: Any) -> dict[str, Any]:
    return {"Node Type": kind, "Total Cost": cost, "Plan Rows": rows, **more}


def ran(ms: float, rows: float, loops: int = 1) -> dict[str, Any]:
    return {"Actual Total Time": ms, "Actual Rows": rows, "Actual Loops": loops}


def plan(root: dict[str, Any], **more: Any) -> str:
    return json.dumps([{"Plan": root, **more}])


def test_costs_without_running() -> None:
    scan = node("Seq Scan", 100, 50, **{"Relation Name": "t", "Alias": "x", "Filter": "(a = 1)"})
    tree = read_plan(plan(node("Sort", 120, 50, Plans=[scan])))
    assert not tree.executed
    sort, under = tree.nodes
    assert (sort.own_cost, under.own_cost) == (20, 100)
    assert under.depth == 1
    assert under.target == "t x"
    assert under.detail == ("Filter: (a = 1)",)
    assert sort.share + under.share == pytest.approx(1)
    assert sort.error is None


def test_an_inner_side_counts_as_often_as_it_runs_and_a_limit_only_in_part() -> None:
    outer = node("Seq Scan", 10, 100, **{"Parent Relationship": "Outer"})
    inner = node("Index Scan", 2, 1, **{"Parent Relationship": "Inner"})
    loop, first, second = read_plan(plan(node("Nested Loop", 215, 100, Plans=[outer, inner]))).nodes
    assert (loop.own_cost, first.own_cost, second.own_cost) == (5, 10, 200)
    limit, scan = read_plan(plan(node("Limit", 4, 1, Plans=[node("Index Scan", 40, 10)]))).nodes
    assert (limit.own_cost, scan.own_cost) == (0, 4)


def test_times_and_rows_are_over_all_loops() -> None:
    inner = node("Index Scan", 1, 1, **{"Parent Relationship": "Inner"}, **ran(0.5, 3, 100))
    outer = node("Seq Scan", 10, 100, **{"Parent Relationship": "Outer"}, **ran(10, 100))
    tree = read_plan(
        plan(node("Nested Loop", 200, 100, Plans=[outer, inner], **ran(70, 300)), **{"Execution Time": 71})
    )
    loop, first, second = tree.nodes
    assert second.time_s == pytest.approx(0.05)
    assert second.rows == 300
    assert second.error == pytest.approx(3)
    assert loop.own_time_s == pytest.approx(0.01)
    assert first.own_time_s == pytest.approx(0.01)
    assert tree.execution_s == pytest.approx(0.071)


def test_workers_side_by_side_are_not_added_up() -> None:
    scan = node("Seq Scan", 10, 10, **{"Parallel Aware": True}, **ran(30, 10, 3))
    tree = read_plan(plan(node("Gather", 20, 30, Plans=[scan], **{"Workers Launched": 2}, **ran(40, 30))))
    gather, under = tree.nodes
    assert under.kind == "Parallel Seq Scan"
    assert under.time_s == pytest.approx(0.03)
    assert gather.own_time_s == pytest.approx(0.01)


def test_a_cte_is_counted_once() -> None:
    cte = node(
        "Seq Scan", 10, 1, **{"Subplan Name": "CTE w", "Parent Relationship": "InitPlan"}, **ran(50, 1)
    )
    scan = node("CTE Scan", 12, 1, **{"CTE Name": "w"}, **ran(55, 1))
    tree = read_plan(plan(node("Aggregate", 13, 1, Plans=[cte, scan], **ran(60, 1))))
    assert [round((n.own_time_s or 0) * 1000) for n in tree.nodes] == [5, 50, 5]


def test_advice_names_its_numbers() -> None:
    scan = node(
        "Seq Scan",
        9000,
        5,
        **{"Relation Name": "orders", "Filter": "(customer = 7)", "Rows Removed by Filter": 99990},
        **ran(80, 10),
    )
    sort = node(
        "Sort", 9100, 5, Plans=[scan], **{"Sort Space Type": "Disk", "Sort Space Used": 20480}, **ran(90, 10)
    )
    advice = read_plan(plan(sort)).advice
    assert {a.title for a in advice} == {"whole table orders read for few rows", "spilled to disk"}
    assert any("100,000 rows walked, 10 kept" in a.evidence for a in advice)
    assert any("50 MB" in a.remedy for a in advice)


def test_a_wrong_estimate_names_the_table() -> None:
    scan = node("Index Scan", 5, 1, **{"Relation Name": "orders"}, **ran(3, 5000))
    (advice,) = read_plan(plan(scan)).advice
    assert advice.title == "row estimate off 5,000×"
    assert "ANALYZE orders" in advice.remedy


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1]", '{"Plan": 3}', "Seq Scan on t", "null"])
def test_what_is_no_plan_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_plan(text)


def test_depth_is_read_or_refused_never_a_recursion_error() -> None:
    deep = node("Append", 1)
    text = json.dumps(deep)
    for _ in range(3000):
        text = '{"Node Type": "Append", "Total Cost": 1, "Plans": [' + text + "]}"
    with pytest.raises(ValueError, match="nested"):
        read_plan('[{"Plan": ' + text + "}]")


def test_thousands_of_nodes() -> None:
    children = [node("Seq Scan", 1, **{"Relation Name": f"part_{n}"}) for n in range(5000)]
    tree = read_plan(plan(node("Append", 5000, Plans=children)))
    assert len(tree.nodes) == 5001
    with pytest.raises(ValueError, match="more than"):
        read_plan(plan(node("Append", 5000, Plans=children * 5)))
