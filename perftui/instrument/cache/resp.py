"""One connection to a server for all coroutines of a loop: what they ask in one turn goes out in one write.

Source of the protocol: https://valkey.io/topics/protocol (RESP3). Replies come in the order of the commands,
so a caller that gave up leaves its place in the line, and its reply is read and dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, TypeVar, cast

import hiredis

from perftui.analysis.announced import Announced
from perftui.model.errors import BackendError, Lost, Protocol, Refused, Unsupported

IN_FLIGHT: Final = 10_000
LARGEST: Final = 80 << 20  # bytes of one reply that is not whole yet
BUFFER: Final = 1 << 20  # bytes the socket did not take yet, above which commands are held back
TICK: Final = 0.005  # seconds between looks at deadlines, while something waits
Parts = tuple[bytes | str | float, ...]
_NOTHING: Final = object()
_pack: Final[Callable[[Parts], bytes]] = hiredis.pack_command  # type: ignore[assignment]
_REFUSED: Final = frozenset({"NOAUTH", "WRONGPASS", "NOPERM"})
_AWAY: Final = frozenset({"LOADING", "MASTERDOWN", "CLUSTERDOWN", "READONLY", "NOREPLICAS", "BUSY"})
_CONFIRMED: Final = frozenset({b"subscribe", b"psubscribe", b"ssubscribe"})
_MESSAGES: Final = _CONFIRMED | {b"message", b"pmessage", b"smessage"}


class Answered(Protocol):
    """The server answered with an error; `code` is its first word."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = text.split(" ", 1)[0]


class Full(Answered):
    """The server has no memory left and may not evict: it takes nothing, but for what removes."""


class Late(Lost):
    """No answer in time; the connection may be well."""


class Away(Lost):
    """It answers but does not serve now: it loads, was demoted, its cluster is down; `code` says which."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = text.split(" ", 1)[0]


def failure(text: str) -> BackendError:
    """What an error reply means. Its text is the server's, which never has our password in it."""
    code = text.split(" ", 1)[0]
    if code in _REFUSED:
        return Refused(text)
    if code in _AWAY:
        return Away(text)
    if code == "OOM":
        return Full(text)
    if "unknown command" in text or "unknown subcommand" in text or "Unknown subcommand" in text:
        return Unsupported(text)
    return Answered(text)


Error = TypeVar("Error", bound=BackendError)


def another(error: Error) -> Error:
    """The same error for one more caller: raised twice, one would keep the frames of both."""
    return type(error)(*error.args)


