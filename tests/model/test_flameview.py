"""The keys of a flame graph as pure steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.flame import build
from perftui.model.flameview import KEYS, FlameState, step

TREE = build([((0, 1, 2), 50), ((0, 1, 3), 1), ((0, 1, 4), 30), ((0, 5), 19)])
NODE = {TREE.frame[n]: n for n in range(len(TREE))}


def walk(*keys: str, state: FlameState | None = None, sliver: float = 0.0) -> FlameState:
    state = state or FlameState()
    for key in keys:
        state = step(state, key, TREE, sliver)
    return state


def test_down_follows_the_heaviest_child_and_sideways_skips_slivers():
    assert walk("child", "child", "child").selected == NODE[2]
    at = walk("child", "child", "child", "right", sliver=5)
    assert at.selected == NODE[4]
    assert walk("right-any", state=walk("child", "child", "child"), sliver=5).selected == NODE[3]
    assert walk("left", state=at, sliver=5).selected == NODE[2]
    assert walk("right", state=at).selected == NODE[4]


def test_zoom_remembers_the_way_back_and_down_leads_into_the_zoom():
    state = walk("child", "child", "zoom")
    assert (state.root, state.trail) == (NODE[1], (0,))
    assert walk("parent", "parent", "child", "child", state=state).selected == NODE[1]
    assert walk("child", "zoom", "unzoom", "unzoom", state=state).root == 0
    assert walk("child", "zoom", "whole", state=state).trail == ()
    assert walk("right", state=state) == state


def test_children_by_weight_go_round_and_the_hot_path_stops_at_a_split():
    at = FlameState(selected=NODE[2])
    assert [walk(*["lighter"] * n, state=at).selected for n in range(4)] == [
        NODE[2],
        NODE[4],
        NODE[3],
        NODE[2],
    ]
    assert walk("hot").selected == NODE[2]


def test_matches_are_walked_in_order_and_wrap():
    state = FlameState(matches=(NODE[2], NODE[4]))
    assert walk("next", state=state).selected == NODE[2]
    assert walk("next", "next", "next", state=state).selected == NODE[2]
    assert walk("previous", state=state).selected == NODE[4]


@given(st.lists(st.sampled_from([*KEYS, "unknown"]), max_size=40))
def test_no_walk_leaves_the_tree(keys):
    state = walk(*keys)
    assert 0 <= state.selected < len(TREE)
    assert 0 <= state.root < len(TREE)
