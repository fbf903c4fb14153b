"""The console as a stream of sentences (`perftui run --plain`): nothing is drawn, nothing taken back."""

from __future__ import annotations

import asyncio
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from perftui import engines
from perftui.cli import SIGPIPE_CODE, common
from perftui.export.plain import News
from perftui.runtime.tasks import Crew

if TYPE_CHECKING:
    from perftui.session import Session

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
ASIDE = {"profiler"}  # an engine that looks only when asked
WAITING = 1000  # lines a slow reader may be behind
LEAVE = 2.0  # seconds
LOOK = 1.0  # seconds between two looks at whether the store can be written


async def stream(session: Session, tz: str) -> int:
    """Say what changes until a signal (128 + its number) or until nobody reads (141)."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    code = 0

    def end(with_: int) -> None:
        nonlocal code
        code = code or with_
        ended.set()

    voice = Voice(lambda: loop.call_soon_threadsafe(end, SIGPIPE_CODE))
    news = News(time.time(), tz)
    with _signals(loop, lambda number: end(128 + number)), ExitStack() as holds:
        for topic in engines.BUILTIN.keys() - ASIDE:
            holds.enter_context(session.topic(topic).hold(glance=True))
        try:
            async with Crew("plain") as crew:
                await session.start()
                common.narrate(f"environment {session.env.name}: {', '.join(session.looks) or 'nothing'}")
                for name, work in (("links", _links), ("alerts", _alerts), ("events", _events)):
                    crew.start(name, work(session, news, voice))
                crew.start("problem", _problem(session, news, voice))
                await ended.wait()
        finally:
            await session.close()
            voice.end()
    return code


async def _links(session: Session, news: News, voice: Voice) -> None:
    async for frame in session.watch("health"):
        voice.say(news.links(frame.health, frame.at))


async def _alerts(session: Session, news: News, voice: Voice) -> None:
    async for frame in session.watch("alerts"):
        voice.say(news.alerts(frame.report, frame.at))


async def _events(session: Session, news: News, voice: Voice) -> None:
    async for frame in session.watch("events"):
        voice.say(news.events(frame, session.frame("findings").findings))


async def _problem(session: Session, news: News, voice: Voice) -> None:
    while True:
        voice.say(news.problem(session.problem, session.clock.wall()))
        await asyncio.sleep(LOOK)


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, told: Callable[[int], None]) -> Iterator[None]:
    for number in SIGNALS:
        loop.add_signal_handler(number, told, number)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


class Voice(threading.Thread):
    """Writes lines in a thread of its own: a reader that stalls must not stop what is measured.

    Of more than a thousand lines that wait, later ones are left out and counted. `gone` is called
    once nobody reads any more.
    """

    def __init__(self, gone: Callable[[], object]) -> None:
        super().__init__(name="plain", daemon=True)
        self._gone = gone
        self._lines: queue.Queue[str | None] = queue.Queue(WAITING)
        self._lost = 0
        self.start()

    def say(self, lines: Iterator[str]) -> None:
        """Hand over lines; never waits."""
        for line in lines:
            if self._lost and not self._put(f"{self._lost} lines are left out: nobody read them"):
                self._lost += 1
                continue
            self._lost = 0 if self._put(line) else 1

    def _put(self, line: str | None) -> bool:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            return False
        return True

    def end(self) -> None:
        """Write what waits, as long as somebody takes it."""
        if self._put(None):
            self.join(LEAVE)

    def run(self) -> None:
        """In its thread."""
        try:
            while (line := self._lines.get()) is not None:
                print(line, flush=True)
        except OSError:  # closed at the other end, or a disk that is full
            sys.stdout = open("/dev/null", "w")  # noqa: SIM115 - nothing may be flushed into it later
            self._gone()
