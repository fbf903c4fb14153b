"""What is wrong with a server as a whole: room for connections, its cache, our own rights."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.engines.database.words import seconds
from perftui.model.database import ServerReport
from perftui.model.finding import Effort, Finding, Severity

FULL = 0.9
FILLING = 0.75
COLD_S = 60.0
BUSY_TPS = 5.0


def connections(report: ServerReport) -> Iterator[Finding]:
    """Three quarters of max_connections in use, or more."""
    used = report.reading.connections
    room = max(1, used.maximum - report.reading.server.reserved)
    share = used.used / room
    if share < FILLING:
        return
    yield Finding(
        id="db.connections-high",
        severity=Severity.CRITICAL if share >= FULL else Severity.WARNING,
        source=report.source,
        title=f"{used.used} of {room} connections in use",
        evidence=(
            f"max_connections {used.maximum}, {report.reading.server.reserved} of them reserved",
            f"{used.active} active, {used.idle} idle, {used.idle_in_transaction} idle in a transaction",
            *_hoarder(report),
        ),
        effort=Effort.MINUTES,
    )


def _hoarder(report: ServerReport) -> tuple[str, ...]:
    """Who holds the most idle ones, among the sessions seen."""
    idle: dict[tuple[str, str], int] = {}
    for session in report.reading.sessions:
        if session.kind == "client backend" and not session.active and not session.own:
            idle[session.app or "(no name)", session.user] = (
                idle.get((session.app or "(no name)", session.user), 0) + 1
            )
    if not idle:
        return ()
    (app, user), n = max(idle.items(), key=lambda pair: pair[1])
    return (f"{n} of the idle ones are {app} as {user}",)


def hit_ratio(report: ServerReport) -> Iterator[Finding]:
    """Under 90 % of block reads served from shared buffers for a minute while the server works."""
    totals = report.reading.totals
    if report.cold_for < COLD_S or totals.hit_ratio is None or (totals.tps or 0.0) < BUSY_TPS:
        return
    yield Finding(
        id="db.hit-ratio-low",
        severity=Severity.WARNING,
        source=report.source,
        title=f"{totals.hit_ratio:.0%} of block reads served from shared buffers",
        evidence=(
            f"{totals.hit_ratio:.1%} since the last look, low for {seconds(report.cold_for)}",
            f"{totals.tps:.0f} transactions/s",
        ),
        effort=Effort.HOURS,
    )


def limits(report: ServerReport) -> Iterator[Finding]:
    """What this login or server cannot show, with the line that changes it."""
    for limit in report.reading.limits:
        yield Finding(
            id="db.blind-spot",
            severity=Severity.INFO,
            source=report.source,
            title=limit.what,
            evidence=(limit.remedy,),
            effort=Effort.MINUTES,
        )
