"""What the cache asks of its parts, so that each can be another one, or one that fails on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar

from perftui.model.predicted import Predicted

T = TypeVar("T")


class Clock(Protocol):
    """Time as the cache sees it."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""

    def time(self) -> float:
        """Epoch seconds of this machine."""


class Store(Protocol):
    """L2. Keys and values are bytes; every wait ends at `within` seconds.

    Every method raises model.errors' Lost, Refused, Unsupported or Protocol, and nothing else.
    """

    async def get(self, key: bytes, *, within: float | None = None) -> bytes | None:
        """The value, or None."""

    async def get_many(self, keys: Sequence[bytes], *, within: float | None = None) -> list[bytes | None]:
        """One answer a key, in order; grouped by node.

        Where only some could be asked for, the error has `answers`: an error in the place of each of these.
        """

    async def put(self, key: bytes, value: bytes, life: float | None, *, within: float | None = None) -> None:
        """Store for `life` seconds (None: for good)."""

    async def put_if_newer(
        self, key: bytes, value: bytes, life: float | None, *, within: float | None = None
    ) -> bool:
        """Store unless what is there has a later stamp (bytes 4 to 20 of an envelope); whether it did."""

    async def command(self, *parts: bytes | str | float, key: bytes, within: float | None = None) -> Any:
        """Any command, sent to the node of `key`.

        Those begun in one tick for one key go over one connection in order, and fail with it; none that
        changes anything is sent twice. What the server answers with an error is Protocol, but for Refused.
        """

    def now(self) -> float:
        """The server's clock in epoch seconds, as estimated here; this machine's before the first answer."""

    def watch(self, told: Callable[[LinkEvent], None]) -> Callable[[], None]:
        """Be told when a node is reached, lost, or says something unasked; the answer ends it.

        A link that says nothing for a second counts as lost. A new watcher is told UP for every node that
        is connected now.
        """

    def greet(
        self, *parts: bytes | str, answered: Callable[[str, Exception | None], None] | None = None
    ) -> None:
        """A command each connection sends before any other, from now on and at once on those there are.

        So are tracking and subscriptions kept over a reconnect. `UP` is told after the greetings were
        answered; `answered` gets the node (host:port) and why it refused, or None, and the connection is used
        all the same. What a login may not do is asked for again now and then: rights change. On a RESP2
        connection that has subscribed, messages are pushes too, and no other command is sent on it.
        """

    async def close(self) -> None:
        """Let go of every connection; twice is harmless."""


class LinkChange(StrEnum):
    """What befell a connection."""

    UP = "up"
    DOWN = "down"
    MOVED = "moved"  # the node's slots or role changed: what it covered may be another's now
    PUSH = "push"  # an unasked message, in `payload`


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """Something that befell the connection to `node` (host:port)."""

    change: LinkChange
    node: str
    payload: Any = None


class NoticeKind(StrEnum):
    """What happened to a key or tag on another node."""

    SET = "set"
    EXPIRE = "expire"
    REMOVE = "remove"
    TAG = "tag"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Notice:
    """A message between nodes; `key` is a tag's name where the kind says so."""

    node: str
    namespace: str
    kind: NoticeKind
    key: str
    stamp: bytes


class Backplane(Protocol):
    """Carries notices between the nodes of a namespace."""

    async def publish(self, notice: Notice) -> None:
        """Tell all other nodes.

        Raises:
            BackendError: nobody was told.
        """

    def listen(self, heard: Callable[[Notice | None], None], link: Callable[[bool], None]) -> None:
        """Hear others' notices (None: everything may have changed) and whether the link holds."""

    async def close(self) -> None:
        """Stop; twice is harmless."""


class Guard(Protocol):
    """Does one operation of a server, or says why that is left alone."""

    async def __call__(self, work: Callable[[], Awaitable[T]]) -> T:
        """What came of it.

        Raises:
            BackendError: it failed, or was not tried.
        """


async def unguarded(work: Callable[[], Awaitable[T]]) -> T:
    """A guard that lets everything through."""
    return await work()


class LoadLock(Protocol):
    """One loader over all processes."""

    async def acquire(self, key: str, lease: float, *, within: float | None = None) -> LoadLease | None:
        """The lease, or None while another owns it."""

    async def released(self, key: str, within: float) -> None:
        """Wait until the owner let go or its lease ended, `within` seconds at most."""


class LoadLease(Protocol):
    """A load that is ours; it renews itself until released."""

    @property
    def held(self) -> bool:
        """Whether it is still ours."""

    async def release(self) -> None:
        """Give it up, if it is ours."""


class Serializer(Protocol):
    """Values to bytes and back."""

    name: str

    def dumps(self, value: Any) -> bytes:
        """Bytes of a value.

        Raises:
            TypeError: it cannot be written so.
        """

    def loads(self, data: bytes) -> Any:
        """The value again.

        Raises:
            ValueError: these are no such bytes.
        """


class Source(Protocol):
    """Where values come from when nobody passes a loader."""

    async def load(self, keys: Sequence[str]) -> Mapping[str, Any]:
        """The values of those that exist."""


class Writer(Protocol):
    """The database behind write-through, write-behind and write-around."""

    async def write(self, items: Sequence[Write]) -> None:
        """Write them in this order, or none; safe to repeat by `sequence`."""


@dataclass(frozen=True, slots=True)
class Write:
    """One item for the database; a later write has a higher `sequence`, on every node; None removes."""

    key: str
    value: Any
    sequence: int


class EdgePurger(Protocol):
    """L3: told what to forget."""

    async def purge(
        self, *, keys: Sequence[str] = (), tags: Sequence[str] = (), everything: bool = False
    ) -> None:
        """Queue or send the removal.

        Raises:
            BackendError: it could not even be queued.
        """


class Relaying(Protocol):
    """Tells other regions what this cache was told."""

    async def tell(
        self, kind: NoticeKind, keys: Sequence[str], stamp: bytes, *, gone: bool, within: float | None
    ) -> None:
        """Queue it, within so many seconds (0: do not try) or later; no error.

        `gone`: what has a tag is not even served stale.
        """


class Figures(NamedTuple):
    """Counters, gauges, and packed sketches, by name; of predictive warming more than fits those."""

    counters: Mapping[str, int] = {}
    gauges: Mapping[str, float] = {}
    sketches: Mapping[str, bytes] = {}
    predicted: Predicted | None = None


class Part(Protocol):
    """What works beside a cache: counted with it, and closed before it."""

    def figures(self) -> Figures:
        """What it counted since the start, and how things stand."""

    async def close(self) -> None:
        """Stop; twice is harmless."""


Loader = Callable[..., Awaitable[Any]]
