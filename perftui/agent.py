"""The same session without a face: polls, remembers and evaluates day and night, for all on the store."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import cast

from perftui import engines
from perftui.config import Config, Environment, reload
from perftui.config.effective import changes
from perftui.config.secret import resolve
from perftui.draw.clean import inert
from perftui.export.alertpicture import illustrate
from perftui.model.errors import ConfigError, Lost
from perftui.model.event import Event
from perftui.model.schedule import Mode
from perftui.runtime import heap
from perftui.runtime.listener import Address, Listener
from perftui.runtime.regionwatch import PAIR, RegionWatch
from perftui.runtime.tasks import Crew
from perftui.serving import Serving
from perftui.session import Session

log = logging.getLogger("perftui.agent")

ENDS = (signal.SIGTERM, signal.SIGINT)
ASIDE = {"optimization", "profiler"}  # engines that neither rules nor history are made of
LEAVE = 5.0  # seconds a leaving agent may take
LONG = 3600.0  # seconds for which one question may wait for something to happen
WATCH = 1.0  # seconds between two looks at our part in the work, and signs of life to the supervisor


class Agent:
    """One session after the other on one configuration; a new one at each reload."""

    def __init__(self, config: Config, listen: str | None = None) -> None:
        self.config = config
        self._listen = listen
        self._before: Config | None = None
        self._wake = asyncio.Event()
        self._end = 0
        self._told: set[tuple[object, ...]] = set()
        self._supervisor = Supervisor()

    async def run(self) -> int:
        """Until a signal ends it: 0 for SIGTERM, the ordinary end of a service, else 128 + its number."""
        heap.few_arenas()
        with self._listening():
            while not self._end:
                self._wake.clear()
                try:
                    await self._serve()
                except ConfigError as error:  # a port or certificate only shows its trouble when it is used
                    if self._before is None:
                        raise
                    log.error("the old configuration is taken again: %s", error)  # noqa: TRY400
                    self.config, self._before = self._before, None
        return 0 if self._end == signal.SIGTERM else 128 + self._end

    @contextmanager
    def _listening(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in ENDS:
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._wake.set)
        try:
            yield
        finally:
            for number in (*ENDS, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        self._end = number
        self._wake.set()

    async def _serve(self) -> None:
        """One session until the next signal."""
        config = self.config
        session = Serving.open(
            config, config.environment, read_only=config.read_only, remember=True, agent=True
        )
        session.address = address_of(config, self._listen)
        try:
            async with Crew("agent") as crew:
                await self._begin(session, crew)
                await self._wake.wait()
            self._supervisor.say("RELOADING=1" if not self._end else "STOPPING=1")
            log.info("reading the configuration again" if not self._end else "leaving")
        finally:
            async with asyncio.timeout(LEAVE):
                await session.close()
        if not self._end:
            self._reread()

    async def _begin(self, session: Session, crew: Crew) -> None:
        with ExitStack() as holds:
            for topic in engines.BUILTIN.keys() - ASIDE:
                holds.enter_context(session.topic(topic).hold(glance=True))
            await session.start()
            illustrate(session)
            crew.start("tell events", self._tell(session))
            crew.start("watchdog", self._watch(session))
            crew.start("regions", attend_regions(session))
            self._supervisor.say("READY=1")
            where = session.memory.store.where if session.memory else "nowhere"
            systems = ", ".join(session.looks) or "nothing"
            log.info("environment %s: watching %s, remembering in %s", session.env.name, systems, where)
            holds.pop_all()  # for as long as the session lives

    def _reread(self) -> None:
        """The new configuration, or the old one with a sentence about what is wrong with the new."""
        try:
            new = reload(self.config)
        except ConfigError as error:
            log.error("the old configuration stays: %s", error)  # noqa: TRY400 (a sentence, not a trace)
            return
        for line in changes(self.config, new):
            log.info("configuration: %s", line)
        self.config, self._before = new, self.config

    async def _tell(self, session: Session) -> None:
        """Every event once, as a line."""
        began = time.time()
        async for frame in session.watch("events"):
            there = {event.identity: event for event in getattr(frame.report, "events", ())}
            self._told.intersection_update(there)  # those the log has let go of never come again
            for identity, event in there.items():
                if identity not in self._told and max(event.at, event.until or 0) >= began:
                    self._told.add(identity)
                    log.info("%s", event_line(event))

    async def _watch(self, session: Session) -> None:
        """Signs of life, and a line whenever our part in the work changes."""
        said = ""
        while True:
            now = duties(session)
            if now != said:
                said = now
                log.info("%s", now)
                self._supervisor.say(f"STATUS={now}")
            self._supervisor.say("WATCHDOG=1")
            await asyncio.sleep(self._supervisor.pace)


async def attend_regions(session: Session) -> None:
    """Act where a region is lost, as far as the configuration of a pair and `perftui tune` allow."""
    allowed = [name for name, one in session.env.backends.items() if getattr(one.options, "automatic", False)]
    if not allowed or session.memory is None or session.tuning is None:
        return

    async def attend(source: str) -> tuple[str, str, str]:
        frame = await session.probe("cache.regionwatch", source, PAIR, lambda pair: pair.attend(), LONG)
        if frame.error:
            raise Lost(frame.error)
        return cast("tuple[str, str, str]", frame.report)

    watch = RegionWatch(
        allowed,
        attend,
        session.action,
        lambda: session.conductor,
        session.memory.leases,
        session.env.name,
        session.clock,
    )
    await session.tuning.gated("regions", watch.run, watch.said)


def address_of(config: Config, listen: str | None = None) -> Address | None:
    """Where machines may ask, by flag or setting; None: nowhere. ConfigError when that cannot be."""
    where = config.agent.metrics if listen is None else listen
    if where in ("", "off"):
        return None
    token = resolve(config.agent.token, f"{config.where('agent', 'token')}: agent.token")
    return Address.of(where, token, config.agent.certificate, config.agent.key)


def try_address(config: Config, listen: str) -> None:
    """ConfigError when it cannot be listened on there, before anything is drawn."""
    address = address_of(config, listen or None)
    if address is not None:
        trial = Listener(address, {}, frozenset())
        trial.bind()
        trial.close()


def serving(config: Config, environment: Environment, listen: str) -> Session:
    """A console's session that serves its metrics too."""
    session = Serving.open(config, environment, read_only=config.read_only, remember=True)
    session.address = address_of(config, listen or None)
    return session


