"""A day in minutes: what a lab's systems answered, played to a whole session whose time runs faster.

    python -m benchmarks.fastforward TAPE --config FILE --state FOLDER [--speed 60] [--minutes 24]

The loop's own time is what runs faster, so that pollers, engines, rings, history, frames, rules and leases
all keep their paces and bounds as they are. Drivers and wires are left out; threads and disks are as fast
as ever. Prints a line of JSON a look at itself.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import os
import pickle
import selectors
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.growth import rollup
from perftui import engines
from perftui.agent import ASIDE
from perftui.config import Config, load
from perftui.model.event import Event
from perftui.model.moment import Moment, TimeState
from perftui.model.reading import Reading
from perftui.runtime import heap, rings
from perftui.runtime.clock import Clock
from perftui.runtime.events import CAPACITY, EventLog
from perftui.runtime.tasks import Crew
from perftui.session import Session

PACE = 0.1  # seconds between looks for new readings while a tape is made
WATCHED = 30.0  # seconds of its own time that somebody looks at one topic
BACK = (60.0, 600.0, 3600.0, 6 * 3600.0)  # seconds somebody looks back
SELDOM = 20  # topics between two looks back
BEAT = 0.05  # real seconds between beats the loop's lag is measured by


class _Waits(selectors.DefaultSelector):
    """Waits as much less as time runs faster."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout / self._speed if timeout else timeout)


class FastLoop(asyncio.SelectorEventLoop):
    """A loop in whose time a real second lasts `speed` seconds."""

    def __init__(self, speed: float) -> None:
        self._speed, self._began = speed, time.monotonic()
        super().__init__(_Waits(speed))

    def time(self) -> float:
        """Seconds of the loop's own time."""
        return self._began + (time.monotonic() - self._began) * self._speed


@dataclass(frozen=True)
class Tape:
    """What each backend of an environment answered, in order, with its paces: period, idle, deadline."""

    readings: Mapping[str, tuple[Reading, ...]]
    paces: Mapping[str, tuple[float, float, float]]


async def record(config: Config, seconds: float) -> Tape:
    """All that the systems of an environment answer meanwhile, read at full pace."""
    session = Session.open(config, config.environment)
    heard: dict[str, dict[float, Reading]] = {name: {} for name in session.looks}
    with ExitStack() as holds:
        for topic in engines.BUILTIN:
            holds.enter_context(session.topic(topic).hold())
        await session.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for name, look in session.looks.items():
                if look.reading is not None:
                    heard[name].setdefault(look.reading.at, look.reading)
            await asyncio.sleep(PACE)
        made = {name: session._backends[name] for name in heard}  # noqa: SLF001
        paces = {n: (float(b.period), float(b.idle_period), float(b.deadline)) for n, b in made.items()}
    await session.close()
    return Tape({name: tuple(found.values()) for name, found in heard.items() if found}, paces)


class Player:
    """A backend that answers as its tape does, over and over; nothing can be done with it."""

    layer: ClassVar[str] = "tape"

    def __init__(self, name: str, kind: str, tape: Tape, clock: Clock) -> None:
        self.name, self.kind = name, kind
        self.period, self.idle_period, self.deadline = tape.paces[name]
        self._answers: Iterator[Reading] = itertools.cycle(tape.readings[name])
        self._clock = clock

    async def open(self) -> None:
        """Nothing to connect to."""

    async def read(self) -> Reading:
        """The next answer, as if given now."""
        return replace(next(self._answers), at=self._clock.wall())

    async def close(self) -> None:
        """Nothing to let go of."""


class Played(Session):
    """An agent's session that remembers, whose backends are a tape."""

    tape: Tape

    @classmethod
    def of(cls, config: Config, tape: Tape) -> Played:
        """A session of this loop's time, which begins now."""
        only = set(tape.readings)
        session = cls.open(config, config.environment, only=only, remember=True, agent=True)
        loop, wall = asyncio.get_running_loop(), time.time()
        began = loop.time()
        session.tape = tape
        session.clock = Clock(lambda: wall + loop.time() - began, loop.time)
        return session

    def _add(self, name: str, backend_class: Any, options: Callable[[], Any]) -> None:
        kind = self.env.backends[name].kind
        super()._add(name, lambda name, _: Player(name, kind, self.tape, self.clock), lambda **_: None)