class Wire(asyncio.Protocol):
    """A connection that is up. `pushed` gets unasked messages, `ended` why it is over (once).

    Above `IN_FLIGHT` unanswered commands, or while the socket takes no more, commands are held back in order.
    """

    def __init__(self, pushed: Callable[[Any], None], ended: Callable[[BackendError], None]) -> None:
        self._pushed, self._ended = pushed, ended
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._announced = Announced()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._queued = False
        self._gone: BackendError | None = None
        self._resp2_messages = False  # arrays of messages are pushes from now on
        self._confirming: deque[asyncio.Future[Any]] = deque()
        self._ticking = False
        self._deadlines: dict[float, deque[tuple[float, asyncio.Future[Any]]]] = {}
        self._pending: deque[asyncio.Future[Any]] = deque()
        self._held: deque[tuple[bytes, asyncio.Future[Any]]] = deque()
        self._paused = False
        self._unfinished = 0  # bytes of a reply that is not whole yet
        self._turn_at = 0.0  # when the first command of this turn of the loop was asked
        self.heard_at = monotonic()

    @property
    def in_flight(self) -> int:
        """Commands sent and not answered."""
        return len(self._pending)

    def ask(self, parts: Parts, within: float | None = None) -> asyncio.Future[Any]:
        """Queue a command; the future gets its reply, or a BackendError."""
        packed = _pack(parts)
        future = self._loop.create_future()
        if self._held or self._paused or len(self._pending) >= IN_FLIGHT:
            self._held.append((packed, future))
        elif self._gone is not None:
            future.set_exception(another(self._gone))
            return future
        else:
            self._pending.append(future)
            self._out.append(packed)
            if not self._queued:
                self._queued, self._turn_at = True, monotonic()
                self._loop.call_soon(self._flush)
        if within is not None:
            line = self._deadlines.get(within)
            if line is None:
                line = self._deadlines[within] = deque()
            line.append(((self._turn_at if self._queued else monotonic()) + within, future))
            if not self._ticking:
                self._ticking = True
                self._loop.call_later(TICK, self._tick)
        return future

    def subscribe(self, parts: Parts, within: float, *, resp3: bool) -> asyncio.Future[Any]:
        """A subscription to one channel or pattern: its confirmation is a push, a refusal is a reply."""
        self._resp2_messages = self._resp2_messages or not resp3
        future = self.ask(parts, within)
        self._confirming.append(future)
        return future

    def close(self, error: BackendError) -> None:
        """End it; whoever waits gets `error`."""
        if self._transport is not None:
            self._transport.abort()
        self._end(error)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._transport.set_write_buffer_limits(BUFFER)

    def data_received(self, data: bytes) -> None:
        """Hand every whole reply to the one who is next in line."""
        reader, pending = self._reader, self._pending
        self.heard_at = monotonic()
        try:
            self._announced.see(data)
            reader.feed(data)
            reply = reader.gets()
            unfinished = self._unfinished + len(data) if reply is _NOTHING else 0
            while reply is not _NOTHING:
                if type(reply) is bytes and pending:
                    future = pending.popleft()
                    if not future.done():
                        future.set_result(reply)
                else:
                    self._take(reply, pending)
                reply = reader.gets()
            self._unfinished = unfinished or reader.len()
        except (hiredis.ProtocolError, MemoryError, ValueError, TypeError) as error:
            if isinstance(error, (ValueError, TypeError)) and _of_callers(error):
                raise
            self.close(Protocol(f"no answer that can be read: {error}"))
        if self._unfinished > LARGEST:
            self.close(Protocol(f"a reply of more than {LARGEST} bytes"))
        if self._held:
            self._release()

    def _take(self, reply: Any, pending: deque[asyncio.Future[Any]]) -> None:
        kind = type(reply)
        if kind is hiredis.PushNotification or (self._resp2_messages and _is_message(reply, _MESSAGES)):
            if self._confirming and _is_message(reply, _CONFIRMED):
                self._confirmed(reply, pending)
            self._pushed(reply)
        elif not pending:
            raise hiredis.ProtocolError("a reply nobody asked for")
        else:
            future = pending.popleft()
            if not future.done():
                if kind is hiredis.ReplyError:
                    future.set_exception(failure(str(reply)))
                else:
                    future.set_result(reply)

    def _confirmed(self, reply: Any, pending: deque[asyncio.Future[Any]]) -> None:
        """The subscription that is next in line has its answer."""
        while self._confirming and self._confirming[0] not in pending:
            self._confirming.popleft()  # refused
        if self._confirming and pending[0] is self._confirming[0]:
            self._confirming.popleft()
            future = pending.popleft()
            if not future.done():
                future.set_result(reply)

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        self._paused = True

    def resume_writing(self) -> None:
        """It has room again."""
        self._paused = False
        self._release()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._end(Lost(f"the connection ended{f': {type(exc).__name__}' if exc else ''}"))

    def _release(self) -> None:
        """Send what was held back, as far as there is room."""
        held, pending = self._held, self._pending
        while held and not self._paused and len(pending) < IN_FLIGHT:
            packed, future = held.popleft()
            if not future.done():
                pending.append(future)
                self._out.append(packed)
        if self._out and not self._queued:
            self._queued, self._turn_at = True, monotonic()
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._queued = False
        out, self._out = self._out, []
        if self._transport is not None and out:
            self._transport.write(b"".join(out) if len(out) > 1 else out[0])

    def _tick(self) -> None:
        """Let those go whose time is over; one timer for all."""
        now, waiting = monotonic(), False
        for within, line in self._deadlines.items():
            while line and (line[0][1].done() or line[0][0] <= now):
                _, future = line.popleft()
                if not future.done():
                    future.set_exception(Late(f"no answer within {within * 1000:.0f} ms"))
            waiting = waiting or bool(line)
        if len(self._deadlines) > 16:
            self._deadlines = {within: line for within, line in self._deadlines.items() if line}
        self._ticking = waiting
        if waiting:
            self._loop.call_later(TICK, self._tick)

    def _end(self, error: BackendError) -> None:
        if self._gone is not None:
            return
        self._gone = error
        waiting = [*self._pending, *(future for _, future in self._held)]
        self._pending.clear()
        self._held.clear()
        self._out.clear()
        self._paused = False
        for future in waiting:
            if not future.done():
                future.set_exception(another(error))
        self._ended(error)


def _of_callers(error: Exception) -> bool:
    """Whether it came from what hears pushes, not from reading: a map as a key is hiredis' TypeError."""
    frame = error.__traceback__.tb_next if error.__traceback__ is not None else None
    return frame is not None and frame.tb_frame.f_code is not Announced.see.__code__


def _is_message(reply: Any, kinds: frozenset[bytes]) -> bool:
    return isinstance(reply, list) and bool(reply) and type(reply[0]) is bytes and reply[0] in kinds
