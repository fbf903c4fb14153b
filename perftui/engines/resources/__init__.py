"""Hosts, applications and queues: what is saturated, full, leaking, failing, slow or behind, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from perftui.analysis.backlog import Backlog
from perftui.engines.resources import apis, hosts, surges
from perftui.engines.resources.trends import growing, pools, sustained
from perftui.model.endpoint import ApiReading, ApiView
from perftui.model.finding import Finding, Offer
from perftui.model.frame import SeriesReader
from perftui.model.queues import QueuesReading, QueueView
from perftui.model.reading import Look
from perftui.model.resources import Growth, HostReading, HostView, ResourcesReport
from perftui.model.targets import ScrapedHost, spread

TARGETS = ("host", "scrape", "targets", "promhosts")  # kinds that may be a host
SLOPE_PERIOD = 15.0  # seconds between looks for growth: slopes over minutes change slowly


class ResourcesEngine:
    """One report over every host, scraped application and message broker."""

    stem: ClassVar[str] = "resources"
    kinds: ClassVar[tuple[str, ...]] = (*TARGETS, "accesslog", "kafka", "rabbitmq")

    def __init__(self) -> None:
        self._growing: dict[str, tuple[float, tuple[Growth, ...]]] = {}
        self._oom: dict[str, int] = {}
        self._backlog = Backlog()
        self._surges = surges.Surges()
        self._views: dict[str, HostView] = {}

    def observe(self, now: float, looks: Mapping[str, Look], history: SeriesReader) -> ResourcesReport:
        """The newest look at each, lost ones with their last good figures."""
        host_views: list[HostView] = []
        api_views: list[ApiView] = []
        queue_views: list[QueueView] = []
        every = spread(looks)
        for name, look in sorted(every.items()):
            if look.reading is None:
                continue
            at, facts = look.reading.at, look.reading.facts
            if isinstance(facts, ScrapedHost):
                host_views.append(self._host(name, at, facts.host, history))
                facts = facts.api if facts.api.endpoints else None
            if isinstance(facts, HostReading):
                host_views.append(self._host(name, at, facts, history))
            elif isinstance(facts, ApiReading):
                surge = self._surges.look(name, at, facts, history)
                api_views.append(ApiView(name, at, facts, surge, pools(name, at, facts, history)))
            elif isinstance(facts, QueuesReading):
                queue_views += facts.views
        self._backlog.seen(queue_views)
        silent = tuple(
            sorted(n for n, look in every.items() if look.reading is None and look.kind in TARGETS)
        )
        told = tuple((name, look.health) for name, look in every.items() if name not in looks)
        return ResourcesReport(tuple(host_views), tuple(api_views), tuple(queue_views), silent, told)

    def _host(self, name: str, at: float, reading: HostReading, history: SeriesReader) -> HostView:
        """A look that was seen before is not looked into again: fifty hosts come one by one."""
        seen = self._views.get(name)
        if seen is not None and seen.reading is reading and seen.at == at:
            return seen
        known_at, rows = self._growing.get(name, (0.0, ()))
        if at - known_at >= SLOPE_PERIOD:
            rows = growing(name, at, reading, history)
            self._growing[name] = (at, rows)
        kills = reading.memory.oom_kills or 0
        new_kills = max(0, kills - self._oom.setdefault(name, kills))
        view = HostView(name, at, reading, sustained(name, at, reading, history), rows, new_kills)
        self._views[name] = view
        return view

    def findings(self, report: ResourcesReport) -> Sequence[Finding]:
        """What is wrong now, each with its figures and the process or route behind it."""
        found = [f for view in report.hosts for f in hosts.findings(view)]
        found += [f for view in report.apis for f in (*surges.findings(view), *apis.findings(view))]
        return (*found, *self._backlog.findings(report.queues))

    def actions(self, report: ResourcesReport) -> Sequence[Offer]:
        """A profile of the busiest Python process of each host."""
        return tuple(offer for view in report.hosts if (offer := hosts.profile_offer(view)))
