"""Our ruler and a Prometheus server on the same scrapes: read once, pushed to one and written for the other."""

from __future__ import annotations

import asyncio
import json
import math
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from perftui.analysis.promql import Shelf, evaluate, parse
from perftui.analysis.promtext import Scanner
from perftui.model.alerts import Matcher
from perftui.model.metrics import NAME, STALE, Labels, Vector, labels_of
from perftui.runtime.groupruler import GroupRuler
from perftui.runtime.rulefiles import RuleShelf
from tests.promserver import Server
from tests.waiting import auntil, until

EVERY = 3.0  # seconds between evaluations; samples lie in the middle of two
TICK = "\n  - record: tick\n    expr: vector(1)\n"
WRITTEN = ("ALERTS", "ALERTS_FOR_STATE")


class Point(NamedTuple):
    """What a ruler wrote of an alert at a tick (milliseconds)."""

    at: int
    labels: Labels
    value: float


class TwoRulers:
    """`run` scrapes for some time, `differences` tells where they did not agree, `changes` what happened."""

    def __init__(self, folder: Path, url: str, group: str) -> None:
        """`group` is a rule file of one group; a rule that tells the ticks is added at its end."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "rules.yml"
        path.write_text(group.rstrip() + TICK)
        config = {"global": {"evaluation_interval": f"{EVERY:g}s"}, "rule_files": [str(path)]}
        self.server = Server(folder / "server", json.dumps(config))
        self.began = time.time()
        self.scrapes, self.failed, self.late = 0, 0, 0
        self.theirs: set[Point] = set()
        self.ours: set[Point] = set()
        self._url = url
        self._shelf, self._kept, self._scanner = Shelf(), RuleShelf(str(path)), Scanner()
        self._last: set[Labels] = set()

    def stop(self) -> None:
        self.server.stop()

    async def run(self, end: float) -> None:
        """Scrape half a tick after each evaluation until an instant, as if it were a tick later."""
        (phase, *_) = await auntil(self._ticks, 30)
        while (now := time.time()) < end:
            due = now + (phase + EVERY / 2 - now) % EVERY
            await until(lambda due=due: time.time() >= due, EVERY + 5)  # type: ignore[misc]
            await self._scrape(EVERY * 1.5)

    async def _scrape(self, room: float) -> None:
        began = time.monotonic()
        try:
            found = dict(await asyncio.to_thread(self._read))
            up = 1.0
        except (OSError, ValueError):
            found, up = {}, 0.0
            self.failed += 1
        at = round(time.time() + EVERY, 3)  # ahead: it is there long before anybody may see it
        gone = dict.fromkeys(self._last - found.keys(), STALE)
        rows = [(labels, at, value) for labels, value in (found | gone).items()]
        rows.append((labels_of("up", job="both"), at, up))
        for row in rows:
            self._shelf.append(*row)
        await asyncio.to_thread(self.server.push, rows)
        self.late += time.monotonic() - began > room
        self._last = set(found)
        self.scrapes += 1

    def _read(self) -> list[tuple[Labels, float]]:
        request = urllib.request.Request(self._url, headers={"Accept": "text/plain"})
        with urllib.request.urlopen(request, timeout=EVERY / 3) as answer:
            scrape = self._scanner.scan(answer.read().decode())
        return [
            (labels_of(name, **dict(labels)), value)
            for name, samples in scrape.samples.items()
            for labels, value in samples
        ]

    async def _ticks(self) -> list[float]:
        return sorted(point.at / 1000 for point in await self._asked("tick"))

    async def _asked(self, name: str) -> set[Point]:
        seconds = math.ceil(time.time() - self.began) + 5
        answer: Any = await asyncio.to_thread(self.server.ask, "query", query=f"{name}[{seconds}s]")
        return {
            Point(round(at * 1000), tuple(sorted(series["metric"].items())), float(value))
            for series in answer["data"]["result"]
            for at, value in series["values"]
        }

    async def differences(self) -> list[str]:
        """What one wrote at a tick and the other did not; ours evaluates at exactly the server's ticks."""
        await self._kept.refresh()
        ticks = await self._ticks()
        self._kept.groups = tuple(replace(g, offset=ticks[0] % g.interval) for g in self._kept.groups)
        ruler = GroupRuler(self._kept, self._shelf, lambda source: self._ask)
        active: dict[str, Any] = {}
        for tick in ticks:
            active = (await ruler.tick(tick + 0.0001, active)).active
        for name in WRITTEN:
            self.theirs |= {p for p in await self._asked(name) if p.at <= round(ticks[-1] * 1000)}
            for window in self._shelf.select((Matcher(NAME, "=", name),), 0.0, time.time()):
                pairs = zip(window.at, window.values, strict=True)
                self.ours |= {Point(round(at * 1000), window.labels, v) for at, v in pairs if v == v}  # noqa: PLR0124
        return [
            *(f"only the server: {point}" for point in sorted(self.theirs - self.ours)),
            *(f"only perftui: {point}" for point in sorted(self.ours - self.theirs)),
        ]

    async def _ask(self, expression: str, at: float) -> Vector:
        return evaluate(parse(expression), self._shelf, at)

    def changes(self) -> dict[str, set[str]]:
        """The states each alert had."""
        found: dict[str, set[str]] = {}
        for point in self.theirs:
            labels = dict(point.labels)
            if labels[NAME] == "ALERTS":
                found.setdefault(labels["alertname"], set()).add(labels["alertstate"])
        return found
