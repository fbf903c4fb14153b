"""What a console orders the nodes of a cache to do now: end a load, try again what the database refused.

The sorted set `__orders:NAMESPACE` in L2 has an order a member, in words, and as its score when it was
given, by the server's clock in epoch seconds; and the member `orders.1`, so that nodes learn of orders by
`ZADD … XX INCR 0`, as they do of policies: it makes and changes nothing, and where there are no orders it
counts no miss of the server. All of it lives as long as its newest order: LIFE seconds. A node obeys an
order once, and its record (noderecord, nodework) says what came of it. Members that are not known are
passed over: anybody may have written them.

What recovery holds for L2, other nodes and the edge is tried again by itself, each 0.8 s at most, so there
is no order for that; a load that hangs and a write that failed five times wait for a person.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from perftui.model.nodework import ID, MARK
from perftui.model.risk import Risk

if TYPE_CHECKING:
    from perftui.model.noderecord import NodesLook

THERE: Final = b"orders.1"
LIFE: Final = 30.0  # seconds in which every node that lives has looked, a dozen times
MOST: Final = 32  # orders that a node reads at a time
LARGEST: Final = 64  # bytes of an order
_WORDS: Final = re.compile(rf"(cancel) ({ID.pattern}) ({MARK.pattern})|(retry) ({ID.pattern})")

ORDERS: Final[tuple[tuple[str, str, Risk, str, str, str], ...]] = (
    (
        "cache.cancel-load",
        "Cancel a load",
        Risk.CHANGES,
        "OrderGiver",
        "perftui.engines.cache.nodeorders:CancelLoad",
        "End the load of a key at every node: who waits gets the stale value, or LoadTimeout; no undo.",
    ),
    (
        "cache.retry-writes",
        "Try refused writes again",
        Risk.CHANGES,
        "OrderGiver",
        "perftui.engines.cache.nodeorders:RetryWrites",
        "Nodes try dead letters of write-behind again, and at once what waits for its next try; no undo.",
    ),
)
"""Their rows of the table of actions, which has no room."""


class What(Enum):
    """Which order."""

    CANCEL = "cancel"  # the load of a key
    RETRY = "retry"  # dead letters of write-behind, and writes that wait for their next try


@dataclass(frozen=True, slots=True)
class Order:
    """An order; `mark` names the key whose load is to end (nodework.mark_of)."""

    id: str
    what: What
    mark: str = ""


@runtime_checkable
class OrderGiver(Protocol):
    """A cache server in which nodes of the library look for orders."""

    async def nodes(self) -> NodesLook:
        """Those that published lately."""
        ...

    async def order_nodes(self, namespace: str, order: Order) -> None:
        """Let every node of the namespace find the order for LIFE seconds; they look as they publish."""
        ...


def orders_key(namespace: str) -> bytes:
    """Where a namespace's orders are; outside of what invalidation watches."""
    return f"__orders:{namespace}".encode("utf-8", "surrogatepass")


def new_order(what: What, mark: str = "") -> Order:
    """An order with an id of its own."""
    return Order(os.urandom(6).hex(), what, mark)


def pack_order(order: Order) -> bytes:
    """As a member of the set."""
    return " ".join(filter(None, (order.what.value, order.id, order.mark))).encode()


def unpack_order(member: Any) -> Order | None:
    """The order; None for a member that is none."""
    try:
        found = _WORDS.fullmatch(member.decode("ascii")) if isinstance(member, bytes) else None
    except UnicodeDecodeError:
        found = None
    if found is None:
        return None
    cancel, cancelled, mark, _, again = found.groups()
    return Order(cancelled, What.CANCEL, mark) if cancel else Order(again, What.RETRY)