def duties(session: Session) -> str:
    """What this agent does for all on the store, in a sentence."""
    memory, alerts = session.memory, session.alerts
    ruler = alerts.ruler if alerts is not None else None
    done = [
        word
        for word, on in (
            ("records samples", memory is not None and memory.writes),
            ("evaluates rules", ruler is not None and ruler.holder),
        )
        if on
    ]
    problem = f"; {session.problem}" if session.problem else ""
    tuning = session.tuning
    if not done and tuning is not None and all(tuning.mode(n) is Mode.OFF for n in ("alerts", "recorder")):
        return f"its loops are switched off: perftui tune list{problem}"
    alone = tuning is not None and not done and not tuning.holder("alerts") and not problem
    idle = "nobody evaluates the rules" if alone else "stands by: another holds the leases"
    return (" and ".join(done) or idle) + problem


def event_line(event: Event) -> str:
    """One event as one line of the log."""
    by = f" by {event.actor}" if event.actor else ""
    detail = f": {event.detail}" if event.detail else ""
    return inert(f"{event.kind} {event.source}: {event.title}{detail}{by}", 400)


class Supervisor:
    """What systemd wants to hear, where it is the one that started us."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        asked = os.environ.get("WATCHDOG_USEC", "")
        self.pace = min(WATCH, int(asked) / 2e6) if asked.isdecimal() and int(asked) else WATCH

    def say(self, text: str) -> None:
        """Send one message; nobody listening is no reason to stop."""
        if not self._address:
            return
        if text == "RELOADING=1":
            text += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
            wire.setblocking(False)
            wire.sendto(text.encode(), address)


class Lines(logging.Formatter):
    """`2026-11-28T20:00:00Z info agent: text`; the journal puts the time before by itself."""

    def __init__(self, *, stamped: bool) -> None:
        super().__init__()
        self._stamped = stamped

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in it; a bug's trace follows."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime(record.created)) if self._stamped else ""
        name = record.name.removeprefix("perftui.")
        text = f"{stamp}{record.levelname.lower()} {name}: {inert(record.getMessage(), 2000)}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def begin_log(stream: Callable[[], logging.Handler] = logging.StreamHandler) -> None:
    """Everything that is logged, as lines on stderr."""
    handler = stream()
    handler.setFormatter(Lines(stamped="JOURNAL_STREAM" not in os.environ))
    root = logging.getLogger("perftui")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False
