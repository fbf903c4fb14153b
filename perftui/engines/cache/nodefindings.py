"""What nodes of the cache library tell that is wrong: deaf, hanging, late with writes, packing in vain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cache import CacheNode, CacheReading
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.nodework import MOST, WRITE, LongLoad, letters, oldest
from perftui.model.tierview import TierNode

LATE = 30.0
"""Seconds from which a write that waits is late: clients of other nodes read the old value as long."""

HANGS = 30.0
"""Seconds from which a load is taken to hang: callers waited for it for as long, or gave it up."""

ENOUGH_BYTES = 1 << 20
"""Bytes packed from which a ratio says something."""

POOR = 0.30
"""Saved share below which packing is poor."""

NAMED: Final = 5
"""Nodes, or keys that wait, told of in a finding."""


class _Late(NamedTuple):
    """What waits at a node for too long: how many, and for how many seconds the oldest of them."""

    node: TierNode
    many: float
    age_s: float


def node_findings(_now: float, server: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Of each namespace whose nodes publish in this server; a replica has copies of what they say."""
    if server.role == "replica":
        return
    nodes = facts.tiers.nodes if facts.tiers is not None else ()
    for namespace, some in groupby(sorted(nodes, key=_namespace), key=_namespace):
        there = tuple(some)
        for look in (_deaf, _recovery, _write_behind, _dead_letters, _hanging, _packing):
            yield from look(server.source, namespace, there)


def _namespace(node: TierNode) -> str:
    return node.namespace


def _named(nodes: Iterable[TierNode]) -> str:
    names = [inert(node.node[:8], 8) for node in nodes]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _labels(namespace: str) -> tuple[tuple[str, str], ...]:
    return (("namespace", inert(namespace, 60)),)


def _deaf(source: str, namespace: str, nodes: tuple[TierNode, ...]) -> Iterator[Finding]:
    deaf = [node for node in nodes if not node.linked]
    if deaf:
        yield Finding(
            "cache.link-down",
            Severity.CRITICAL,
            source,
            f"{inert(namespace, 40)}: nodes do not hear what others change",
            (
                f"{len(deaf)} of {fmt.many(len(nodes), 'node')}: {_named(deaf)}",
                "what is in their memory is not served as fresh until it is read from L2 again",
                "a server that forbids CLIENT TRACKING, or a proxy, does this: `backplane=` does without",
            ),
            labels=_labels(namespace),
        )


def _recovery(source: str, namespace: str, nodes: tuple[TierNode, ...]) -> Iterator[Finding]:
    late = [_Late(node, node.waiting, node.waiting_s) for node in nodes]
    yield from _waiting(
        "cache.recovery-old",
        source,
        namespace,
        "changes wait for L2, other nodes or the edge",
        late,
        "the oldest for {} at {}",
        *_items(nodes, writes=False),
        "they are tried again by themselves, the first within a second of an answer",
        "other nodes read what was there before as long as that lasts",
    )


def _write_behind(source: str, namespace: str, nodes: tuple[TierNode, ...]) -> Iterator[Finding]:
    late = [_Late(node, node.writes, node.writes_s) for node in nodes]
    yield from _waiting(
        "cache.write-behind-late",
        source,
        namespace,
        "acknowledged writes are not in the database yet",
        late,
        "the oldest was acknowledged {} ago at {}",
        *_items(nodes, writes=True),
        *_errors(nodes),
        offer=_retry(source, namespace, nodes),
        gain_unit="writes",
    )


def _waiting(
    id_: str,
    source: str,
    namespace: str,
    what: str,
    every: Sequence[_Late],
    since: str,
    *more: str,
    offer: Offer | None = None,
    gain_unit: str = "",
) -> Iterator[Finding]:
    """What waits at nodes for longer than LATE: how much where, the oldest, and `more` evidence."""
    late = [one for one in every if one.many and one.age_s > LATE]
    if not late:
        return
    first, count = max(late, key=lambda one: one.age_s), sum(one.many for one in late)
    yield Finding(
        id_,
        Severity.CRITICAL,
        source,
        f"{inert(namespace, 40)}: {what}",
        (
            f"{fmt.count(count)} at {_named(one.node for one in late)}",
            since.format(fmt.duration(first.age_s), _named([first.node])),
            *more,
        ),
        gain=count if gain_unit else 0.0,
        gain_unit=gain_unit,
        effort=Effort.MINUTES if offer is None else Effort.KEY,
        offer=offer,
        labels=_labels(namespace),
    )


