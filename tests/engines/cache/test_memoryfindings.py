"""Memory near its limit: the size a curve asks for, the policy, or a purge of what holds the most."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.engines.cache.memoryfindings import SPACE_AGE
from perftui.engines.cache.purge import PurgeKeys
from perftui.model.cache import CacheReading, Keyspace, PrefixShare, Replication
from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.finding import Finding
from perftui.model.misscurve import MissCurve
from perftui.model.options import ValkeyOptions
from perftui.model.tierview import TierFacts, TierNode
from tests.engines.cache.test_findings import CALM, GIB, NOW, conclude
from tests.engines.cache.test_hitfindings import LATE, WARM, curve, keyspace

NEAR: dict[str, Any] = {"used_bytes": int(0.9 * GIB), "keys": 112_500}


def near(**changes: Any) -> Finding:
    return conclude(**(NEAR | changes))["cache.memory-near-limit"]


def space(prefix: bytes, *, exact: bool = False, at: float = NOW - 60) -> Keyspace:
    top = PrefixShare(prefix, 4000, 0.4, 0.03, 500 << 20, 0.62, 0.02)
    return Keyspace(at, b"", 100_000, 640, exact, 64, (top,), ())


def tiers(*names: str, curves: tuple[tuple[str, MissCurve], ...] = ()) -> TierFacts:
    return TierFacts(tuple(TierNode(name, "n" * 32, NOW) for name in names), curves=curves)


def params(found: Finding) -> dict[str, Any]:
    assert found.offer is not None
    return {"action": found.offer.action, **dict(found.offer.params)}


def test_what_holds_the_most_is_named_and_purged() -> None:
    found = near(space=space(b"cart:"))
    assert found.evidence[-1] == (
        "cart:* holds 62.0% of the bytes, 500 MiB (± 2.0%, 640 of 100,000 keys seen)"
    )
    assert params(found) == {"action": "cache.purge", "pattern": "cart:*"}
    assert found.offer is not None
    assert found.offer.title == "Purge cart:*"
    assert near(space=space(b"cart:", exact=True)).evidence[-1].endswith("500 MiB (all keys counted)")


def test_entries_of_the_library_are_named_by_their_namespace() -> None:
    found = near(space=space(b"shop:"), tiers=tiers("cart", "shop"))
    assert params(found) == {"action": "cache.purge", "namespace": "shop", "pattern": "*"}


@pytest.mark.parametrize("prefix", [b"*", b"shop:*:", b"\xff\xfe:", b"a\x1b:"])
def test_what_has_no_name_of_its_own_is_not_made_a_pattern(prefix: bytes) -> None:
    found = near(space=space(prefix))
    assert params(found) == {"action": "cache.purge"}
    assert "\x1b" not in found.evidence[-1]


def test_nothing_is_guessed_where_nobody_looked_lately() -> None:
    for known in (None, space(b"cart:", at=NOW - SPACE_AGE - 1), replace(space(b""), prefixes=())):
        found = near(space=known)
        assert params(found) == {"action": "cache.purge"}
        assert len(found.evidence) == 1


def test_the_curve_says_how_much_memory_is_worth_it() -> None:
    found = near(space=keyspace(), tiers=tiers("shop", curves=(("shop", curve(0.03)),)))
    assert params(found) == {"action": "cache.configure", "parameter": "maxmemory", "value": str(1626 << 20)}
    assert found.evidence[1] == (
        "1.59 GiB would bring 1.1 points of hit ratio: by the curve of shop (1 node, LRU) it misses 3.0% of"
        " lookups now, 1.9% then, each ± 0.4 points"
    )
    small = near(space=keyspace(), tiers=tiers("shop", curves=(("shop", curve(0.002)),)))
    assert small.evidence[1] == "more memory would bring shop less than a point of hit ratio"
    assert params(small)["action"] == "cache.purge"


@pytest.mark.parametrize(
    "changes",
    [
        {"space": keyspace(share=0.3)},  # it does not speak for most keys
        {"keys": 10_000},  # the memory of one node has more room
        {"keys": 900_000},  # beyond the curve
        {"tiers": tiers("shop", curves=(("cart", curve(0.2)),))},
    ],
)
def test_a_curve_that_does_not_tell_of_the_server_is_left_alone(changes: dict[str, Any]) -> None:
    known = {"space": keyspace(), "tiers": tiers("shop", curves=(("shop", curve(0.2)),))}
    assert params(near(**known))["action"] == "cache.configure"
    assert params(near(**(known | changes)))["action"] == "cache.purge"


def test_a_server_that_refuses_writes_is_to_let_keys_go() -> None:
    found = near(policy="noeviction", space=space(b"cart:"))
    assert params(found) == {
        "action": "cache.configure",
        "parameter": "maxmemory-policy",
        "value": "allkeys-lru",
    }
    assert "cart:* holds" in found.evidence[-1]


def test_a_replica_is_offered_nothing() -> None:
    copies = Replication("replica", primary="10.0.0.1:6379", link_up=True)
    assert near(space=space(b"cart:"), replication=copies).offer is None


@pytest.fixture
async def console(valkey: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    await made._work.one("FLUSHALL", deadline=5)
    yield made
    await made.close()


async def test_the_pattern_is_of_those_keys_alone(console: Valkey) -> None:
    names = [*(f"a[1]?:{n}" for n in range(7)), *(f"a1x:{n}" for n in range(3)), "a[1]y:1"]
    await console._work.ask([("SET", name, "x" * 50) for name in names], 5)
    assert (await console.read()).facts.space is None
    await console.sample_keyspace(b"a", 64)
    assert (await console.read()).facts.space is None, "a sample of some keys says nothing of all"
    await console.sample_keyspace(b"", 64)
    seen = (await console.read()).facts.space
    assert (seen.exact, seen.total, seen.biggest) == (True, len(names), ())
    found = near(space=replace(seen, at=NOW))
    assert found.offer is not None
    purge = PurgeKeys(console, "cache", **dict(found.offer.params))
    assert (await purge.plan()).count == 7


def test_a_reading_with_all_of_it_is_kept_and_read_again() -> None:
    facts = TierFacts(reuse=(("shop", LATE),), curves=(("shop", curve(0.2)),), warm=WARM)
    reading = replace(CALM, space=space(b"a\xff:"), tiers=facts)
    assert from_jsonable(CacheReading, to_jsonable(reading)) == reading