class Looker:
    """Somebody who looks at one topic after the other, and back."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def run(self) -> None:
        """Look until cancelled."""
        for number, topic in enumerate(itertools.cycle(engines.BUILTIN)):
            try:
                async with asyncio.timeout(WATCHED):
                    async for _ in self._session.watch(topic):
                        pass
            except TimeoutError:
                pass
            if number % SELDOM == 0:
                self._look_back(topic, BACK[number // SELDOM % len(BACK)])

    def _look_back(self, topic: str, seconds: float) -> None:
        session, now = self._session, self._session.clock.wall()
        session.at(Moment(now - seconds, TimeState.PAST), topic)
        keys = session.rings.recent_keys()
        for key in keys[:: len(keys) // 3 or 1]:
            session.history.series(key, now - seconds, now)


class Gauge:
    """Looks at the process it is in."""

    def __init__(self, session: Session, state: Path, speed: float) -> None:
        self._session, self._state, self._speed = session, state, speed
        self._late: list[float] = []
        self.began = time.monotonic()

    async def beat(self) -> None:
        """Measure how late the loop comes, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT * self._speed
            await asyncio.sleep(BEAT * self._speed)
            self._late.append((loop.time() - due) / self._speed)

    def look(self) -> dict[str, float]:
        """All figures now; memory after a collection, so that what is garbage already does not count."""
        gc.collect()
        late, self._late = sorted(self._late) or [0.0], []
        memory = rollup(os.getpid())
        files = [path for path in self._state.rglob("*") if path.is_file()]
        return {
            "at": time.monotonic() - self.began,
            "anonymous, MB": memory["Anonymous"],
            "RSS, MB": memory["Rss"],
            "objects": float(len(gc.get_objects())),
            "descriptors": float(len(list(Path("/proc/self/fd").iterdir()))),
            "threads": float(threading.active_count()),
            "tasks": float(len(asyncio.all_tasks())),
            "lag, ms": 1000 * statistics.median(late),
            "longest lag, ms": 1000 * late[-1],
            "rings, MB": self._session.rings.bytes / 1e6,
            "files": float(len(files)),
            "store, MB": sum(path.stat().st_size for path in files) / 1e6,
        }


def fill(log: EventLog, now: float) -> None:
    """Events of the hours before, as many as are kept: they are a ring too, which a day may not fill."""
    told = [
        Event(
            now - CAPACITY + n, "scale", f"source {n}", f"worker {n} ready", f"after {n} s", "", None, f"{n}"
        )
        for n in range(CAPACITY)
    ]
    log.restore(told)


async def play(args: argparse.Namespace, told: Callable[[Mapping[str, float]], None]) -> None:
    """Play the tape for so many real minutes and tell every look."""
    config = load(args.config, args.env)
    tape = pickle.loads(args.tape.read_bytes())
    session = Played.of(config, tape)
    session.rings.seconds = args.ring_seconds
    fill(session.events, session.clock.wall())
    gauge = Gauge(session, args.state, args.speed)
    with ExitStack() as holds:
        for topic in engines.BUILTIN.keys() - ASIDE:
            holds.enter_context(session.topic(topic).hold(glance=True))
        async with Crew("fast forward") as crew:
            await session.start()
            crew.start("beat", gauge.beat())
            crew.start("look", Looker(session).run())
            while time.monotonic() - gauge.began < args.minutes * 60:
                await asyncio.sleep(args.every * args.speed)
                told(gauge.look())
            if crew.failed:
                raise next(iter(crew.failed.values()))
    await session.close()


def main(words: list[str] | None = None) -> int:
    """Play a tape and print what it does to this process."""
    parser = argparse.ArgumentParser("benchmarks.fastforward", description=__doc__)
    parser.add_argument("tape", type=Path)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--env", default="lab")
    parser.add_argument("--state", type=Path, required=True, help="folder of the store, empty")
    parser.add_argument("--speed", type=float, default=60.0)
    parser.add_argument("--minutes", type=float, default=24.0, help="real ones")
    parser.add_argument("--every", type=float, default=10.0, help="real seconds between looks")
    parser.add_argument("--ring-seconds", type=float, default=rings.SECONDS)
    args = parser.parse_args(words)
    os.environ["PERFTUI_STATE_DIR"] = str(args.state)
    heap.few_arenas()  # as an agent begins
    with asyncio.Runner(loop_factory=lambda: FastLoop(args.speed)) as runner:
        runner.run(play(args, lambda figures: print(json.dumps(figures), flush=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
