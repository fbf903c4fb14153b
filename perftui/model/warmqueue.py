"""Runs of warm jobs on their way from a console to the nodes of a cache, and how far they are.

`__warmq:NAMESPACE:SET` is a Stream in L2 of one entry a run, read by the group `nodes`. Whoever takes one
says each second that it lives, in the group's own list and in `__warmr:NAMESPACE:SET:RUN`, and removes the
entry when it is over. An entry of a node that fell silent is taken by another, so a run may be begun more
than once; what is fresh is not loaded again, and a run that is over is over. `__warmk:NAMESPACE:SET:RUN`
has the keys of a run that names them, one a line. `__warms:NAMESPACE:SET` has a sample of the keys that a
run has loaded, for the nodes of the set to say in the bits of `__warmu:NAMESPACE:SET:RUN` which of them they
were asked for (warmused). Anybody may have written any of it.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Final

from perftui.model.warmask import MOST
from perftui.model.warmused import JOB

GROUP: Final = b"nodes"
FIELD: Final = b"order"
BEAT: Final = 1.0  # seconds between two signs of life
SILENT: Final = 10.0  # seconds without one after which another node takes the run
LIFE: Final = 3600.0  # seconds after which a run that nobody began is no longer wanted, and traces are gone
KEPT: Final = round(LIFE * 1000)
MOST_KEYS: Final = 10_000  # of one run that names them
LARGEST_KEYS: Final = 1 << 20  # bytes of their names
LARGEST: Final = 4096  # bytes of an order, and of what is said of a run
LONGEST_SAID: Final = 300  # characters
RUN: Final = re.compile(r"[0-9a-f]{8,32}")
_RATES: Final = (0.01, 100_000.0)


class What(Enum):
    """Which keys."""

    SET = "set"  # those the nodes' own warm set names
    KEYS = "keys"  # those the run names
    TOP = "top"  # the N that the node is asked for most


@dataclass(frozen=True, slots=True)
class Order:
    """A run: which keys, `top` of them where they are the hottest, at `rate` loads a second at most.

    `job` is the name of the job it is of; empty where the console did not say.
    """

    run: str
    what: What
    rate: float
    top: int = 0
    job: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a node says of a run: keys in all (None: not known yet), loaded, fresh already, and failed.

    `beat` grows as long as it lives, also while one load is slow.
    """

    node: str
    total: int | None = None
    loaded: int = 0
    fresh: int = 0
    failed: int = 0
    over: bool = False
    error: str = ""
    beat: int = 0

    @property
    def settled(self) -> int:
        """Keys that nothing more is done about."""
        return self.loaded + self.fresh + self.failed


class NoOrder(ValueError):
    """Bytes that are no order, or nothing a node says."""


def queue_key(namespace: str, name: str) -> bytes:
    """The Stream of a warm set."""
    return _key("q", namespace, name)


def told_key(namespace: str, name: str, run: str) -> bytes:
    """Where its node says how far a run is."""
    return _key("r", namespace, name, run)


def keys_key(namespace: str, name: str, run: str) -> bytes:
    """The keys of a run that names them."""
    return _key("k", namespace, name, run)


def sample_key(namespace: str, name: str) -> bytes:
    """A sample of the keys that the newest run has loaded."""
    return _key("s", namespace, name)


def used_key(namespace: str, name: str, run: str) -> bytes:
    """A bit for each key of the sample: whether anybody asked for it."""
    return _key("u", namespace, name, run)


def _key(kind: str, *names: str) -> bytes:
    return f"__warm{kind}:{':'.join(names)}".encode("utf-8", "surrogatepass")


def pack_order(order: Order) -> bytes:
    """An entry's field."""
    text = {"run": order.run, "what": order.what.value, "rate": order.rate, "top": order.top}
    return _text(text | ({"job": order.job} if order.job else {}))


def unpack_order(data: bytes) -> Order:
    """The order.

    Raises:
        NoOrder: it is none.
    """
    found = _object(data)
    run, what, rate = found.get("run"), found.get("what"), found.get("rate")
    if not isinstance(run, str) or not RUN.fullmatch(run) or what not in {one.value for one in What}:
        raise NoOrder("no order")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not _RATES[0] <= rate <= _RATES[1]:
        raise NoOrder("no rate")
    job = found.get("job")
    named = job if isinstance(job, str) and JOB.fullmatch(job) else ""
    return Order(run, What(what), float(rate), _count(found.get("top")) or 0, named)


def pack_told(told: Told) -> bytes:
    """What is kept under `told_key`."""
    return _text({**asdict(told), "node": told.node[:200], "error": told.error[:LONGEST_SAID]})


def unpack_told(data: bytes) -> Told:
    """What a node said.

    Raises:
        NoOrder: it is nothing a node says.
    """
    found = _object(data)
    node, error, total = found.get("node"), found.get("error"), found.get("total")
    if not isinstance(node, str) or not isinstance(error, str):
        raise NoOrder("no node")
    counts = [_count(found.get(name)) for name in ("loaded", "fresh", "failed")]
    known = None if total is None else _count(total)
    if None in counts or (total is not None and known is None):
        raise NoOrder("no count")
    loaded, fresh, failed = (count or 0 for count in counts)
    over = found.get("over") is True
    beat = _count(found.get("beat")) or 0
    return Told(node[:200], known, loaded, fresh, failed, over=over, error=error[:LONGEST_SAID], beat=beat)


def _count(value: Any) -> int | None:
    """A number of keys that can be; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and 0 <= value <= MOST else None


def _text(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data) if len(data) <= LARGEST else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NoOrder("no JSON object")
    return found
