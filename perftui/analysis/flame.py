"""Call trees from stacks, and what a flame graph needs of them: layout, search, prune, hot path.

Nothing here recurses: a stack 5,000 frames deep is ordinary input.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence

from perftui.model.profiler import (
    HIDDEN_FRAME,
    ROOT_FRAME,
    HotFunction,
    HotStep,
    Rect,
    StackFrame,
    TreeArrays,
)

MAX_DEPTH = 1000
"""Frames of a stack kept in the tree; what lies deeper is folded into the last one kept."""


class _Growing:
    """The arrays of a tree while it grows, with the newest child of each node on the open path."""

    def __init__(self) -> None:
        self.parent = array("l", [0])
        self.frame = array("l", [ROOT_FRAME])
        self.own = array("q", [0])
        self.first_child = array("l", [0])
        self.next_ = array("l", [0])
        self._newest = array("l", [0])

    def add(self, parent: int, frame: int, own: int = 0) -> int:
        node = len(self.parent)
        self.parent.append(parent)
        self.frame.append(frame)
        self.own.append(own)
        self.first_child.append(0)
        self.next_.append(0)
        self._newest.append(0)
        before = self._newest[parent]
        if before:
            self.next_[before] = node
        else:
            self.first_child[parent] = node
        self._newest[parent] = node
        return node

    def done(self) -> TreeArrays:
        total = array("q", self.own)
        parent = self.parent
        for node in range(len(parent) - 1, 0, -1):
            total[parent[node]] += total[node]
        return TreeArrays(parent, self.frame, self.own, total, self.first_child, self.next_)


def build(stacks: Iterable[tuple[Sequence[int], int]]) -> TreeArrays:
    """Merge weighted stacks (frame indexes, outermost first) into one tree.

    The stacks are sorted, so that each extends the path it shares with the one before: children
    come out ordered by frame index and no node needs a dictionary. Weights must not be negative.
    """
    tree = _Growing()
    path: list[int] = []
    nodes: list[int] = [0]
    for frames, weight in sorted((tuple(stack[:MAX_DEPTH]), weight) for stack, weight in stacks):
        if weight < 0:
            raise ValueError(f"a stack weighs {weight}: weights cannot be negative")
        shared = _common(path, frames)
        del nodes[shared + 1 :]
        for frame in frames[shared:]:
            nodes.append(tree.add(nodes[-1], frame))
        path = list(frames)
        tree.own[nodes[-1]] += weight
    return tree.done()


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


def stacks(tree: TreeArrays) -> list[tuple[tuple[int, ...], int]]:
    """The weighted stacks a tree was built from, merged; the inverse of `build`."""
    found: list[tuple[tuple[int, ...], int]] = []
    for node in range(len(tree)):
        if tree.own[node]:
            path = [*tree.ancestors(node), node]
            found.append((tuple(tree.frame[i] for i in path[1:]), tree.own[node]))
    return found


def layout(
    tree: TreeArrays, root: int, width: int, depth: int, *, order: str = "name", first: int = 0
) -> tuple[Rect, ...]:
    """Bars at least one cell wide for the subtree at `root`, in rows `first` … `first + depth - 1`.

    Ancestors of `root` are full-width bars above it. Siblings narrower than a cell are gathered
    into one bar where together they fill a cell, else left blank. `order` is `name` (as stored) or
    `weight` (heaviest left). Costs the visible bars and their children, not the tree.
    """
    path = [*tree.ancestors(root), root]
    rects = [Rect(row, 0, width, node) for row, node in enumerate(path) if first <= row < first + depth]
    open_ = [(root, len(path) - 1, 0, width)]
    while open_:
        node, row, x, cells = open_.pop()
        if row + 1 >= first + depth or not tree.first_child[node]:
            continue
        for bar in _children(tree, Rect(row + 1, x, cells, node), order):
            if row + 1 >= first:
                rects.append(bar)
            if bar.gathered == 1:
                open_.append((bar.node, row + 1, bar.x, bar.width))
    return tuple(rects)


def _children(tree: TreeArrays, room: Rect, order: str) -> list[Rect]:
    """Bars of the children of `room.node` in these cells; edges are floors of exact positions."""
    whole = tree.total[room.node]
    if whole <= 0:
        return []
    kids = tree.children(room.node)
    if order == "weight":
        kids.sort(key=lambda child: -tree.total[child])
    bars: list[Rect] = []
    run: list[int] = []
    left = right = room.x
    seen = 0
    for child in kids:
        before = room.x + seen * room.width // whole
        seen += tree.total[child]
        right = room.x + seen * room.width // whole
        if tree.total[child] * room.width < whole:
            run.append(child)
            continue
        _gather(bars, tree, run, Rect(room.depth, left, before - left, 0))
        bars.append(Rect(room.depth, before, right - before, child))
        run, left = [], right
    _gather(bars, tree, run, Rect(room.depth, left, right - left, 0))
    return bars


def _gather(bars: list[Rect], tree: TreeArrays, run: list[int], room: Rect) -> None:
    if run and room.width > 0:
        heaviest = max(run, key=lambda child: tree.total[child])
        bars.append(room._replace(node=heaviest, gathered=len(run)))


def search(tree: TreeArrays, frames: Sequence[StackFrame], pattern: re.Pattern[str]) -> tuple[list[int], int]:
    """Nodes whose function name or file matches, and their weight with nested matches counted once.

    Each distinct frame is matched once, whatever the number of its nodes.
    """
    hit = [bool(pattern.search(f.name) or (f.file and pattern.search(f.file))) for f in frames]
    inside = bytearray(len(tree))
    found: list[int] = []
    weight = 0
    for node in range(1, len(tree)):
        inside[node] = inside[tree.parent[node]]
        frame = tree.frame[node]
        if frame >= 0 and hit[frame]:
            found.append(node)
            if not inside[node]:
                weight += tree.total[node]
                inside[node] = 1
    return found, weight


def prune(tree: TreeArrays, min_total: float) -> tuple[TreeArrays, array[int], int]:
    """Merge every subtree lighter than `min_total` into one hidden child of its parent.

    Totals, and so widths, stay true. Also returns, for each new node, the node it stands for (the
    heaviest of those hidden), and the number of nodes hidden.
    """
    kept = _Growing()
    kept.own[0] = tree.own[0]
    origin = array("l", [0])
    now = {0: 0}
    merged: dict[int, int] = {}
    hidden = 0
    for node in range(1, len(tree)):
        parent = now.get(tree.parent[node])
        if parent is not None and tree.total[node] >= min_total:
            now[node] = kept.add(parent, tree.frame[node], tree.own[node])
            origin.append(node)
            continue
        hidden += 1
        if parent is None:
            continue
        if parent not in merged:
            merged[parent] = kept.add(parent, HIDDEN_FRAME)
            origin.append(node)
        kept.own[merged[parent]] += tree.total[node]
        if tree.total[node] > tree.total[origin[merged[parent]]]:
            origin[merged[parent]] = node
    return kept.done(), origin, hidden


def hot_path(tree: TreeArrays, frames: Sequence[StackFrame], hold: float = 0.5) -> tuple[HotStep, ...]:
    """The heaviest chain from the root, followed while a child holds at least `hold` of its parent."""
    steps: list[HotStep] = []
    node, whole = 0, tree.total[0]
    while whole:
        child = max(tree.children(node), key=lambda c: tree.total[c], default=0)
        if not child or tree.total[child] < hold * tree.total[node] or tree.frame[child] < 0:
            break
        share, of_parent = tree.total[child] / whole, tree.total[child] / tree.total[node]
        steps.append(HotStep(child, frames[tree.frame[child]], share, of_parent))
        node = child
    return tuple(steps)


def weights(tree: TreeArrays, n_frames: int) -> tuple[array[int], array[int]]:
    """Self and total weight per frame of a built tree; in a total, recursion counts once per stack."""
    own = array("q", bytes(8 * n_frames))
    total = array("q", bytes(8 * n_frames))
    on_path = [0] * n_frames
    path: list[int] = [0]
    parent, frames = tree.parent, tree.frame
    for node in range(1, len(tree)):  # a built tree is in the order of a walk: children follow their parent
        while path[-1] != parent[node]:
            on_path[frames[path.pop()]] -= 1
        frame = frames[node]
        own[frame] += tree.own[node]
        if not on_path[frame]:
            total[frame] += tree.total[node]
        on_path[frame] += 1
        path.append(node)
    return own, total


def functions(tree: TreeArrays, frames: Sequence[StackFrame], limit: int = 200) -> tuple[HotFunction, ...]:
    """Functions by self weight (then total), with 95% Wilson margins of their share."""
    own, total = weights(tree, len(frames))
    whole = tree.total[0]
    if not whole:
        return ()
    ranked = sorted(range(len(frames)), key=lambda i: (-own[i], -total[i], frames[i]))
    return tuple(
        HotFunction(
            frames[i], own[i], total[i], own[i] / whole, total[i] / whole, wilson_margin(own[i], whole)
        )
        for i in ranked[:limit]
    )


def wilson_margin(hits: int, n: int, z: float = 1.96) -> float:
    """Half-width of the Wilson score interval of hits/n (Wilson 1927); 0.5 for n = 0."""
    if n <= 0:
        return 0.5
    p = hits / n
    spread = (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return float(z * spread / (1 + z * z / n))
