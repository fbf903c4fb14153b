"""Why hits are few: what is loaded, whether it ends before it comes again or is gone, and what mends that."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from perftui.analysis import reuse
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.memoryfindings import grown
from perftui.engines.cache.riskfindings import limit
from perftui.engines.cache.ttl import longer
from perftui.model.cache import CacheNode, CacheReading, SlowCommand
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.noderecord import INDEX, PREFIX
from perftui.model.reuse import Reuse
from perftui.model.tierview import NamespaceView, TierTraffic

HIT_TARGET: Final = 0.90
ENOUGH_LOOKUPS: Final = 100.0
HOT_AGE: Final = 300.0  # seconds for which a look at the command stream tells something
ENOUGH_LOADS, MOST_BLAMED = 20, 3  # loads seen from which prefixes are blamed, and how many of these
LONGER: Final = 2.0  # times the TTL in force that is proposed where it is not known when keys come again
OWN: Final = 0.95  # of the TTL in force: what lives shorter was given a TTL of its own
VANISHED: Final = 0.5
FLUSHED: Final = 300.0  # seconds after a flush in which it explains misses
STARTED: Final = 900.0  # seconds of uptime in which keys may still be missing from before
ABSENT: Final = 0.5  # share of a namespace's misses that no tier had, from which warming helps
FLUSHES: Final = ("FLUSHALL", "FLUSHDB")
SIZE: Final = "cache.configure"  # what sets a limit of memory


@dataclass(frozen=True, slots=True)
class Loaded:
    """A prefix that loads were of: the share of all loads, and how long what was loaded lives.

    `view` is the namespace of the library that the prefix is of, `own` whether its entries have a TTL of
    their own, which no policy changes.
    """

    prefix: bytes
    part: float
    ttl: float | None
    view: NamespaceView | None = None
    reuse: Reuse | None = None
    own: bool = False

    @property
    def late(self) -> float | None:
        """The median time after which it comes again; None where that is not known to be after its end."""
        if self.reuse is None or self.ttl is None or not 0 < self.ttl < math.inf:
            return None
        again = reuse.quantile(self.reuse, 0.5, self.ttl)
        return again if again is not None and again > self.ttl else None

    @property
    def name(self) -> str:
        """With what else begins so."""
        return inert(self.prefix[:60].decode("utf-8", "backslashreplace"), 60) + "*"


@dataclass(frozen=True, slots=True)
class Mend:
    """An offer, what it would spare in requests a second (None: not known), and the sentences for it."""

    offer: Offer | None = None
    gain: float | None = None
    evidence: tuple[str, ...] = ()


def hits(now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Fewer than the target: what is loaded, and the memory, the warm set or the TTL that helps."""
    ratio = node.hit_ratio_1m
    if ratio is None or ratio >= HIT_TARGET or node.lookups_1m < ENOUGH_LOOKUPS:
        return
    if node.served_ratio_1m is not None and node.served_ratio_1m >= HIT_TARGET:
        return  # the memory of nodes above it has what is asked for often
    per_s = node.lookups_1m / 60
    evidence = [
        (
            f"{fmt.ratio(ratio)} of {fmt.number(node.lookups_1m)} lookups in the last minute were hits"
            f" (target {fmt.ratio(HIT_TARGET)})"
        ),
        f"{fmt.rate((1 - ratio) * per_s)} misses go to what stands behind the cache",
    ]
    loads, of = loaded(now, node, facts)
    mend = _mend(now, node, facts, loads)
    if facts.evicted_per_s:
        small = ": memory is too small" if mend.offer is None or mend.offer.action == SIZE else ""
        evidence.append(f"{fmt.rate(facts.evicted_per_s)} keys are evicted{small}")
    evidence += blamed(loads, of)
    gain = mend.gain if mend.gain is not None else (HIT_TARGET - ratio) * per_s
    yield Finding(
        "cache.hit-ratio-low",
        Severity.WARNING,
        node.source,
        "Hit ratio below target",
        (*evidence, *mend.evidence),
        gain=gain,
        gain_unit="requests/s",
        effort=Effort.KEY if mend.offer else Effort.HOURS,
        offer=mend.offer,
    )


