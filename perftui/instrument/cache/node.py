"""A connection to one server that comes back by itself: logged in, its clock known, its silence noticed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from perftui.instrument.cache.address import Address
from perftui.instrument.cache.ports import LinkChange, LinkEvent
from perftui.instrument.cache.resp import Answered, Away, Late, Parts, Wire, another
from perftui.model.errors import BackendError, Lost, Protocol, Refused, Unsupported

CONNECT = 1.0  # seconds for the socket, and for the greeting
BEAT = 0.45  # a link silent for so long is asked; silent as long again, it is lost: within a second in all
FIRST_PAUSE, LONGEST_PAUSE, REFUSED_PAUSE = 0.02, 0.8, 4.0
HELD = 1.0  # a link that lasted so long was a good one: the next is tried at once
CLOCK_EVERY, CLOCK_TRIES = 30.0, 3
AGAIN_FIRST, AGAIN_LONGEST = 1.0, 30.0  # seconds between tries of a greeting that the login may not send
RETURN = 0.25  # seconds a command that may be sent again waits for a connection that just ended


@dataclass(frozen=True, slots=True)
class Greeting:
    """A command that each connection sends first."""

    parts: tuple[bytes | str, ...]
    answered: Callable[[str, Exception | None], None] | None = None

    @property
    def subscribes(self) -> bool:
        """Whether its answers are pushes."""
        return str(self.parts[0]).upper() in {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"}


class Node:
    """One server. `told` hears of UP, DOWN and PUSH. It connects when first asked, and then keeps trying.

    A command is not sent twice unless the caller says it may be (`again`): one whose answer was lost may have
    been done. With `master`, a connection to a replica is none.
    """

    def __init__(
        self,
        address: Address,
        told: Callable[[LinkEvent], None],
        greetings: list[Greeting],
        label: str,
        *,
        master: bool = False,
    ) -> None:
        self.address = address
        self._told = told
        self._greetings = greetings
        self._label = label
        self._master = master
        self._wire: Wire | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()  # a first attempt is over
        self._back = asyncio.Event()  # there is a connection
        self._problem: BackendError = Lost(f"{address.name} has not answered yet")
        self._offset: float | None = None
        self._tls: ssl.SSLContext | None = None
        self._resp3 = True
        self._unsaid: list[Greeting] = []  # that were refused on this connection
        self._closed = False

    @property
    def connected(self) -> bool:
        """Whether it answers now."""
        return self._wire is not None

    @property
    def tried(self) -> bool:
        """Whether a first attempt is over."""
        return self._settled.is_set()

    @property
    def offset(self) -> float | None:
        """What its clock says, less our monotonic one; None before it said."""
        return self._offset

    async def call(self, parts: Parts, within: float | None = None, *, again: bool = False) -> Any:
        """Send a command and wait for its reply.

        Raises:
            BackendError: Lost when it does not answer in time or at all, Refused, Unsupported, Protocol.
        """
        began = time.monotonic()
        wire, patience = self._wire, 0.0
        if wire is not None:
            try:
                return await wire.ask(parts, within)
            except (Late, Away):
                raise
            except Lost:
                if not again or self._closed:
                    raise
                patience = RETURN
        wire = await self._ready(remaining(within, began), patience)
        return await wire.ask(parts, remaining(within, began))

    def ask(self, parts: Parts, within: float | None) -> asyncio.Future[Any] | None:
        """The future of a command's reply, where there is a connection."""
        return self._wire.ask(parts, within) if self._wire is not None else None

    async def call_asking(self, parts: Parts, within: float | None) -> Any:
        """The same at a node that is only just getting the key's slot."""
        began = time.monotonic()
        wire = await self._ready(within)
        wire.ask((b"ASKING",), within).add_done_callback(_seen)
        return await wire.ask(parts, remaining(within, began))

    async def _ready(self, within: float | None, patience: float = 0.0) -> Wire:
        """The connection, once it is there. Known to be away: an error, after `patience`."""
        self._start()
        try:
            async with asyncio.timeout(CONNECT * 2 if within is None else within):
                await self._settled.wait()
                if patience and self._wire is None:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(patience):
                            await self._back.wait()
        except TimeoutError:
            raise Late(f"{self.address.name} took no command in time") from None
        if self._wire is None:
            raise another(self._problem)
        return self._wire

    def wake(self) -> None:
        """Connect without being asked something."""
        if not self._closed:
            self._start()

    async def leave(self, why: str, within: float) -> None:
        """Tell nobody of it any more, let what is under way end (answers come in order), and let go."""
        self._told = _unheard
        if self._wire is not None:
            with contextlib.suppress(BackendError):
                await self._wire.ask(("PING",), within)
        self.retire(why)

    def retire(self, why: str) -> None:
        """Let go in the background; whoever waits is told."""
        self._closed = True
        self._problem = Lost(f"{self.address.name} {why}")
        self._settled.set()
        if self._keeper is not None:
            self._keeper.cancel()
        if self._wire is not None:
            self._wire.close(self._problem)

    def drop(self, why: str) -> None:
        """End the connection there is; another is made."""
        if self._wire is not None:
            self._wire.close(Lost(f"{self.address.name} {why}"))

    def greet(self, greeting: Greeting) -> None:
        """Say it on the connection there is; later ones get it from the list."""
        self._start()
        if self._wire is not None:
            asyncio.ensure_future(self._say(self._wire, greeting)).add_done_callback(_seen)

    async def close(self) -> None:
        """Let go; twice is harmless."""
        self.retire("is closed")
        if self._keeper is not None:
            await asyncio.wait({self._keeper})

    # keeping the connection

    def _start(self) -> None:
        if self._closed:
            raise another(self._problem)
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name=f"cache link {self.address.name}")

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            over: asyncio.Future[BackendError] = asyncio.get_running_loop().create_future()
            began = time.monotonic()
            try:
                wire = await self._connect(over)
            except BackendError as error:
                self._problem = error
                if not self.tried:
                    self._settled.set()
                    self._told(LinkEvent(LinkChange.DOWN, self.address.name, error))
                pause = REFUSED_PAUSE if isinstance(error, Refused) else min(pause * 2, LONGEST_PAUSE)
                await _rest(pause)
                continue
            self._wire = wire
            self._settled.set()
            self._back.set()
            self._told(LinkEvent(LinkChange.UP, self.address.name))
            await self._mind(wire, over)
            self._wire = None  # also where it had ended before it was here
            self._back.clear()
            self._told(LinkEvent(LinkChange.DOWN, self.address.name, self._problem))
            if time.monotonic() - began > HELD:
                pause = FIRST_PAUSE
            else:
                pause = min(pause * 2, LONGEST_PAUSE)
                await _rest(pause)

    async def _mind(self, wire: Wire, over: asyncio.Future[BackendError]) -> None:
        """Ask a silent link, the clock now and then, and for what was refused, until it is over."""
        clock_at = time.monotonic() + CLOCK_EVERY
        again_at, pause = time.monotonic() + AGAIN_FIRST, AGAIN_FIRST
        while not over.done():
            now = time.monotonic()
            quiet, due, again = now - wire.heard_at, now >= clock_at, self._unsaid and now >= again_at
            if quiet < BEAT and not due and not again:
                await asyncio.wait({over}, timeout=max(BEAT - quiet, 0.01))
                continue
            try:
                if again:
                    await self._say_again(wire)
                    pause = min(pause * 2, AGAIN_LONGEST)
                    again_at = now + _drawn(pause)
                    continue
                await (self._set_clock(wire) if due else self._beat(wire))
                clock_at = now + CLOCK_EVERY if due else clock_at
            except BackendError as error:
                if (
                    not isinstance(error, Late) or wire.heard_at <= now
                ):  # what is late may queue behind others
                    wire.close(Lost(f"{self.address.name} is silent: {error}"))

    async def _connect(self, over: asyncio.Future[BackendError]) -> Wire:
        def ended(error: BackendError) -> None:
            self._wire, self._problem = None, error
            self._back.clear()
            if not over.done():
                over.set_result(error)

        def pushed(payload: Any) -> None:
            self._told(LinkEvent(LinkChange.PUSH, self.address.name, payload))

        loop, at = asyncio.get_running_loop(), self.address
        if at.tls and self._tls is None:
            self._tls = await asyncio.to_thread(at.context)  # reading the system's certificates takes a while
        try:
            async with asyncio.timeout(CONNECT):
                if at.path:
                    _, wire = await loop.create_unix_connection(lambda: Wire(pushed, ended), at.path)
                else:
                    _, wire = await loop.create_connection(
                        lambda: Wire(pushed, ended), at.host, at.port, ssl=self._tls
                    )
        except TimeoutError:
            raise Lost(f"{at.name} took no connection within {CONNECT:g} s") from None
        except ssl.SSLError as error:
            raise Refused(f"{at.name}: TLS failed: {error.reason or 'no reason given'}") from None
        except OSError as error:
            raise Lost(f"{at.name}: {error.strerror or type(error).__name__}") from None
        try:
            await self._greet(wire)
        except BaseException:
            wire.close(Lost("not greeted"))
            raise
        return wire

    async def _greet(self, wire: Wire) -> None:
        at = self.address
        login = ("AUTH", at.username or "default", at.password) if at.password or at.username else ()
        try:
            await wire.ask(("HELLO", "3", *login, "SETNAME", self._label), CONNECT)
            self._resp3 = True
        except (Unsupported, Answered):
            self._resp3 = False  # before 6.0, or a proxy
            if at.password:
                user = (at.username,) if at.username else ()
                await wire.ask(("AUTH", *user, at.password), CONNECT)
            with contextlib.suppress(Answered, Unsupported, Refused):
                await wire.ask(("CLIENT", "SETNAME", self._label), CONNECT)
        if at.database:
            await wire.ask(("SELECT", at.database), CONNECT)
        await self._set_clock(wire)
        if self._master:
            await self._check_role(wire)
        self._unsaid = []
        for greeting in self._greetings:
            await self._say(wire, greeting)

    async def _check_role(self, wire: Wire) -> None:
        with contextlib.suppress(Unsupported, Answered, Refused):
            said = await wire.ask(("ROLE",), CONNECT)
            if isinstance(said, list) and said and said[0] != b"master":
                raise Lost(f"{self.address.name} is no master")

    async def _say_again(self, wire: Wire) -> None:
        """What the login may not do it may do once its rights were changed."""
        unsaid, self._unsaid = self._unsaid, []
        for greeting in unsaid:
            await self._say(wire, greeting)

    async def _say(self, wire: Wire, greeting: Greeting) -> None:
        answer: BackendError | None = None
        try:
            if greeting.subscribes:
                await wire.subscribe(greeting.parts, CONNECT, resp3=self._resp3)
            else:
                await wire.ask(greeting.parts, CONNECT)
        except (Refused, Unsupported, Protocol) as error:
            answer = error
            if isinstance(error, Refused):
                self._unsaid.append(greeting)
        if greeting.answered is not None:
            greeting.answered(self.address.name, answer)

    async def _beat(self, wire: Wire) -> None:
        """A sign of life; a refusal is one too."""
        with contextlib.suppress(Unsupported, Answered, Refused):
            await wire.ask(("PING",), BEAT)

    async def _set_clock(self, wire: Wire) -> None:
        """The server's clock, from the middle of the shortest of some round trips: a busy loop hears late."""
        best: tuple[float, float] | None = None
        for _ in range(CLOCK_TRIES):
            began = time.monotonic()
            try:
                said = await wire.ask(("TIME",), BEAT)
            except (Unsupported, Answered):
                return
            except Refused as error:
                if str(error).startswith("NOPERM"):
                    return
                raise
            took = time.monotonic() - began
            with contextlib.suppress(TypeError, ValueError):
                seconds, micros = said
                measured = (took, int(seconds) + int(micros) / 1e6 - began - took / 2)
                best = min(best, measured) if best else measured
        if best is not None:
            self._offset = best[1]


def remaining(within: float | None, began: float) -> float | None:
    """What is left of a deadline, in steps of 10 ms: those with the same one share a line."""
    return None if within is None else max(0.01, round(within - (time.monotonic() - began), 2))


async def _rest(pause: float) -> None:
    await asyncio.sleep(_drawn(pause))


def _drawn(pause: float) -> float:
    return random.uniform(pause / 2, pause)  # noqa: S311 - jitter, not a secret


def _unheard(_event: LinkEvent) -> None:
    """Nobody is told of a link that was left."""


def _seen(task: asyncio.Future[Any]) -> None:
    """What became of it matters to nobody: a greeting is said again on the next connection."""
    if not task.cancelled():
        task.exception()
