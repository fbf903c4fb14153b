"""Wait-for forests: roots first, everybody once, cycles shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.waitgraph import forest


def shape(blockers: dict[int, tuple[int, ...]]) -> list[tuple[int, int, int]]:
    return [(node.pid, node.depth, node.blocks) for node in forest(blockers)]


def test_nobody_waits() -> None:
    assert forest({}) == ()


def test_a_chain_and_a_fan_hang_under_their_root() -> None:
    assert shape({2: (1,), 3: (1,), 4: (3,), 9: (8,)}) == [
        (1, 0, 3),
        (2, 1, 0),
        (3, 1, 1),
        (4, 2, 0),
        (8, 0, 1),
        (9, 1, 0),
    ]


def test_further_blockers_are_named() -> None:
    nodes = {node.pid: node for node in forest({2: (1,), 3: (1, 2)})}
    assert nodes[3].depth == 1
    assert nodes[3].also == (2,)


def test_a_cycle_hangs_under_its_lowest_pid() -> None:
    nodes = forest({1: (2,), 2: (1,), 3: (2,)})
    assert [node.pid for node in nodes] == [1, 2, 3]
    assert nodes[0].cycle
    assert not any(node.cycle for node in nodes if node.pid != nodes[0].pid) or nodes[0].cycle


@given(
    st.dictionaries(
        st.integers(1, 12), st.lists(st.integers(1, 12), min_size=1, max_size=3).map(tuple), max_size=12
    )
)
def test_everybody_appears_once_whatever_waits_for_whom(blockers: dict[int, tuple[int, ...]]) -> None:
    nodes = forest(blockers)
    waiting = {p: tuple(b for b in by if b != p) for p, by in blockers.items()}
    everyone = set(waiting) | {b for by in waiting.values() for b in by}
    assert sorted(node.pid for node in nodes) == sorted(everyone)
    assert sum(node.blocks for node in nodes if node.depth == 0) == sum(node.depth > 0 for node in nodes)


def test_a_chain_of_thousands_needs_no_recursion() -> None:
    nodes = forest({n: (n - 1,) for n in range(1, 3000)})
    assert nodes[0].blocks == 2999
    assert nodes[-1].depth == 2999
