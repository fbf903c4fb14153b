"""A list of `/metrics` addresses as one backend: every host or application in it is a source of its own."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from perftui.backends.scrape import Scrape, client_of
from perftui.backends.scrape.discovery import MOST, Address, addresses, read_file
from perftui.model.errors import BackendError, ConfigError, Lost, Refused
from perftui.model.health import Health, Link
from perftui.model.options import ScrapeOptions, TargetsOptions
from perftui.model.reading import Look, Measure, Reading
from perftui.model.series import SeriesKey
from perftui.model.targets import BETWEEN, PART, ScrapedHost, TargetsReading

if TYPE_CHECKING:
    import httpx

AT_ONCE = 16  # targets of one read: all are asked together, none waits for another's connection
LONGEST = 60.0  # seconds between attempts at one that stays away
LIVE = (Link.LIVE, Link.LATE)


@dataclass(slots=True)
class Target:
    """One address and how it stands; `due` is monotonic seconds."""

    address: Address
    scrape: Scrape
    due: float
    look: Look
    failures: int = 0
    phase: float = field(default=0.0)


class Targets:
    """Addresses read in turn, some with every read, so that their work is spread over time.

    One that is away is asked ever more seldom and holds nobody up; the list itself is lost when nothing
    in it answers.
    """

    kind: ClassVar[str] = "targets"
    layer: ClassVar[str] = "host"
    Options: ClassVar[type] = TargetsOptions
    libraries: ClassVar[tuple[str, ...]] = ("httpx",)
    period: ClassVar[float] = 1.0
    idle_period: ClassVar[float] = 1.0
    deadline: ClassVar[float] = 4.0

    def __init__(self, name: str, options: TargetsOptions) -> None:
        if not options.targets and not options.file:
            raise ConfigError(f"{name}: give it `targets` or a `file` of them")
        if not 1.0 <= options.every <= 300.0:
            raise ConfigError(f"{name}: every is 1 to 300 seconds")
        self.name = name
        self._options = options
        self._given = addresses(name, [(text, {}) for text in options.targets])
        self._known: dict[str, Target] = {}
        self._read_at = -math.inf  # the file's own time when it was read
        self._listed: tuple[Address, ...] = ()
        self._broken: Look | None = None
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Prepare the one client; addresses are asked at the first reads."""
        self._client = await asyncio.to_thread(client_of, self.name, self._options, secure=True, most=AT_ONCE)

    async def close(self) -> None:
        """Close the connections; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def read(self) -> Reading:
        """Ask those that are due, at most sixteen; the newest look at every target."""
        at, began = time.time(), time.monotonic()
        if self._client is None:
            raise Lost(f"{self.name}: not open")
        await self._follow(began)
        alive = any(target.look.health.link in LIVE for target in self._known.values())
        waiting = (t for t in self._known.values() if t.due <= began or not alive)
        due = sorted(waiting, key=lambda target: target.due)[:AT_ONCE]
        await asyncio.gather(*(self._ask(target) for target in due))
        looks = [target.look for target in self._known.values()]
        live = sum(look.health.link in LIVE for look in looks)
        self._need(live, looks)
        took = time.monotonic() - began
        counts = (("targets", float(len(looks))), ("targets_up", float(live)))
        samples = tuple(Measure(SeriesKey(self.name, name), value) for name, value in counts)
        parts = tuple(t.look.reading for t in due if t.look.reading is not None and t.failures == 0)
        told = tuple(looks) + ((self._broken,) if self._broken else ())
        return Reading(self.name, at, took, samples, TargetsReading(told), parts)

    def _need(self, live: int, looks: list[Look]) -> None:
        """Somebody must answer."""
        gone = [look for look in looks if look.health.link in (Link.LOST, Link.REFUSED)]
        if live or len(gone) < len(looks):
            return
        if not looks:
            why = self._broken.health.error if self._broken else "the list is empty"
            raise Lost(f"{self.name}: no target is known: {why}")
        kind = Refused if all(look.health.link is Link.REFUSED for look in gone) else Lost
        raise kind(f"{self.name}: none of {len(gone)} targets answers: {gone[0].health.error}")

    async def _ask(self, target: Target) -> None:
        """One scrape; whatever goes wrong is this target's alone."""
        before = target.look
        try:
            reading = await target.scrape.read()
        except BackendError as error:
            link = Link.REFUSED if isinstance(error, Refused) else Link.LOST
            since = before.health.since if before.health.link is link else time.time()
            target.failures += 1
            wait = min(LONGEST, self._options.every * 2.0 ** min(target.failures - 1, 8))
            health = Health(link, since, str(error), time.time() + wait)
            target.look = Look(before.source, PART, before.reading, health)
            target.due = self._next(target, wait)
            return
        if isinstance(reading.facts, ScrapedHost) and not reading.facts.api.endpoints:
            target.scrape.forget()  # nobody asks a host for a metric by name
        since = before.health.since if before.health.link is Link.LIVE else reading.at
        target.failures, target.due = 0, self._next(target, self._options.every)
        target.look = Look(before.source, PART, reading, Health(Link.LIVE, since))

    def _next(self, target: Target, wait: float) -> float:
        """When to ask again: about `wait` seconds from now, at this target's own place in the period."""
        every, now = self._options.every, time.monotonic()
        return target.phase + math.ceil((now + wait - every / 2 - target.phase) / every) * every

    async def _follow(self, now: float) -> None:
        """Take the file's addresses when it changed; a broken one changes nothing, and is told."""
        if self._options.file:
            path = Path(self._options.file)
            try:
                changed, text = await asyncio.to_thread(read_file, path, self._read_at)
                if text is not None:
                    self._read_at, self._broken = changed, None
                    self._listed = addresses(self.name, text)
            except ConfigError as error:
                source = f"{self.name}{BETWEEN}{path.name}"
                since = self._broken.health.since if self._broken else time.time()
                self._broken = Look(source, PART, None, Health(Link.LOST, since, str(error)))
        wanted = {address.name: address for address in (*self._given, *self._listed)}
        wanted = dict(list(wanted.items())[:MOST])
        if wanted != {name: target.address for name, target in self._known.items()}:
            self._take(wanted, now)

    def _take(self, wanted: dict[str, Address], now: float) -> None:
        """New ones are asked as soon as their turn comes, those that left are forgotten."""
        every, kept = self._options.every, {}
        for place, (name, address) in enumerate(wanted.items()):
            known = self._known.get(name)
            if known is None or known.address != address:
                source = f"{self.name}{BETWEEN}{name}"
                o = self._options
                options = ScrapeOptions(address.url, service=name, keep=o.keep, most_samples=o.most_samples)
                scrape = Scrape(source, options, client=self._client, job=self.name)
                look = Look(source, PART, None, Health(Link.WAITING, time.time()))
                known = Target(address, scrape, now, look)
            known.phase = now + every * place / len(wanted)
            kept[name] = known
        self._known = kept
