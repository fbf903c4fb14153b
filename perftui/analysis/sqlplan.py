"""EXPLAIN's JSON as a tree whose figures can be compared node by node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from perftui.analysis.planadvice import advise
from perftui.model.database import PlanNode, PlanTree

MOST_NODES = 20_000
_CONDITIONS = (
    "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter", "One-Time Filter",
    "TID Cond", "Sort Key", "Presorted Key", "Group Key", "Function Call",
)  # fmt: skip


@dataclass(slots=True)
class _Draft:
    """A node on its way: inclusive figures, and what its children took of them."""

    raw: Mapping[str, Any]
    depth: int
    parent: int
    divisor: float  # processes that ran it side by side
    time: float | None = None
    cost: float = 0.0
    children_time: float = 0.0
    children_cost: float = 0.0
    weight: float = 1.0  # how often, or what part of it, the whole plan runs it
    children: list[int] = field(default_factory=list)


def read_plan(text: str) -> PlanTree:
    """The plan in `EXPLAIN (FORMAT JSON)` output; ValueError when it is not one, or is too big.

    Times are wall seconds: what parallel workers did side by side is divided by their number. What a
    CTE took is counted at the CTE, not again where it is scanned or attached.
    """
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError("the plan is nested too deeply to read") from None
    top = data[0] if isinstance(data, list) and data else data
    if not isinstance(top, Mapping) or not isinstance(top.get("Plan"), Mapping):
        raise ValueError("not the JSON of an EXPLAIN: there is no Plan in it")
    drafts = _drafts(top["Plan"])
    _charge(drafts)
    nodes = _nodes(drafts)
    settings = top.get("Settings") or {}
    return PlanTree(
        nodes=nodes,
        planning_s=_seconds(top.get("Planning Time")),
        execution_s=_seconds(top.get("Execution Time")),
        settings=tuple(sorted((str(k), str(v)) for k, v in settings.items())),
        advice=advise(nodes, [draft.raw for draft in drafts]),
    )


def _seconds(ms: Any) -> float | None:
    return None if ms is None else float(ms) / 1000


def _drafts(root: Mapping[str, Any]) -> list[_Draft]:
    """All nodes in drawing order, without recursion."""
    drafts: list[_Draft] = []
    stack: list[tuple[Mapping[str, Any], int, int, float]] = [(root, 0, -1, 1.0)]
    while stack:
        raw, depth, parent, divisor = stack.pop()
        if len(drafts) >= MOST_NODES:
            raise ValueError(f"the plan has more than {MOST_NODES} nodes")
        index = len(drafts)
        draft = _Draft(raw, depth, parent, divisor)
        if raw.get("Actual Total Time") is not None:
            draft.time = raw["Actual Total Time"] / 1000 * raw.get("Actual Loops", 1) / divisor
        draft.cost = float(raw.get("Total Cost", 0.0))
        drafts.append(draft)
        if parent >= 0:
            drafts[parent].children.append(index)
        below = divisor
        if raw.get("Node Type") in {"Gather", "Gather Merge"}:
            below = 1.0 + (raw.get("Workers Launched", raw.get("Workers Planned", 0)) or 0)
        stack.extend((child, depth + 1, index, below) for child in reversed(raw.get("Plans") or []))
    return drafts


def _charge(drafts: list[_Draft]) -> None:
    """Tell every parent what its children took."""
    ctes: dict[str, int] = {}
    for index, draft in enumerate(drafts):
        name = str(draft.raw.get("Subplan Name", ""))
        if name.startswith("CTE "):
            ctes[name.removeprefix("CTE ")] = index
            continue
        if draft.parent >= 0:
            parent = drafts[draft.parent]
            parent.children_time += draft.time or 0.0
            times = _repeats(parent, drafts, index)
            draft.weight = parent.weight * times
            parent.children_cost += draft.cost * times
    for draft in drafts:
        source = ctes.get(str(draft.raw.get("CTE Name", "")))
        if source is not None and draft.raw.get("Node Type") == "CTE Scan":
            draft.children_time += drafts[source].time or 0.0


def _repeats(parent: _Draft, drafts: list[_Draft], index: int) -> float:
    """How often the planner expects a child to be run: again and again inside a nested loop, and
    only in part under a Limit that costs less than its child.
    """
    child = drafts[index]
    if parent.raw.get("Node Type") == "Limit" and child.cost > parent.cost:
        return parent.cost / child.cost
    inner = drafts[index].raw.get("Parent Relationship") == "Inner"
    if parent.raw.get("Node Type") != "Nested Loop" or not inner or not parent.children:
        return 1.0
    outer = drafts[parent.children[0]].raw
    return max(1.0, float(outer.get("Plan Rows", 1)))


def _nodes(drafts: list[_Draft]) -> tuple[PlanNode, ...]:
    nodes = [_node(draft) for draft in drafts]
    timed = nodes[0].rows is not None
    own = [(n.own_time_s or 0.0) if timed else n.own_cost for n in nodes]
    whole = sum(own) or 1.0
    return tuple(replace(node, share=part / whole) for node, part in zip(nodes, own, strict=True))


def _node(draft: _Draft) -> PlanNode:
    raw = draft.raw
    loops = float(raw.get("Actual Loops", 1) or 0)
    actual = raw.get("Actual Rows")
    removed = sum(float(raw.get(k, 0)) for k in ("Rows Removed by Filter", "Rows Removed by Join Filter"))
    return PlanNode(
        depth=draft.depth,
        kind=_kind(raw),
        target=_target(raw),
        detail=_detail(raw),
        relationship=str(raw.get("Subplan Name") or raw.get("Parent Relationship") or ""),
        rows_est=float(raw.get("Plan Rows", 0)),
        cost=draft.cost,
        own_cost=max(0.0, draft.cost - draft.children_cost) * draft.weight,
        loops=loops,
        rows=None if actual is None else float(actual) * loops,
        time_s=draft.time,
        own_time_s=None if draft.time is None else max(0.0, draft.time - draft.children_time),
        removed=removed * loops,
        buffers_hit=int(raw.get("Shared Hit Blocks", 0)),
        buffers_read=int(raw.get("Shared Read Blocks", 0)),
        temp_blocks=int(raw.get("Temp Read Blocks", 0)) + int(raw.get("Temp Written Blocks", 0)),
    )


def _kind(raw: Mapping[str, Any]) -> str:
    """The node's name as the text format gives it: `Parallel Hash Left Join`."""
    kind, join = str(raw.get("Node Type", "?")), raw.get("Join Type")
    if kind == "Aggregate":
        kind = {"Hashed": "HashAggregate", "Sorted": "GroupAggregate", "Mixed": "MixedAggregate"}.get(
            str(raw.get("Strategy")), kind
        )
    if kind == "ModifyTable":
        kind = str(raw.get("Operation", kind))
    if join and join != "Inner":
        kind = f"{kind.removesuffix(' Join')} {join} Join"
    if raw.get("Partial Mode") in {"Partial", "Finalize"}:
        kind = f"{raw['Partial Mode']} {kind}"
    return f"Parallel {kind}" if raw.get("Parallel Aware") else kind


