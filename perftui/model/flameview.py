"""Where a reader stands in a flame graph: zoom, selection, search and threshold as one value.

Every key is a pure step from one state to the next, so the whole key table is testable without a
terminal. Node numbers belong to the unpruned tree of the profile.

>>> from perftui.analysis.flame import build
>>> tree = build([((0, 1), 3), ((0, 2), 7)])
>>> state = step(FlameState(), "child", tree)
>>> state.selected, step(state, "child", tree).selected
(1, 3)
>>> zoomed = step(step(state, "child", tree), "zoom", tree)
>>> zoomed.root, step(zoomed, "unzoom", tree).root
(3, 0)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from perftui.model.profiler import TreeArrays

VIEWS = ("flame", "heavy", "functions")


@dataclass(frozen=True, slots=True)
class FlameState:
    """What is shown of a profile: `root` is zoomed into, `trail` the roots before it.

    `floor` hides subtrees lighter than this share of the whole (0: nothing hidden), `search` is a
    regular expression, `matches` its nodes and `lit` their weight, nested ones once; `icicle` draws
    the root on top. Views: `flame` (siblings by name), `heavy` (heaviest left), `functions` (a table).
    """

    root: int = 0
    selected: int = 0
    trail: tuple[int, ...] = ()
    view: str = "flame"
    floor: float = 0.0
    search: str = ""
    matches: tuple[int, ...] = ()
    lit: int = 0
    icicle: bool = True

    @property
    def order(self) -> str:
        """How siblings stand: by `name` or by `weight`."""
        return "weight" if self.view == "heavy" else "name"


def step(state: FlameState, key: str, tree: TreeArrays, sliver: float = 0.0) -> FlameState:
    """The state after a key word (a key of KEYS); an unknown word changes nothing.

    `sliver` is the weight under which a sibling is too narrow to stop at.
    """
    move = KEYS.get(key)
    return move(state, tree, sliver) if move else state


def _child(state: FlameState, tree: TreeArrays, sliver: float) -> FlameState:
    """Down: the heaviest child; on the way into a zoom, the next frame towards its root."""
    if state.selected in (way := tree.ancestors(state.root)):
        below = [*way, state.root]
        return replace(state, selected=below[below.index(state.selected) + 1])
    child = max(tree.children(state.selected), key=lambda c: tree.total[c], default=state.selected)
    return replace(state, selected=child)


def _parent(state: FlameState, tree: TreeArrays, sliver: float) -> FlameState:
    return replace(state, selected=tree.parent[state.selected])


def _sibling(way: int, *, narrow: bool = False) -> Callable[[FlameState, TreeArrays, float], FlameState]:
    """Sideways: the nearest sibling wide enough to see (any, when `narrow`)."""

    def move(state: FlameState, tree: TreeArrays, sliver: float) -> FlameState:
        if not state.selected or state.selected in [*tree.ancestors(state.root), state.root]:
            return state
        row = _ordered(tree, tree.parent[state.selected], state.order)
        at = row.index(state.selected)
        onward = row[at + 1 :] if way > 0 else row[:at][::-1]
        found = next((c for c in onward if narrow or tree.total[c] >= sliver), state.selected)
        return replace(state, selected=found)

    return move


def _by_weight(way: int) -> Callable[[FlameState, TreeArrays, float], FlameState]:
    """Through the siblings from heavy to light, wherever they stand."""

    def move(state: FlameState, tree: TreeArrays, sliver: float) -> FlameState:
        if not state.selected:
            return _child(state, tree, sliver)
        row = _ordered(tree, tree.parent[state.selected], "weight")
        return replace(state, selected=row[(row.index(state.selected) + way) % len(row)])

    return move


def _ordered(tree: TreeArrays, parent: int, order: str) -> list[int]:
    row = tree.children(parent)
    if order == "weight":
        row.sort(key=lambda child: -tree.total[child])
    return row


def _zoom(state: FlameState, tree: TreeArrays, sliver: float) -> FlameState:
    if state.selected == state.root:
        return state
    return replace(state, root=state.selected, trail=(*state.trail, state.root))


def _unzoom(state: FlameState, tree: TreeArrays, sliver: float) -> FlameState:
    if not state.trail:
        return state
    return replace(state, root=state.trail[-1], trail=state.trail[:-1])


def _whole(state: FlameState, tree: TreeArrays, sliver: float) -> FlameState:
    return replace(state, root=0, trail=())


def _hot(state: FlameState, tree: TreeArrays, sliver: float) -> FlameState:
    """Follow the heaviest child while it holds half of its parent."""
    node = state.selected
    while True:
        child = max(tree.children(node), key=lambda c: tree.total[c], default=0)
        if not child or 2 * tree.total[child] < tree.total[node]:
            return replace(state, selected=node)
        node = child


def _match(way: int) -> Callable[[FlameState, TreeArrays, float], FlameState]:
    def move(state: FlameState, tree: TreeArrays, sliver: float) -> FlameState:
        if not state.matches:
            return state
        after = [m for m in state.matches if m > state.selected]
        before = [m for m in state.matches if m < state.selected]
        found = (after or list(state.matches))[0] if way > 0 else (before or list(state.matches))[-1]
        return replace(state, selected=found)

    return move


def _view(state: FlameState, tree: TreeArrays, sliver: float) -> FlameState:
    return replace(state, view=VIEWS[(VIEWS.index(state.view) + 1) % len(VIEWS)])


def _flip(state: FlameState, tree: TreeArrays, sliver: float) -> FlameState:
    return replace(state, icicle=not state.icicle)


KEYS: dict[str, Callable[[FlameState, TreeArrays, float], FlameState]] = {
    "child": _child,
    "parent": _parent,
    "left": _sibling(-1),
    "right": _sibling(1),
    "left-any": _sibling(-1, narrow=True),
    "right-any": _sibling(1, narrow=True),
    "heavier": _by_weight(-1),
    "lighter": _by_weight(1),
    "zoom": _zoom,
    "unzoom": _unzoom,
    "whole": _whole,
    "hot": _hot,
    "next": _match(1),
    "previous": _match(-1),
    "view": _view,
    "flip": _flip,
}
