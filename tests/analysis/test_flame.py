"""Call trees: what goes in comes out, bars never overlap, hidden weight is never lost."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from perftui.analysis import flame
from perftui.model.profiler import HIDDEN_FRAME, StackFrame

STACKS = st.lists(
    st.tuples(st.lists(st.integers(0, 5), max_size=7).map(tuple), st.integers(0, 40)), max_size=30
)
FRAMES = tuple(StackFrame(f"fn{i}", f"mod{i % 2}.py", i + 1) for i in range(6))


@given(STACKS)
def test_the_tree_holds_every_stack_and_nothing_else(given_stacks):
    tree = flame.build(given_stacks)
    wanted = Counter()
    for stack, weight in given_stacks:
        if weight:
            wanted[stack] += weight
    assert dict(flame.stacks(tree)) == dict(wanted)
    assert tree.total[0] == sum(weight for _, weight in given_stacks)
    for node in range(len(tree)):
        assert tree.total[node] == tree.own[node] + sum(tree.total[c] for c in tree.children(node))
        kids = [tree.frame[c] for c in tree.children(node)]
        assert kids == sorted(set(kids))


@given(STACKS, st.integers(1, 120), st.integers(1, 8), st.sampled_from(["name", "weight"]), st.data())
def test_bars_fill_their_parents_and_never_overlap(given_stacks, width, depth, order, data):
    tree = flame.build(given_stacks)
    root = data.draw(st.integers(0, len(tree) - 1))
    rects = flame.layout(tree, root, width, depth, order=order)
    taken: dict[int, set[int]] = {}
    for r in rects:
        cells = set(range(r.x, r.x + r.width))
        assert r.width >= 1
        assert r.x >= 0
        assert r.x + r.width <= width
        assert r.depth < depth
        assert not cells & taken.setdefault(r.depth, set())
        taken[r.depth] |= cells
    at = {r.node: r for r in rects if r.gathered == 1}
    for r in rects:
        parent = at.get(tree.parent[r.node])
        if r.node and parent is not None:
            assert parent.x <= r.x
            assert r.x + r.width <= parent.x + parent.width


@given(STACKS, st.integers(1, 60))
def test_pruning_keeps_every_total_and_names_what_it_hid(given_stacks, floor):
    tree = flame.build(given_stacks)
    small, origin, hidden = flame.prune(tree, floor)
    assert small.total[0] == tree.total[0]
    assert sum(small.own) == sum(tree.own)
    shown = [n for n in range(1, len(small)) if small.frame[n] != HIDDEN_FRAME]
    assert len(shown) + hidden == len(tree) - 1
    for node in shown:
        assert small.total[node] == tree.total[origin[node]] >= floor
        assert small.frame[node] == tree.frame[origin[node]]


@given(STACKS, st.integers(0, 5))
def test_search_counts_nested_matches_once(given_stacks, wanted):
    tree = flame.build(given_stacks)
    nodes, weight = flame.search(tree, FRAMES, re.compile(f"^fn{wanted}$"))
    assert weight == sum(w for stack, w in given_stacks if wanted in stack)
    assert all(tree.frame[n] == wanted for n in nodes)


@given(STACKS)
def test_self_weights_add_up_and_recursion_counts_once(given_stacks):
    tree = flame.build([(s, w) for s, w in given_stacks if s])
    own, total = flame.weights(tree, len(FRAMES))
    assert sum(own) == tree.total[0]
    for frame in range(len(FRAMES)):
        assert total[frame] == sum(w for s, w in given_stacks if frame in s)


def test_the_hot_path_follows_the_heavier_half_and_stops_at_a_split():
    tree = flame.build([((0, 1, 2), 60), ((0, 1, 3), 30), ((0, 4), 10)])
    path = flame.hot_path(tree, FRAMES)
    assert [s.frame.name for s in path] == ["fn0", "fn1", "fn2"]
    assert path[-1].share == 0.6
    split = flame.build([((0, 1), 40), ((0, 2), 30), ((0, 3), 30)])
    assert [s.frame.name for s in flame.hot_path(split, FRAMES)] == ["fn0"]


def test_zoom_shows_ancestors_full_width_and_rows_can_start_deeper():
    tree = flame.build([((0, 1, 2), 1), ((0, 3), 9)])
    deep = next(n for n in range(len(tree)) if tree.frame[n] == 2)
    rects = flame.layout(tree, deep, 50, 10)
    assert [(r.depth, r.width) for r in rects] == [(0, 50), (1, 50), (2, 50), (3, 50)]
    assert [r.depth for r in flame.layout(tree, deep, 50, 2, first=2)] == [2, 3]


def test_slivers_are_gathered_with_their_number():
    tree = flame.build([((0, i), 1) for i in range(1, 6)] + [((0,), 95)])
    gathered = [r for r in flame.layout(tree, 0, 40, 3) if r.gathered > 1]
    assert [(r.width, r.gathered) for r in gathered] == [(2, 5)]


def test_a_stack_of_five_thousand_frames_is_cut_not_recursed():
    tree = flame.build([(tuple(i % 6 for i in range(5000)), 3)])
    assert len(tree) == flame.MAX_DEPTH + 1
    assert len(flame.layout(tree, 0, 80, 30)) == 30
    assert flame.weights(tree, 6)[1][0] == 3


@settings(max_examples=30)
@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_margin_shrinks_with_samples(hits, more):
    n = hits + more
    assert 0 < flame.wilson_margin(hits, n) <= 0.5
    assert flame.wilson_margin(hits * 4, n * 4) < flame.wilson_margin(hits, n)
    assert flame.wilson_margin(0, 0) == 0.5
