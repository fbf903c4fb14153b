"""Who waits for whom, as trees under the sessions that block and wait for nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from perftui.model.database import WaitNode


def forest(blockers: Mapping[int, Sequence[int]]) -> tuple[WaitNode, ...]:
    """The wait-for forest in drawing order, roots that block the most first.

    `blockers` gives for each waiting pid the pids it waits for (pg_blocking_pids; 0, a prepared
    transaction, counts as a pid). A session with several blockers hangs under the first of them; a
    cycle (deadlock not yet detected) hangs under its lowest pid. Every pid appears once.
    """
    waits = {pid: tuple(b for b in dict.fromkeys(by) if b != pid) for pid, by in blockers.items()}
    children: dict[int, list[int]] = {}
    for pid in sorted(waits):
        for blocker in waits[pid][:1]:
            children.setdefault(blocker, []).append(pid)
    everyone = set(waits) | {b for by in waits.values() for b in by}
    roots = sorted(pid for pid in everyone if not waits.get(pid))
    placed = _reach(roots, children)
    cycles = []
    for pid in sorted(everyone):
        if pid not in placed:
            pid_in_cycle = _cycle_entry(pid, waits)
            cycles.append(pid_in_cycle)
            placed |= _reach([pid_in_cycle], children)
    trees = [_tree(root, waits, children, root in cycles) for root in [*roots, *cycles]]
    trees.sort(key=lambda tree: -tree[0].blocks)
    return tuple(node for tree in trees for node in tree)


def _reach(starts: Sequence[int], children: Mapping[int, Sequence[int]]) -> set[int]:
    seen, stack = set(starts), list(starts)
    while stack:
        for child in children.get(stack.pop(), ()):
            if child not in seen:
                seen.add(child)
                stack.append(child)
    return seen


def _cycle_entry(pid: int, waits: Mapping[int, Sequence[int]]) -> int:
    """The lowest pid of the cycle that following first blockers from `pid` leads into."""
    path: list[int] = []
    while pid not in path:
        path.append(pid)
        pid = waits[pid][0]
    return min(path[path.index(pid) :])


def _tree(
    root: int, waits: Mapping[int, Sequence[int]], children: Mapping[int, Sequence[int]], cycle: bool
) -> list[WaitNode]:
    order: list[tuple[int, int]] = []
    seen = {root}
    stack = [(root, 0)]
    while stack:
        pid, depth = stack.pop()
        order.append((pid, depth))
        fresh = [child for child in children.get(pid, ()) if child not in seen]
        seen.update(fresh)
        stack.extend((child, depth + 1) for child in reversed(fresh))
    return [
        WaitNode(pid, depth, _below(order, at), tuple(waits.get(pid, ())[1:]), cycle)
        for at, (pid, depth) in enumerate(order)
    ]


def _below(order: Sequence[tuple[int, int]], at: int) -> int:
    depth, count = order[at][1], 0
    for _, other in order[at + 1 :]:
        if other <= depth:
            break
        count += 1
    return count
