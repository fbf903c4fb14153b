"""The nodes of the cache library that publish their counts in this server; anybody may have written them."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import hiredis

from perftui.analysis import misscurves, reuse
from perftui.analysis.namespacedetail import CODECS, below
from perftui.analysis.quantile import Sketch
from perftui.backends.valkey.link import verify
from perftui.backends.valkey.purges import waiting
from perftui.backends.valkey.waits import Waits
from perftui.model.noderecord import (
    EVERY,
    INDEX,
    LARGEST,
    LIFE,
    PREFIX,
    NodeRecord,
    NodesLook,
    NoRecord,
    unpack,
)
from perftui.model.purgequeue import PurgesWaiting
from perftui.model.reuse import Reuse
from perftui.model.tiers import TierStats
from perftui.model.tierview import RelayLink, TierFacts, TierNode, between
from perftui.model.warmask import ASK_LARGEST, ASK_LIFE, ask_key, warm_sets
from perftui.model.warmused import warmed

MOST = 500  # nodes read in a look
LONGEST_KEY = 1024
PURGES_EVERY = 10.0  # seconds between two looks at what waits for the edge
RELAY = "relay."  # begins the names of what nodes tell of their relays
DEADLINE = 2.0
CURVES = 16  # nodes of a namespace whose curves are merged
TURN = 20  # records read before others have a turn of the loop


class TierRates:
    """What nodes did between two of their records; the records before are kept here."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], tuple[NodeRecord, TierNode]] = {}
        self.asked = self.asked_purges = -math.inf
        self.facts = TierFacts()
        self._waits = Waits()

    async def take(self, look: NodesLook, purges: tuple[PurgesWaiting, ...] = ()) -> None:
        """The newest records, and what waits for the edge."""
        loads, again = await load_quantiles(look.records), await _reuses(look.records)
        before, self._before = self._before, {}
        for record in look.records:
            key = record.stats.namespace, record.stats.node
            self._before[key] = record, _node(record, before.get(key))
        nodes = tuple(node for _, node in self._before.values())
        unreadable = sum((look.unreadable or {}).values())
        self.facts = TierFacts(
            nodes,
            tuple(sorted(loads.items())),
            unreadable,
            look.more,
            again,
            tuple(misscurves.by_namespace(look, CURVES).items()),
            _warm(look.records),
            purges,
            await self._waits.told(look.records),
            self._waits.heard,
        )


