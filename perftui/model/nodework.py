"""What a node of the cache library has under way and waiting, as it publishes it and the console shows it.

Bounded: of each kind the oldest five, keys cut. What is read may have been written by anybody.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

MOST: Final = 5  # loads, writes and things to recover that are told of, each; the oldest
LONG: Final = 1.0  # seconds from which a load is told of
LONGEST: Final = 200  # characters of a key
LONGEST_WHAT: Final = 24  # characters of what waits
LONGEST_ERROR: Final = 160  # characters
MOST_OBEYED: Final = 8  # orders
ID: Final = re.compile(r"[0-9a-f]{12}")  # of an order
MARK: Final = re.compile(r"[0-9a-f]{32}")
_MOST: Final = 1e12
WRITE: Final = "write"


@dataclass(frozen=True, slots=True)
class LongLoad:
    """A load that runs for longer than LONG; `mark` is `mark_of` its whole key, though that is cut here."""

    key: str
    mark: str
    age_s: float


@dataclass(frozen=True, slots=True)
class WaitingItem:
    """What waits for `age_s`: a `write` for the database, or what L2, other nodes or the edge did not take.

    `what` is then `entry`, `tag`, `remove`, `edge` or another word of the library's recovery.
    """

    what: str
    key: str
    age_s: float


@dataclass(frozen=True, slots=True)
class Unread:
    """A key whose value in L2 could not be read `age_s` ago, and was as none; `why` is an `envelope.Why`."""

    key: str
    why: str
    age_s: float


@dataclass(frozen=True, slots=True)
class Obeyed:
    """An order that a node obeyed: loads it ended, or writes it tries again; `error`: why it could not."""

    order: str
    done: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class NodeWork:
    """The oldest of what a node does and has yet to do, and the orders of a console that it obeyed last.

    `long` counts all loads that run for longer than LONG. `error` is why a write to the database failed last.
    `unread` are the newest keys whose values in L2 could not be read.
    """

    loads: tuple[LongLoad, ...] = ()
    long: int = 0
    waiting: tuple[WaitingItem, ...] = ()
    error: str = ""
    obeyed: tuple[Obeyed, ...] = ()
    unread: tuple[Unread, ...] = ()

    def answer(self, order: str) -> Obeyed | None:
        """What it says of an order; None: it has not obeyed it yet."""
        return next((one for one in self.obeyed if one.order == order), None)


def mark_of(key: str) -> str:
    """What names a key exactly in 32 characters, however long it is and whatever is in it."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def told(key: str, most: int = LONGEST) -> str:
    """A key or another text as it is told: printable, and cut."""
    cut = key[:most]
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "?" for c in cut)


def packed(work: NodeWork) -> dict[str, Any]:
    """As JSON takes it, within the bounds."""
    writes = [one for one in work.waiting if one.what == WRITE][:MOST]
    others = [one for one in work.waiting if one.what != WRITE][:MOST]
    return {
        "loads": [[told(one.key), one.mark, round(one.age_s, 1)] for one in work.loads[:MOST]],
        "long": work.long,
        "waiting": [
            [told(one.what, LONGEST_WHAT), told(one.key), round(one.age_s, 1)] for one in (*writes, *others)
        ],
        "error": told(work.error, LONGEST_ERROR),
        "obeyed": [
            [one.order, one.done, told(one.error, LONGEST_ERROR)] for one in work.obeyed[-MOST_OBEYED:]
        ],
        "unread": [
            [told(one.key), told(one.why, LONGEST_WHAT), round(one.age_s, 1)] for one in work.unread[:MOST]
        ],
    }


def unpacked(value: Any) -> NodeWork:
    """The same again.

    Raises:
        ValueError, TypeError, KeyError: it is none: of another shape, or something out of its bounds.
    """
    loads = tuple(
        LongLoad(_text(key), _matched(MARK, mark), _age(age))
        for key, mark, age in _listed(value["loads"], MOST)
    )
    long = _count(value["long"])
    if long < len(loads):
        raise ValueError("fewer than are told of")
    return NodeWork(
        loads,
        long,
        tuple(
            WaitingItem(_text(what, LONGEST_WHAT), _text(key), _age(age))
            for what, key, age in _listed(value["waiting"], 2 * MOST)
        ),
        _text(value["error"], LONGEST_ERROR),
        tuple(
            Obeyed(_matched(ID, order), _count(done), _text(error, LONGEST_ERROR))
            for order, done, error in _listed(value["obeyed"], MOST_OBEYED)
        ),
        tuple(
            Unread(_text(key), _text(why, LONGEST_WHAT), _age(age))
            for key, why, age in _listed(value.get("unread", []), MOST)
        ),
    )


def oldest(works: Iterable[tuple[str, NodeWork | None]]) -> list[tuple[str, LongLoad]]:
    """The loads that nodes tell of, each with its node, the oldest first."""
    found = [(node, load) for node, work in works if work is not None for load in work.loads]
    return sorted(found, key=lambda one: (-one[1].age_s, one[0], one[1].mark))


def letters(own: Iterable[float], shared: Iterable[float]) -> int:
    """Dead letters in all: each node's own, and those in a journal that all of them see."""
    return round(sum(map(_letters, own)) + max(map(_letters, shared), default=0.0))


def _letters(figure: float) -> float:
    """A figure of a record that anybody may have written."""
    return min(max(0.0, figure), _MOST)


def _listed(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError("no list")
    return value


def _text(value: Any, most: int = LONGEST) -> str:
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise ValueError("no text")
    return value


def _matched(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("no name")
    return value


def _age(value: Any) -> float:
    if type(value) not in {int, float} or not math.isfinite(value) or not 0 <= value < _MOST:
        raise ValueError("no age")
    return float(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _MOST:
        raise ValueError("no count")
    return value