def _target(raw: Mapping[str, Any]) -> str:
    """What it works on: table and alias, index, CTE or function."""
    name = raw.get("Relation Name") or raw.get("CTE Name") or raw.get("Function Name") or ""
    schema, alias = raw.get("Schema"), raw.get("Alias")
    full = f"{schema}.{name}" if schema and schema not in {"public", "pg_catalog"} and name else str(name)
    if alias and alias != name:
        full = f"{full} {alias}".strip()
    index = raw.get("Index Name")
    if index:
        full = f"{index} on {full}" if full else str(index)
    return full


def _detail(raw: Mapping[str, Any]) -> tuple[str, ...]:
    lines = []
    for key in _CONDITIONS:
        value = raw.get(key)
        if value:
            lines.append(f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    if raw.get("Sort Method"):
        space = (
            f" {raw['Sort Space Used']} kB {raw.get('Sort Space Type', '')}"
            if raw.get("Sort Space Used")
            else ""
        )
        lines.append(f"Sort Method: {raw['Sort Method']}{space}")
    if raw.get("Workers Planned") is not None:
        launched = raw.get("Workers Launched")
        lines.append(
            f"Workers: {raw['Workers Planned']} planned"
            + ("" if launched is None else f", {launched} launched")
        )
    if raw.get("Heap Fetches") is not None:
        lines.append(f"Heap Fetches: {raw['Heap Fetches']}")
    return tuple(lines)