def vanished(now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Most keys went within a minute: who flushed, where that is known, and the warm set that helps."""
    before, copies = node.keys_1m_ago, node.role == "replica" and node.lag_bytes is not None
    if copies or before is None or before < 100 or facts.keys > before * VANISHED:
        return  # of a replica whose primary is watched too, the primary tells
    who = [
        f"{inert(entry.text, 40)} by {inert(entry.client, 64) or 'a client without a name'}"
        f" {fmt.duration(max(0.0, now - entry.at))} ago"
        for entry in sorted(_flushes(now, facts), key=lambda entry: -entry.at)[:1]
    ]
    offer = _warming(node, facts)
    yield Finding(
        "cache.keys-vanished",
        Severity.WARNING,
        node.source,
        "Most keys are gone: flushed, purged or restarted",
        (
            f"{fmt.many(int(before), 'key')} a minute ago, {fmt.count(facts.keys)} now",
            *who,
            f"the server has been up for {fmt.duration(facts.uptime_s)}",
        ),
        effort=Effort.KEY if offer else Effort.MINUTES,
        offer=offer,
    )


def _flushes(now: float, facts: CacheReading) -> list[SlowCommand]:
    recent = (entry for entry in facts.slow if now - entry.at <= FLUSHED)
    return [entry for entry in recent if entry.text.upper().startswith(FLUSHES)]


# what is loaded


def loaded(now: float, node: CacheNode, facts: CacheReading) -> tuple[tuple[Loaded, ...], str]:
    """Prefixes by their loads, most first, and of how many these are a share.

    As a look at the command stream has it; where there was none lately, as nodes of the library count them.
    """
    views = {f"{view.namespace}:".encode("utf-8", "surrogatepass"): view for view in node.namespaces}
    counts, lives = _watched(now, facts, views)
    if facts.watched is not None and counts.total() >= ENOUGH_LOADS:
        of = f"{counts.total()} loads seen in {fmt.duration(facts.watched.took_s)}"
        parts = {prefix: n / counts.total() for prefix, n in counts.items()}
    else:
        rates = {prefix: view.traffic.misses for prefix, view in views.items() if view.traffic is not None}
        total = sum(rates.values())
        if total * 60 < ENOUGH_LOADS:
            return (), ""
        of = f"{fmt.rate(total)} loads that the cache library counts"
        parts = {prefix: rate / total for prefix, rate in rates.items() if rate}
    again = dict(facts.tiers.reuse) if facts.tiers is not None else {}
    found = [_loaded(prefix, part, views.get(prefix), lives, again) for prefix, part in parts.items()]
    return tuple(sorted(found, key=lambda one: -one.part)[:MOST_BLAMED]), of


def _watched(
    now: float, facts: CacheReading, known: Iterable[bytes]
) -> tuple[Counter[bytes], dict[bytes, list[float]]]:
    """Loads by prefix, a namespace's where one is known, and the lives that they gave."""
    watched = facts.watched
    loads: Counter[bytes] = Counter()
    lives: dict[bytes, list[float]] = {}
    if watched is None or now - watched.at > HOT_AGE:
        return loads, lives
    for key in watched.keys:
        of = [prefix for prefix in known if key.key.startswith(prefix)]
        prefix = max(of, key=len) if of else key.key[: key.key.find(b":") + 1]
        if key.loads and prefix and not key.key.startswith((INDEX, PREFIX)):
            loads[prefix] += key.loads
            lives.setdefault(prefix, []).extend([key.ttl_s] if key.ttl_s is not None else [])
    return loads, lives


def _loaded(
    prefix: bytes,
    part: float,
    view: NamespaceView | None,
    lives: dict[bytes, list[float]],
    again: dict[str, Reuse],
) -> Loaded:
    """What a server keeps longer than its TTL is kept for the time in which loads fail."""
    seen = median(lives[prefix]) if lives.get(prefix) else None
    default = max(view.ttls) if view is not None and view.ttls else None
    own = seen is not None and default is not None and seen < OWN * default
    ttl = seen if default is None or own else default
    return Loaded(prefix, part, ttl, view, again.get(view.namespace) if view else None, own)


def blamed(loads: Sequence[Loaded], of: str) -> Iterator[str]:
    """A sentence each for what ends before it comes again, and one for the others."""
    others = []
    for one in loads:
        if one.late is None or one.ttl is None:
            others.append(one)
            continue
        yield (
            f"{fmt.ratio(one.part)} of the {of} were of {one.name}, whose TTL ({fmt.life(one.ttl)}) is"
            f" shorter than their median re-use ({fmt.duration(one.late)})"
        )
    if others:
        named = ", ".join(
            one.name + (f" (TTL {fmt.duration(one.ttl)})" if one.ttl and one.ttl < math.inf else "")
            for one in others
        )
        part = min(1.0, round(sum(one.part for one in others), 9))
        yield f"{fmt.ratio(part)} of the {of} were of {named}"


# what mends it


def _mend(now: float, node: CacheNode, facts: CacheReading, loads: Sequence[Loaded]) -> Mend:
    """More memory where keys are evicted and it helps, what was lost where it was, else a longer TTL."""
    size = grown(now, facts) if facts.evicted_per_s else None
    if facts.evicted_per_s and (size is None or size.bytes_ > facts.max_bytes):
        if size is not None:
            return Mend(limit(node.source, size.bytes_), None, size.evidence)
        return Mend(limit(node.source, 2 * facts.max_bytes) if facts.max_bytes else None)
    if node.role == "replica":
        return Mend()  # it takes no change
    looked = (_warmed(now, node, facts), *(_lengthened(node.source, one) for one in loads))
    found = [mend for mend in looked if mend is not None]
    mend = next((one for one in found if one.offer is not None), found[0] if found else Mend())
    return replace(mend, evidence=(*(size.evidence if size is not None else ()), *mend.evidence))


def _warmed(now: float, node: CacheNode, facts: CacheReading) -> Mend | None:
    """The warm set of a namespace whose keys were lost; None where they were not, or it has none."""
    before = node.keys_1m_ago
    fell = before is not None and before >= 100 and facts.keys <= before * VANISHED
    if not (fell or _flushes(now, facts) or facts.uptime_s < STARTED):
        return None
    told = [(view.traffic.absent, view) for view in node.namespaces if view.traffic is not None]
    for absent, view in sorted(told, key=lambda one: -one[0]):
        misses = view.traffic.misses if view.traffic is not None else 0.0
        offer = _warming(node, facts, view.namespace) if absent > ABSENT * misses else None
        if offer is not None:
            text = (
                f"{fmt.ratio(min(1.0, absent / misses))} of the misses of {inert(view.namespace, 40)}"
                f" ({fmt.rate(absent)}) were of keys that nobody has, after a flush or a restart"
            )
            return Mend(offer, absent, (text,))
    return None


def _warming(node: CacheNode, facts: CacheReading, namespace: str = "") -> Offer | None:
    """To warm the largest set of a namespace, or of all; None where nodes have none."""
    every = facts.tiers.warm if facts.tiers is not None and node.role != "replica" else ()
    sets = [one for one in every if namespace in {"", one[0]}]
    if not sets:
        return None
    whose, name, keys = max(sets, key=lambda one: one[2])
    title = f"Warm set {inert(name, 32)} of {inert(whose, 40)} again, {fmt.count(keys)} keys"
    return Offer("cache.warm", node.source, title, (("namespace", whose), ("name", name)))


def _lengthened(source: str, one: Loaded) -> Mend | None:
    """The TTL that covers what comes too late, or twice the one in force; None where there is none to set."""
    view, ttl = one.view, one.ttl
    if one.own:
        return Mend(
            evidence=(f"what was loaded of {one.name} had a TTL of its own, from the service's code",)
        )
    if view is None or not view.ttls or ttl is None or not 0 < ttl < math.inf:
        return None
    wanted = reuse.covering(one.reuse, ttl) if one.reuse is not None else 0.0
    then = wanted if wanted > ttl else LONGER * ttl
    offer = longer(source, view.namespace, then)
    if offer is None or one.reuse is None:
        return Mend(offer) if offer is not None else None
    spared, ended = reuse.spared(one.reuse, ttl, then), _ended(one.reuse, ttl, view.traffic)
    covers = "covers three of four of what comes too late, and " if then == wanted else ""
    saves = f"spares {fmt.ratio(spared)} of the loads of what had ended"
    about = f", about {fmt.rate(ended * spared)}" if ended is not None else ""
    text = f"a TTL of {fmt.life(then)} {covers}{saves}{about}"
    return Mend(offer, ended * spared if ended is not None else None, (text, _basis(one.reuse)))


def _ended(again: Reuse, ttl: float, traffic: TierTraffic | None) -> float | None:
    """Loads a second of what was there and had ended; None where nodes have not told rates yet.

    Where no stale value is kept nobody has what ended: such a miss is counted as `absent`, like a first one.
    """
    if traffic is None:
        return None
    part = reuse.ended(again, ttl)
    causes = traffic.absent + traffic.expired + traffic.removed + traffic.tag + traffic.away
    if not causes:
        return part * traffic.misses
    return max(traffic.expired, part * (traffic.absent + traffic.expired))


def _basis(again: Reuse) -> str:
    """What re-use was told from."""
    seen = f"re-use was measured {fmt.count(again.seen)} times, on {fmt.count(again.keys)} sampled keys"
    return seen if again.nodes == 1 else f"{seen} of {again.nodes} nodes, as if each were asked for the same"
