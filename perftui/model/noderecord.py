"""What a node of the cache library publishes of itself in L2, and the console reads: one small JSON text.

`__node:NAMESPACE:ID` holds it for ten seconds; the sorted set `__nodes` has the names of those keys by the
server's time, so that nobody looks for them among all keys. What is read may have been written by anybody.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from perftui.model import nodework, predicted
from perftui.model.misscurve import packed, unpacked
from perftui.model.tiers import DefaultTtl, EarlyLoads, LocalCopies, SharedLoads, TierStats

INDEX: Final = b"__nodes"
PREFIX: Final = b"__node:"
EVERY, LIFE = 2.0, 10.0  # seconds between two records of a node, and of a record's life
VERSION: Final = 1
LARGEST: Final = 64 << 10  # bytes of a record
MOST: Final = 500  # names of counters, and of gauges
MOST_SKETCHES, LARGEST_SKETCH = 32, 16 << 10
LONGEST: Final = 200  # characters of a namespace's or node's name
_NAME: Final = re.compile(r"[a-z0-9_.\-]{1,64}")


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node's counts, and the server's epoch seconds when it published them."""

    stats: TierStats
    at: float


@dataclass(frozen=True, slots=True)
class NodesLook:
    """The nodes that published within LIFE, and how many records could not be read, by reason."""

    records: tuple[NodeRecord, ...] = ()
    unreadable: Mapping[str, int] | None = None
    more: bool = False  # there were more than were read


class NoRecord(ValueError):
    """Bytes that are no record; the text is one of few reasons, for counting."""


def pack(stats: TierStats, at: float) -> bytes:
    """The record; names that would not be read are left out, as are figures that are none."""
    text: dict[str, Any] = {
        "v": VERSION,
        "namespace": stats.namespace[:LONGEST],
        "node": stats.node[:LONGEST],
        "at": round(at, 3),
        "counters": dict(_named(stats.counters)[:MOST]),
        "gauges": {n: v for n, v in _named(stats.gauges)[:MOST] if math.isfinite(v)},
        "sketches": {
            name: base64.b64encode(data).decode()
            for name, data in _named(stats.sketches)[:MOST_SKETCHES]
            if len(data) <= LARGEST_SKETCH
        },
    }
    if stats.curve is not None:
        text["curve"] = packed(stats.curve)
    if stats.predicted is not None:
        text["predicted"] = predicted.packed(stats.predicted)
    if stats.ttl is not None:
        lives = {"now": stats.ttl.now, "own": stats.ttl.own}
        text["ttl"] = {name: life if math.isfinite(life) else None for name, life in lives.items()}
    if stats.shared is not None:
        text["shared"] = {"now": stats.shared.now, "own": stats.shared.own}
    if stats.local is not None:
        text["local"] = {"now": stats.local.now, "own": stats.local.own}
    if stats.early is not None:
        text["early"] = {"now": stats.early.now, "own": stats.early.own}
    if stats.work is not None:
        text["work"] = nodework.packed(stats.work)
    return json.dumps(text, separators=(",", ":")).encode()


def unpack(data: bytes) -> NodeRecord:
    """The record these bytes are.

    Raises:
        NoRecord: they are none: too large, no JSON, another version, or not of this shape.
    """
    if len(data) > LARGEST:
        raise NoRecord("too large")
    try:
        text = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NoRecord("no JSON") from None
    if not isinstance(text, dict) or text.get("v") != VERSION:
        raise NoRecord("another version")
    try:
        return NodeRecord(_stats(text), _figure(text["at"]))
    except (KeyError, TypeError, ValueError, OverflowError, binascii.Error):
        raise NoRecord("another shape") from None


def _stats(text: dict[str, Any]) -> TierStats:
    sketches = _mapping(text, "sketches", MOST_SKETCHES)
    return TierStats(
        _name(text["namespace"]),
        _name(text["node"]),
        {name: _count(value) for name, value in _mapping(text, "counters", MOST).items()},
        {name: _figure(value) for name, value in _mapping(text, "gauges", MOST).items()},
        {name: _sketch(value) for name, value in sketches.items()},
        unpacked(text["curve"]) if "curve" in text else None,
        predicted.unpacked(text["predicted"]) if "predicted" in text else None,
        DefaultTtl(_life(text["ttl"]["now"]), _life(text["ttl"]["own"])) if "ttl" in text else None,
        SharedLoads(_truth(text["shared"]["now"]), _truth(text["shared"]["own"]))
        if "shared" in text
        else None,
        work=nodework.unpacked(text["work"]) if "work" in text else None,
        local=LocalCopies(_count(text["local"]["now"]), _count(text["local"]["own"]))
        if "local" in text
        else None,
        early=EarlyLoads(_beta(text["early"]["now"]), _beta(text["early"]["own"]))
        if "early" in text
        else None,
    )


def _mapping(text: dict[str, Any], name: str, most: int) -> dict[str, Any]:
    found = text.get(name, {})
    if not isinstance(found, dict) or len(found) > most or not all(map(_NAME.fullmatch, found)):
        raise ValueError(name)
    return found


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST or not value.isprintable():
        raise ValueError("no name")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError("no count")
    return value


def _figure(value: Any) -> float:
    if type(value) not in {int, float} or not math.isfinite(value):
        raise ValueError("no figure")
    return float(value)


def _beta(value: Any) -> float:
    beta = _figure(value)
    if beta < 0:
        raise ValueError("no beta")
    return beta


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("neither true nor false")
    return value


def _life(value: Any) -> float:
    """None: without end."""
    return math.inf if value is None else _figure(value)


def _sketch(value: Any) -> bytes:
    if not isinstance(value, str) or len(value) > 2 * LARGEST_SKETCH:
        raise ValueError("no sketch")
    return base64.b64decode(value, validate=True)


def _named(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in found.items() if _NAME.fullmatch(name)]


def _refuse(text: str) -> None:
    raise ValueError(text)
