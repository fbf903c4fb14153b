"""Gathering what the store and the audit hold of a range, for the report and the post-mortem."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from perftui.model.errors import StoreError
from perftui.model.targets import family

if TYPE_CHECKING:
    from perftui.config import Config
    from perftui.export.story import Chapter, Curve, Story
    from perftui.model.auditlog import AuditEntry
    from perftui.model.series import SeriesKey
    from perftui.runtime.past import Past
    from perftui.session import Session

CHAPTERS: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("overview", "hosts", ("host",), ("cpu.busy_ratio", "memory.used_ratio", "load.1m")),
    ("overview", "service", ("scrape",), ("http.requests_per_s", "http.p95_s", "http.error_ratio")),
    ("cache", "cache", ("valkey",), ("hit_ratio", "ops_per_s", "used_bytes", "evicted_per_s")),
    ("cdn", "edge", ("varnish", "pyedge"), ("hit_ratio", "requests_per_s", "bytes_per_s")),
    ("database", "database", ("postgres",), ("p95_estimate_s", "mean_s", "tps", "hit_ratio", "connections")),
    ("scaling", "scaling", ("processpool",), ("ready", "desired", "cpu_ratio")),
)
"""Screen, layer, kinds of backends, and the figures that tell how it fared."""
SCREENS = tuple(dict.fromkeys(screen for screen, *_ in CHAPTERS))


def of_session(session: Session) -> Past:
    """What a console that remembers has in memory and store."""
    from perftui.config.paths import audit_file
    from perftui.runtime.past import Past

    if session.memory is None:
        raise StoreError("this console keeps no history")
    return Past(session.memory.history, session.memory.store, audit_file())


def series_of(past: Past, sources: Collection[str]) -> tuple[SeriesKey, ...]:
    """Series of these backends; of all where none of them has any."""
    return tuple(key for key in past.keys() if key.source in sources) or past.keys()  # noqa: SIM118


async def gather(
    past: Past | None, config: Config, start: float, end: float, screens: Sequence[str] = SCREENS
) -> Story:
    """The story of a range, as far as it was written down."""
    from perftui.config.effective import flat
    from perftui.export.story import Story
    from perftui.runtime.audit import who
    from perftui.runtime.budgets import keys_of, missed, objective

    env = config.environment
    plain = Story(env.name, env.kind, start, end, who()[0], time.time())
    if past is None:
        return plain
    known, kinds, history = past.keys(), env.kinds, past.history
    fed = [(target, keys_of(known, target, kinds)) for target in config.objectives()]
    return replace(
        plain,
        objectives=tuple([await objective(history, *one, end) for one in fed]),
        missed=tuple([one[0].title for one in fed if await missed(history, *one, start, end)]),
        alerts=await past.alerts(start, end),
        events=await past.events(start, end),
        actions=tuple(_actions(env.name, start, end)),
        chapters=tuple([c async for c in _chapters(past, config, start, end, screens)]),
        settings=tuple(flat(config).items()),
    )


def _actions(env: str, start: float, end: float) -> Iterable[AuditEntry]:
    from perftui.config.paths import audit_file
    from perftui.runtime.audit import Audit

    if not audit_file().exists():
        return []
    found = Audit(audit_file()).entries(10_000, start, "")
    return sorted((e for e in found if e.env == env and e.at <= end), key=lambda entry: entry.seq)


async def _chapters(
    past: Past, config: Config, start: float, end: float, screens: Sequence[str]
) -> AsyncIterator[Chapter]:
    from perftui.export.story import Chapter

    kinds = config.environment.kinds
    goals = {(t.kind, t.series): t.goal for t in config.objectives() if t.series}
    for screen, layer, of, names in CHAPTERS:
        wanted = [
            key
            for name in names
            for key in past.keys(f"*/{name}")
            if screen in screens and family(kinds.get(key.source)) in of and not key.labels
        ]
        curves = [
            await curve(past, key, start, end, goals.get((family(kinds.get(key.source)), key.name)))
            for key in wanted
        ]
        drawn = tuple(one for one in curves if len(one.at))
        if drawn:
            yield Chapter(layer, drawn)


async def curve(past: Past, key: SeriesKey, start: float, end: float, goal: float | None) -> Curve:
    """One series of the range."""
    from perftui.export.story import Curve

    rows = await past.rows(key, start, end)
    good = [n for n, value in enumerate(rows.mean) if math.isfinite(value)]
    at, mean, low, high = (
        array("d", (column[n] for n in good)) for column in (rows.at, rows.mean, rows.low, rows.high)
    )
    return Curve(str(key), past.unit(key), at, mean, low, high, goal)