def _dead_letters(source: str, namespace: str, nodes: tuple[TierNode, ...]) -> Iterator[Finding]:
    dead = letters((node.dead for node in nodes), (node.dead_shared for node in nodes))
    if dead:
        have = [node for node in nodes if node.dead or node.dead_shared]
        yield Finding(
            "cache.dead-letters",
            Severity.CRITICAL,
            source,
            f"{inert(namespace, 40)}: the database refused acknowledged writes",
            (
                f"{fmt.count(dead)} failed five times, at {_named(have)}; nobody tries them any more",
                *_errors(nodes),
                "the cache serves what was written until it expires or leaves; then the old value is loaded",
            ),
            gain=float(dead),
            gain_unit="writes",
            effort=Effort.MINUTES,
            offer=_retry(source, namespace, nodes),
            labels=_labels(namespace),
        )


def _items(nodes: Iterable[TierNode], *, writes: bool) -> Iterator[str]:
    """The oldest of what waits, by name, where nodes say it."""
    told = [one for node in nodes if node.work is not None for one in node.work.waiting]
    mine = sorted((one for one in told if (one.what == WRITE) is writes), key=lambda one: -one.age_s)
    if mine:
        yield "the oldest: " + ", ".join(inert(f"{one.what} {one.key}", 60) for one in mine[:NAMED])


def _errors(nodes: Iterable[TierNode]) -> Iterator[str]:
    """Why writes failed last, each reason once."""
    errors = dict.fromkeys(node.work.error for node in nodes if node.work is not None and node.work.error)
    return (f"failed last: {inert(error, 160)}" for error in list(errors)[:2])


def _retry(source: str, namespace: str, nodes: Iterable[TierNode]) -> Offer | None:
    """None where no node obeys orders."""
    if all(node.work is None for node in nodes):
        return None
    params = (("namespace", namespace),)
    return Offer("cache.retry-writes", source, f"Try writes of {inert(namespace, 40)} again", params)


def _hanging(source: str, namespace: str, nodes: tuple[TierNode, ...]) -> Iterator[Finding]:
    loads = [(node, load) for node, load in oldest((n.node, n.work) for n in nodes) if load.age_s > HANGS]
    if not loads:
        return
    (node, first), key = loads[0], _key(loads[0][1])
    told = {name for name, _ in loads}
    hidden = any(_more_hang(one) for one in nodes)
    where = _named(one for one in nodes if one.node in told)
    params = (("namespace", namespace), ("key", first.key), ("mark", first.mark))
    yield Finding(
        "cache.load-hangs",
        Severity.WARNING,
        source,
        f"{inert(namespace, 40)}: a loader hangs",
        (
            f"{key} is loaded for {fmt.duration(first.age_s)} at {inert(node[:8], 8)}",
            f"{'at least ' if hidden else ''}{len(loads)} such at {where}",
            "who waits for one with no hard timeout, and no stale value, waits as long",
        ),
        effort=Effort.KEY,
        offer=Offer("cache.cancel-load", source, f"Cancel the load of {key}", params),
        labels=_labels(namespace),
    )


def _key(load: LongLoad) -> str:
    return inert(load.key, 60) or "the empty key"


def _more_hang(node: TierNode) -> bool:
    """Whether a node may run more hanging loads than it tells of."""
    work = node.work
    full = work is not None and len(work.loads) >= MOST and work.long > len(work.loads)
    return full and work is not None and work.loads[-1].age_s > HANGS


def _packing(source: str, namespace: str, nodes: tuple[TierNode, ...]) -> Iterator[Finding]:
    raw = sum(node.raw_bytes for node in nodes)
    packed = sum(node.packed_bytes for node in nodes)
    saved = 1 - packed / raw if raw > 0 else 1.0
    if raw < ENOUGH_BYTES or saved >= POOR:
        return
    yield Finding(
        "cache.compression-poor",
        Severity.INFO,
        source,
        f"{inert(namespace, 40)}: compression saves {fmt.ratio(max(0.0, saved))}",
        (
            f"{fmt.bytes_(raw)} of values became {fmt.bytes_(packed)}, with those left raw for being small",
            "a dictionary finds what many small values share; its plan measures that on them first",
        ),
        gain=max(0.0, POOR * raw - (raw - packed)),
        gain_unit="bytes",
        effort=Effort.KEY,
        offer=Offer(
            "cache.dictionary", source, "Train a dictionary for the namespace", (("namespace", namespace),)
        ),
        labels=_labels(namespace),
    )
