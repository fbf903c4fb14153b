"""What was to be seen the moment an alert fired: the busiest processes, and what had moved before it."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from perftui.analysis.movers import FEWEST, POINTS, STEP, Mover, distance, grid, movers
from perftui.draw import format as fmt
from perftui.model.alerts import Alert, AlertState
from perftui.model.reading import Look
from perftui.model.resources import HostReading, ProcessRow
from perftui.model.series import SeriesKey
from perftui.runtime.sights import Sights

MOST = 5  # alerts of one evaluation that are looked into: of a storm the first ones tell the story
PROCESSES = 5
SHOWN = 3  # series that moved first
OURS = ("anomaly", "perftui")  # sources of series that only repeat what others say
PATIENCE = 0.5  # seconds
CLOSE = 200  # series looked at closely, those that moved farthest
ROUGH = 1.0  # deviations of single samples from which that is worth it

Copy = tuple[SeriesKey, str, Sequence[float], Sequence[float]]
"""A series, its unit, instants and values."""


async def witnessed(changed: Sequence[Alert], sights: Sights, now: float) -> dict[str, Alert]:
    """The alerts that fire from this evaluation on, with what was to be seen then, by fingerprint.

    Nobody waits long for it: what cannot be found out in half a second is left out.
    """
    fresh = [alert for alert in changed if alert.state is AlertState.FIRING][:MOST]
    if not fresh:
        return {}
    looks, copies = sights.looks(), list(_copies(sights, now))
    try:
        async with asyncio.timeout(PATIENCE):
            moved = await asyncio.to_thread(_looked, fresh, copies, now)
    except TimeoutError:
        moved = {}
    return {
        alert.fingerprint: replace(
            alert, witness=(*_processes(alert, looks), *moved.get(alert.fingerprint, ()))
        )
        for alert in fresh
    }


def _processes(alert: Alert, looks: Mapping[str, Look]) -> Iterable[str]:
    """Those of the host it is about, else of the machine we run on."""
    hosts = {n: look.reading.facts for n, look in looks.items() if look.reading is not None}
    facts = hosts.get(alert.source)
    if not isinstance(facts, HostReading):
        facts = next((f for f in hosts.values() if isinstance(f, HostReading) and f.top), None)
    if not isinstance(facts, HostReading) or not facts.top:
        return
    busiest = sorted(facts.top, key=lambda row: (-(row.cpu or 0.0), -row.rss))[:PROCESSES]
    yield f"busiest on {facts.host}: {', '.join(map(_process, busiest))}"


def _process(row: ProcessRow) -> str:
    use = f"{fmt.ratio(row.cpu)} of a core, " if row.cpu is not None else ""
    return f"{row.name} {row.pid} ({use}{fmt.bytes_(row.rss)})"


def _copies(sights: Sights, now: float) -> Iterable[Copy]:
    """The last ten minutes of every series in memory: copied where they grow, looked at beside."""
    start = now - POINTS * STEP
    for source, sheet in sights.rings.sheets().items():
        first = bisect_left(sheet.at, start)
        if source not in OURS and len(sheet.at) - first >= FEWEST:
            at = sheet.at[first:]
            for key, column in sheet.columns.items():
                yield key, sheet.units.get(key, "1"), at, column[first:]


def _looked(alerts: Sequence[Alert], copies: Iterable[Copy], now: float) -> dict[str, list[str]]:
    """What moved before each alert whose series is known, in words."""
    wanted = {alert.key for alert in alerts}
    every = list(copies)
    near = sorted((-distance(values), n) for n, (_, _, _, values) in enumerate(every))
    chosen = {n for far, n in near[:CLOSE] if far < -ROUGH} | {
        n for n, (key, *_) in enumerate(every) if key in wanted
    }
    grids = {every[n][0]: made for n in chosen if (made := grid(every[n][2], every[n][3], now)) is not None}
    units = {every[n][0]: every[n][1] for n in chosen}
    found = {}
    for alert in alerts:
        target = grids.get(alert.key) if alert.key is not None else None
        if target is not None:
            others = {key: values for key, values in grids.items() if key != alert.key}
            found[alert.fingerprint] = [_moved(one) for one in movers(target, others, units)[:SHOWN]]
    return found


def _moved(one: Mover) -> str:
    went = f"{fmt.value(one.before, one.unit).strip()} → {fmt.value(one.after, one.unit).strip()}"
    return f"moved {one.lead:.0f} s before: {one.key} {went} (r {one.r:+.2f})"