class NodePowers:
    """NodeReader over the working connection, and the nodes' rates for looks."""

    _work: Any  # a Link, or a whole cluster as one
    _look: Any
    _tiers: TierRates
    own_hits: int
    own_misses: int

    async def nodes(self) -> NodesLook:
        """Every node's last record: three round trips, 64 KiB of each record at most.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        seconds, micros = await self._work.one("TIME", deadline=DEADLINE)
        return await self._records(self._work, int(seconds) + int(micros) / 1e6, DEADLINE)

    async def tiers(self, now: float, within: float) -> TierFacts:
        """What the nodes do, asked for as often as they publish; `now` is the server's epoch seconds.

        Two round trips, of `within` seconds at most each, and each ten seconds two more for what waits for
        the edge.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        rates, asked = self._tiers, time.monotonic()
        if asked - rates.asked >= 0.9 * EVERY:
            records, purges = await self._records(self._look, now, within), rates.facts.purges
            if asked - rates.asked_purges >= PURGES_EVERY:
                purges, looked = await waiting(self._look, now, within)
                self._looked_up(looked)
                rates.asked_purges = asked
            await rates.take(records, purges)
            rates.asked = asked
        return rates.facts

    async def _records(self, link: Any, now: float, within: float) -> NodesLook:
        asked = ("ZRANGEBYSCORE", INDEX, f"{now - LIFE:.3f}", "+inf", "LIMIT", 0, MOST + 1)
        (reply,) = await link.ask([asked], within)
        if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("WRONGTYPE"):
            self.own_hits += 1
            return NodesLook(unreadable={"another shape": 1})
        keys = verify(reply, "ZRANGEBYSCORE", link.where)
        ours = [key for key in keys[:MOST] if key.startswith(PREFIX) and len(key) <= LONGEST_KEY]
        unreadable: Counter[str] = Counter({"another name": len(keys[:MOST]) - len(ours)})
        records: list[NodeRecord] = []
        replies = await link.ask([("GETRANGE", key, 0, LARGEST) for key in ours], within) if ours else []
        self._looked_up([keys, *replies])
        for count, reply in enumerate(replies, 1):
            self._take(reply, records, unreadable)
            if count % TURN == 0:
                await asyncio.sleep(0)
        return NodesLook(tuple(records), {k: n for k, n in unreadable.items() if n}, len(keys) > MOST)

    async def ask_warm(self, namespace: str, name: str) -> None:
        """Let every node that has this warm set see for a minute that it is asked for.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        text = secrets.token_hex(ASK_LARGEST // 4)
        asked = ("SET", ask_key(namespace, name), text, "PX", round(ASK_LIFE * 1000))
        await self._work.one(*asked, deadline=DEADLINE)

    def _looked_up(self, replies: Iterable[Any]) -> None:
        found = [bool(reply) for reply in replies]
        self.own_hits += sum(found)
        self.own_misses += len(found) - sum(found)

    def _take(self, reply: Any, records: list[NodeRecord], unreadable: Counter[str]) -> None:
        if isinstance(reply, hiredis.ReplyError):
            if not str(reply).startswith("WRONGTYPE"):
                verify(reply, "GETRANGE", self._work.where)
            unreadable["another shape"] += 1
        elif reply:  # an empty one has ended meanwhile
            try:
                records.append(_checked(unpack(reply)))
            except NoRecord as error:
                unreadable[str(error)] += 1


def _node(record: NodeRecord, before: tuple[NodeRecord, TierNode] | None) -> TierNode:
    """With rates since its record before; those of before while it is the same one."""
    stats, traffic = record.stats, None
    if before is not None:
        old, node = before
        same = old.at == record.at
        traffic = node.traffic if same else between(old.stats, stats, record.at - old.at)
    gauge = stats.gauges.get
    return TierNode(
        stats.namespace,
        stats.node,
        record.at,
        traffic,
        l1_entries=gauge("l1.entries", 0.0),
        l1_bytes=gauge("l1.bytes", 0.0),
        waiting=gauge("recovery.queue", 0.0) + gauge("notices.queue", 0.0),
        linked=gauge("linked", 1.0) > 0,
        breaker_open=gauge("breaker.open", 0.0) > 0,
        relays=tuple(_relays(stats)),
        waiting_s=max(gauge("recovery.oldest_s", 0.0), gauge("notices.oldest_s", 0.0)),
        writes=gauge("writes.waiting", 0.0),
        writes_s=gauge("writes.oldest_s", 0.0),
        raw_bytes=float(stats.of("codec.bytes_in")),
        packed_bytes=float(stats.of("codec.bytes_out")),
        predicted=stats.predicted,
        ttl=stats.ttl,
        shared=stats.shared,
        l1="l1.entries" in stats.gauges,
        dead=gauge("writes.dead", 0.0),
        dead_shared=gauge("writes.dead_shared", 0.0),
        work=stats.work,
        codecs=below(stats.counters, CODECS),
        warmed=warmed(stats.gauges),
        local=stats.local,
        l1_bound=max(0.0, gauge("l1.bound_bytes", 0.0)),
        early=stats.early,
    )


def _relays(stats: TierStats) -> Iterator[RelayLink]:
    """Of the regions it reads, or would if they answered."""
    for name in stats.gauges:
        head, _, what = name.rpartition(".")
        if what != "leads" or not head.startswith(RELAY):
            continue
        figure = {key: stats.gauges.get(f"{head}.{key}", 0.0) for key in ("behind", "lag_s", "silent_s")}
        if stats.gauges[name] > 0 or figure["silent_s"] > 0:
            yield RelayLink(head.removeprefix(RELAY), **figure, lost=int(stats.of(f"{head}.lost")))


async def _reuses(records: Iterable[NodeRecord]) -> tuple[tuple[str, Reuse], ...]:
    """When keys of each namespace come again, where its nodes have seen enough."""
    tallies: dict[str, reuse.Tally] = {}
    for count, record in enumerate(records, 1):
        tallies.setdefault(record.stats.namespace, reuse.Tally()).add(record)
        if count % TURN == 0:
            await asyncio.sleep(0)
    found = ((name, tally.told()) for name, tally in sorted(tallies.items()))
    return tuple((name, told) for name, told in found if told is not None)


def _warm(records: Iterable[NodeRecord]) -> tuple[tuple[str, str, int], ...]:
    """The warm sets of each namespace, and the most keys that a node says of it."""
    keys: dict[tuple[str, str], int] = {}
    for one in warm_sets(records):
        place = one.namespace, one.name
        keys[place] = max(one.total, keys.get(place, 0))
    return tuple((namespace, name, most) for (namespace, name), most in keys.items())[:MOST]


async def load_quantiles(records: Iterable[NodeRecord]) -> dict[str, float]:
    """The 95th percentile of each namespace's loads in seconds, over all its nodes."""
    merged: dict[str, Sketch] = {}
    for count, record in enumerate(records, 1):
        data = record.stats.sketches.get("load")
        if data is not None:
            merged.setdefault(record.stats.namespace, Sketch()).merge(Sketch.unpack(data))
        if count % TURN == 0:
            await asyncio.sleep(0)
    found = {name: sketch.quantile(0.95) for name, sketch in merged.items()}
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _checked(record: NodeRecord) -> NodeRecord:
    """With sketches that are sketches."""
    for data in record.stats.sketches.values():
        try:
            Sketch.unpack(data)
        except ValueError:
            raise NoRecord("another shape") from None
    return record
