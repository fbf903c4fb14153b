"""Values in L2 that nodes of the library could not read: each read is a miss, and a load, until they go."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.purge import literal
from perftui.model.cache import CacheNode, CacheReading
from perftui.model.envelope import Why
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.nodework import LONGEST

NAMED: Final = 5
MEANS: Final = {
    Why.FOREIGN: "foreign: something else writes under the cache's name",
    Why.VERSION: "version: another node writes them by a later perftui",
    Why.DAMAGED: "damaged: cut, changed or forged",
    Why.OVERSIZE: "oversize: larger than a node accepts",
    Why.CODEC: "codec: packed in a way that this version does not know",
    Why.EXTRA: 'extra: a node lacks what unpacks them: pip install "perftui[cache]"',
    Why.DICTIONARY: "dictionary: the one they were packed with is not there",
    Why.SERIALIZER: "serializer: nodes of one cache write values in different ways",
}
LEFT: Final = frozenset({Why.FOREIGN, Why.DAMAGED, Why.OVERSIZE, Why.DICTIONARY})
"""What a purge ends: of the others it would come again, and some node reads it."""


def unread(_now: float, server: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Of each namespace with such values in the last ten minutes; a replica has copies of what nodes say."""
    nodes = facts.tiers.nodes if facts.tiers is not None and server.role != "replica" else ()
    told = [(node.namespace, one) for node in nodes if node.work is not None for one in node.work.unread]
    for namespace, found in groupby(sorted(told, key=lambda one: (one[0], one[1].age_s)), lambda one: one[0]):
        ones = [one for _, one in found]
        keys = list(dict.fromkeys(one.key for one in ones))
        names = ", ".join(inert(key, 60) for key in keys[:NAMED])
        more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
        whys = dict.fromkeys(one.why for one in ones)
        first = next((one for one in ones if one.why in LEFT), None)
        offer = _purge(server.source, namespace, first.key) if first is not None else None
        yield Finding(
            "cache.unreadable",
            Severity.WARNING,
            server.source,
            f"{inert(namespace, 40)}: values in L2 cannot be read",
            (
                f"{names}{more}, the last {fmt.duration(ones[0].age_s)} ago",
                *(MEANS.get(Why(why), why) if why in set(Why) else inert(why, 24) for why in whys),
                "each such read is a miss; what a node loads and stores in its place can be read again",
            ),
            effort=Effort.KEY if offer is not None else Effort.HOURS,
            offer=offer,
            labels=(("namespace", inert(namespace, 60)),),
        )


def _purge(source: str, namespace: str, key: str) -> Offer | None:
    """Of this very key; None where its name was cut, or made printable, as it was told."""
    if len(key) >= LONGEST or "?" in key or not key.isprintable():
        return None
    pattern = literal(f"{namespace}:{key}".encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    return Offer("cache.purge", source, f"Purge {inert(key, 60)}", (("pattern", pattern),))
