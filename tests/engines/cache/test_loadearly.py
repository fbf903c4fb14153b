"""Values loaded before their end by real nodes because a console said so, within seconds, and taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.engines.cache import obeyed
from perftui.engines.cache.loadearly import NOT_REACHED, LoadEarly, early
from perftui.instrument.cache import SHARED, Cache, stats
from perftui.model.errors import PlanRejected
from perftui.model.noderecord import INDEX, pack
from perftui.model.options import ValkeyOptions
from perftui.model.tiers import EarlyLoads, SharedLoads, TierStats
from perftui.model.tierview import TierFacts, TierNode, TierTraffic
from tests.engines.cache.test_findings import NOW, conclude
from tests.engines.cache.test_shareloads import HERD, SAMPLE, quiet
from tests.waiting import until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "EVERY", 0.03)
    monkeypatch.setattr(obeyed, "LOOK", 0.03)


@pytest.fixture
async def console(valkey: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    await made._work.one("FLUSHALL", deadline=5)
    yield made
    await made.close()


def setting(console: Any, word: str) -> LoadEarly:
    return LoadEarly(console, "cache", namespace="shop", early=word)


async def test_nodes_load_early_and_go_back(console: Valkey, valkey: Any) -> None:
    keen = SHARED.but(early_beta=3.0)
    async with (
        Cache("shop", l2=valkey.url) as a,
        Cache("shop", l2=valkey.url) as b,
        Cache("shop", l2=valkey.url, defaults=keen) as already,
    ):
        for cache in (a, b, already):
            await cache._publisher.publish()  # type: ignore[union-attr]
        action = setting(console, "on")
        plan = await action.plan()
        assert plan.summary == "cache shop: early loads, beta 1"
        assert plan.affects == (
            "2 nodes: no early loads → early loads, beta 1",
            "1 node: early loads, beta 3 → early loads, beta 3",
            *NOT_REACHED,
        )
        assert (plan.count, plan.reversible, plan.undo_note) == (3, True, "back to the nodes' own way")
        assert "somewhat more often than their TTL says" in plan.warnings[0]
        receipt = await action.run(quiet)
        assert receipt.summary.endswith("early loads, beta 1, obeyed at 3 of 3 nodes")
        assert (a.defaults.early_beta, already.defaults.early_beta) == (1.0, 3.0)
        with pytest.raises(PlanRejected, match="is in force already"):
            await setting(console, "on").plan()
        second = setting(console, "off")
        assert "waits for its load again" in (await second.plan()).warnings[0]
        off = await second.run(quiet)
        assert (a.defaults.early_beta, already.defaults.early_beta) == (None, None)
        with pytest.raises(PlanRejected, match="no early loads is in force by now"):
            await action.undo(receipt)
        await second.undo(off)
        assert (await action.undo(receipt)).summary == "shop: back to the nodes' own way"
        await until(lambda: not a.defaults.early_beta and already.defaults is keen)


@pytest.mark.parametrize("odd", ["-1", "10.5", "inf", "nan"])
async def test_what_is_no_beta_is_not_obeyed(console: Valkey, valkey: Any, odd: str) -> None:
    async with Cache("shop", l2=valkey.url) as cache:
        if odd == "nan":  # no server takes one as a score
            await console._work.one("SET", "__policy:shop", odd, deadline=5)
        else:
            await console._work.one("ZADD", "__policy:shop", odd, "early.1", deadline=5)
        await until(lambda: cache.stats().of("policy.refused") == 1)
        assert cache.stats().early == EarlyLoads(0.0, 0.0)
        assert await console.namespace_early("shop") is None


async def test_nodes_that_cannot_are_told_and_other_words_refused(console: Valkey) -> None:
    with pytest.raises(PlanRejected, match="early loads are `on`, `off`, or `default`"):
        await setting(console, "soon\x1b[31m").plan()
    with pytest.raises(PlanRejected, match="no node publishes it"):
        await setting(console, "on").plan()
    now = int((await console._work.one("TIME", deadline=5))[0])
    await console._work.one("SET", "__node:shop:old", pack(TierStats("shop", "old"), now), deadline=5)
    await console._work.one("ZADD", INDEX, now, "__node:shop:old", deadline=5)
    with pytest.raises(PlanRejected, match="their version knows of none"):
        await setting(console, "on").plan()


ALONE, ONE = SharedLoads(now=False, own=False), SharedLoads(now=True, own=True)
NEVER, EARLY = EarlyLoads(0.0, 0.0), EarlyLoads(1.0, 0.0)
ENDED = TierTraffic(l1_hits=90.0, misses=10.0, expired=6.0, removed=4.0)


def tiers(
    told: EarlyLoads | None, load_s: float = 0.12, traffic: TierTraffic = ENDED, loads: SharedLoads = ALONE
) -> TierFacts:
    node = TierNode("shop:menu", "n" * 32, NOW, traffic=traffic, shared=loads, early=told)
    return TierFacts((node,), load_p95_s=(("shop:menu", load_s),))


@pytest.mark.parametrize("loads", [ALONE, ONE])
def test_a_stampede_at_the_end_of_long_loads_offers_it(loads: SharedLoads) -> None:
    found = conclude(watched=SAMPLE, tiers=tiers(NEVER, loads=loads))["cache.stampede"]
    assert found.offer is not None
    assert (found.offer.action, dict(found.offer.params)) == (
        "cache.load-early",
        {"namespace": "shop:menu", "early": "on"},
    )
    assert found.evidence[1] == (
        "60.0% of the misses of shop:menu are of what had ended, and its loads take 120 ms (p95): begun before"
        " the end, nobody waits for one"
    )


@pytest.mark.parametrize(
    "facts",
    [
        tiers(EARLY),  # it is so already
        tiers(None),  # its nodes know of none
        tiers(NEVER, load_s=0.02),  # nobody waits long
        tiers(NEVER, traffic=TierTraffic(misses=10.0, expired=4.0, removed=6.0)),  # removed, before any end
    ],
)
def test_else_one_load_for_all_is_offered(facts: TierFacts) -> None:
    found = conclude(watched=SAMPLE, tiers=facts)["cache.stampede"]
    assert found.offer is not None
    assert found.offer.action == "cache.share-loads"


def test_it_is_for_the_namespace_of_the_key() -> None:
    assert early("cache", tiers(NEVER), HERD.key) is not None
    assert early("cache", tiers(NEVER), b"other:1") is None
    assert early("cache", None, HERD.key) is None
