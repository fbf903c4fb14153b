"""Hosts that a Prometheus server scrapes, as if each were scraped from here: no way to them is needed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from perftui.analysis.hostmeasures import measures
from perftui.analysis.matchers import parse_matchers
from perftui.analysis.nodemetrics import CPU, NAMES, NodeHost
from perftui.backends.prometheus import Prometheus
from perftui.model.errors import ConfigError, Lost
from perftui.model.health import Health, Link
from perftui.model.metrics import Answer
from perftui.model.options import PromHostsOptions
from perftui.model.reading import Look, Measure, Reading
from perftui.model.series import SeriesKey
from perftui.model.targets import BETWEEN, PART, TargetsReading

MOST = 500  # hosts of one server; those beyond are left out
AT_ONCE = 8  # hosts one query asks for, so that reading its answer holds nobody up
PATIENCE = 3.5  # seconds for each of the two questions of a read
GONE = "the server has no sample of it that is fresh: is its exporter up?"

Samples = dict[str, list[tuple[tuple[tuple[str, str], ...], float]]]


@dataclass(slots=True)
class Behind:
    """One host of the server: `at` is when it was scraped last, by the server's clock."""

    node: NodeHost
    look: Look
    at: float = 0.0


class PrometheusHosts:
    """Hosts by `instance`, read from one server as often as it scrapes them, a few with every read."""

    kind: ClassVar[str] = "promhosts"
    layer: ClassVar[str] = "host"
    Options: ClassVar[type] = PromHostsOptions
    libraries: ClassVar[tuple[str, ...]] = ("httpx",)
    period: ClassVar[float] = 1.0
    idle_period: ClassVar[float] = 2.0
    deadline: ClassVar[float] = 8.0

    def __init__(self, name: str, options: PromHostsOptions) -> None:
        self.name = name
        inside = options.match.strip().removeprefix("{").removesuffix("}")
        if inside and any(matcher.name == "instance" for matcher in parse_matchers(f"{{{inside}}}")):
            raise ConfigError(f"{name}: match by another label than instance: hosts are told apart by it")
        self._match = f", {inside}" if inside else ""
        self._server = Prometheus(name, replace(options, timeout=min(options.timeout, PATIENCE)))
        self._hosts: dict[str, Behind] = {}

    async def open(self) -> None:
        """Prepare the client; the server is asked at the first read."""
        await self._server.open()

    async def close(self) -> None:
        """Close the connection; may be called twice."""
        await self._server.close()

    async def read(self) -> Reading:
        """When each host was scraped last, and the figures of up to eight that were scraped since."""
        at, began = time.time(), time.monotonic()
        scraped = await self._scraped(at)
        for instance in list(scraped)[:MOST]:
            self._hosts.setdefault(instance, self._new(instance, at))
        for instance, host in self._hosts.items():
            if instance not in scraped and host.look.health.link is not Link.LOST:
                host.look = Look(host.look.source, PART, host.look.reading, Health(Link.LOST, at, GONE))
        fresh = {i: scraped[i] for i, host in self._hosts.items() if scraped.get(i, 0.0) > host.at}
        due = sorted(fresh, key=lambda instance: self._hosts[instance].at)[:AT_ONCE]
        parts = await self._look(due, scraped, at) if due else ()
        if not scraped:
            raise Lost(f"{self.name}: the server has no fresh {CPU}{{{self._match[2:]}}}")
        took = time.monotonic() - began
        counts = (("targets", float(len(self._hosts))), ("targets_up", float(len(scraped))))
        samples = tuple(Measure(SeriesKey(self.name, name), value) for name, value in counts)
        facts = TargetsReading(tuple(host.look for host in self._hosts.values()))
        return Reading(self.name, at, took, samples, facts, tuple(parts))

    def _new(self, instance: str, at: float) -> Behind:
        source = f"{self.name}{BETWEEN}{instance.replace('/', '_')[:120]}"
        return Behind(NodeHost(), Look(source, PART, None, Health(Link.WAITING, at)))

    async def _scraped(self, at: float) -> dict[str, float]:
        """When the newest sample of every host was taken; those that are down have none."""
        expr = f"max by (instance) (timestamp({CPU}{{instance!=''{self._match}}}))"
        answer = await self._server.instant(expr, at)
        return {dict(point.labels).get("instance", ""): point.value for point in answer.vector}

    async def _look(self, due: Sequence[str], scraped: Mapping[str, float], at: float) -> tuple[Reading, ...]:
        """One query for all of them."""
        began = time.monotonic()
        names, instances = "|".join(NAMES), "|".join(re.escape(instance) for instance in due)
        quoted = instances.replace("\\", "\\\\").replace('"', '\\"')
        expr = f'{{__name__=~"{names}", instance=~"{quoted}"{self._match}}}'
        by_host = _split(await self._server.instant(expr, at))
        found: list[Reading] = []
        for instance in due:
            host, then = self._hosts[instance], scraped[instance]
            reading = host.node.reading(by_host.get(instance, {}), then, then, instance)
            host.at = then
            if reading is not None:
                source = host.look.source
                took = time.monotonic() - began
                found.append(Reading(source, then, took, measures(source, reading), reading))
                since = host.look.health.since if host.look.health.link is Link.LIVE else then
                host.look = Look(source, PART, found[-1], Health(Link.LIVE, since))
        return tuple(found)


def _split(answer: Answer) -> dict[str, Samples]:
    """Samples by metric of each host."""
    found: dict[str, Samples] = {}
    for point in answer.vector:
        labels = dict(point.labels)
        name, instance = labels.pop("__name__", ""), labels.pop("instance", "")
        rows: Iterable[tuple[str, str]] = labels.items()
        found.setdefault(instance, {}).setdefault(name, []).append((tuple(rows), point.value))
    return found
