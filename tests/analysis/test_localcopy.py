"""What is said of a local copy: only what nodes of the key's own namespace tell."""

from __future__ import annotations

import pytest

from perftui.analysis.localcopy import PLAIN, holders, local_copy
from perftui.model.tierview import TierFacts, TierNode, TierTraffic


def node(namespace: str = "shop", **more: object) -> TierNode:
    return TierNode(namespace, f"{namespace}-1", 1.0, **more)  # type: ignore[arg-type]


BUSY = TierTraffic(l1_hits=30.0, l2_hits=60.0, misses=10.0)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ((), PLAIN),
        ((node("other", l1=False),), PLAIN),
        ((node(l1=False),), "the only node of shop has no L1"),
        ((node(l1=False), node()), "1 of 2 nodes of shop has no L1"),
        ((node(l1=False), node(l1=False)), "2 of 2 nodes of shop have no L1"),
        ((node(traffic=BUSY),), "the only node of shop has an L1 that is empty"),
        ((node(traffic=BUSY, l1_entries=5.0), node()), "all 2 nodes of shop have an L1 that answers 30%"),
        ((node(),), "the only node of shop has an L1: others read the key"),
    ],
)
def test_what_nodes_tell_of_their_memory(nodes: tuple[TierNode, ...], said: str) -> None:
    assert local_copy(TierFacts(nodes), b"shop:product:1").startswith(said)


def test_a_key_is_of_the_longest_namespace_that_it_begins_with() -> None:
    facts = TierFacts((node("shop"), node("shop:eu")))
    assert [n.namespace for n in holders(facts, b"shop:eu:1")] == ["shop:eu"]
    assert [n.namespace for n in holders(facts, b"shop:1")] == ["shop"]
    assert list(holders(facts, b"shopping:1")) == []
    assert local_copy(None, b"shop:1") == PLAIN
    assert local_copy(facts, b"\xff\xfe") == PLAIN
