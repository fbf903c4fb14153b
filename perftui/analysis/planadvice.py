"""Remarks on a plan, each with its node and the numbers behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from perftui.model.database import Advice, PlanNode

BIG_SCAN = 10_000  # rows; below that an index seldom pays
FEW = 0.1


def advise(nodes: Sequence[PlanNode], raws: Sequence[Mapping[str, Any]]) -> tuple[Advice, ...]:
    """Remarks in the order of the nodes' shares; `raws` are the nodes as the server gave them."""
    found: list[Advice] = []
    for index, (node, raw) in enumerate(zip(nodes, raws, strict=True)):
        for rule in (_wrong_estimate, _spill, _scan_for_few, _heap_fetches, _lossy, _many_loops):
            advice = rule(index, node, raw)
            if advice is not None:
                found.append(advice)
    return tuple(sorted(found, key=lambda a: nodes[a.node].share, reverse=True))


def _wrong_estimate(index: int, node: PlanNode, raw: Mapping[str, Any]) -> Advice | None:
    error = node.error
    if error is None or error < 10 or not raw.get("Relation Name"):
        return None
    evidence = f"{node.rows_est:,.0f} rows expected, {(node.rows or 0) / max(1, node.loops):,.0f} came"
    remedy = f"ANALYZE {raw['Relation Name']}; if it stays, CREATE STATISTICS on the filtered columns"
    return Advice(index, f"row estimate off {error:,.0f}×", evidence, remedy)


def _spill(index: int, node: PlanNode, raw: Mapping[str, Any]) -> Advice | None:
    kilobytes = (
        raw.get("Sort Space Used", 0) if raw.get("Sort Space Type") == "Disk" else raw.get("Disk Usage", 0)
    )
    batches = raw.get("Hash Batches", 1)
    if not kilobytes and batches > 1:
        kilobytes = raw.get("Peak Memory Usage", 0) * batches
    if not kilobytes:
        return None
    wanted = max(1, round(kilobytes * 2.5 / 1024))
    return Advice(
        index, "spilled to disk", f"{kilobytes:,} kB written", f"work_mem of about {wanted} MB for this query"
    )


def _scan_for_few(index: int, node: PlanNode, raw: Mapping[str, Any]) -> Advice | None:
    if raw.get("Node Type") != "Seq Scan" or not raw.get("Filter"):
        return None
    if node.rows is not None:
        walked, kept = node.rows + node.removed, node.rows
        if walked < BIG_SCAN or kept > FEW * walked:
            return None
        evidence = f"{walked:,.0f} rows walked, {kept:,.0f} kept"
    else:
        if node.own_cost < BIG_SCAN / 100 or node.rows_est > FEW * node.own_cost * 100:
            return None
        evidence = f"{node.rows_est:,.0f} rows wanted at a cost of {node.own_cost:,.0f}"
    remedy = f"an index for {raw['Filter']}"
    return Advice(index, f"whole table {raw.get('Relation Name', '')} read for few rows", evidence, remedy)


def _heap_fetches(index: int, node: PlanNode, raw: Mapping[str, Any]) -> Advice | None:
    fetches, rows = raw.get("Heap Fetches"), node.rows
    if not fetches or not rows or fetches < FEW * 2 * rows:
        return None
    evidence = f"{fetches:,} of {rows:,.0f} rows looked up in the table"
    return Advice(
        index, "index-only scan visits the table", evidence, f"VACUUM {raw.get('Relation Name', '')}"
    )


def _lossy(index: int, node: PlanNode, raw: Mapping[str, Any]) -> Advice | None:
    lossy = raw.get("Lossy Heap Blocks", 0)
    if not lossy:
        return None
    evidence = f"{lossy:,} of {lossy + raw.get('Exact Heap Blocks', 0):,} blocks lossy"
    return Advice(index, "bitmap did not fit", evidence, "more work_mem for this query")


def _many_loops(index: int, node: PlanNode, raw: Mapping[str, Any]) -> Advice | None:
    inner = raw.get("Parent Relationship") == "Inner"
    if node.rows is None or not inner or node.loops < 10_000:
        return None
    evidence = f"run {node.loops:,.0f} times, {node.time_s or 0:.3f} s in all"
    return Advice(index, "inner side run very often", evidence, "better row estimates, or a hash join")
