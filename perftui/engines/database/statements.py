"""Statements that cost more than they should, and the tables they walk through."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator

from perftui.analysis.sqlshape import fingerprint
from perftui.engines.database.words import seconds, size, statement
from perftui.model.database import ServerReport, Statement, TableUse, Workload
from perftui.model.finding import Effort, Finding, Severity

SLOW_S = 0.1
TARGET_S = 0.02
HEAVY = 0.25
BUSY = 0.02
HOG = 0.25  # cores one statement may keep busy before it is critical,
HOG_OVER = 30.0  # seconds for which it must have been watched: a few calls at a start are no state
CHATTY_RATE, CHATTY_SHARE, CHATTY_LEAD = 20.0, 0.35, 2.0
SCAN_ROWS = 10_000
SCAN_RATE = 50_000.0
SCAN_OFTEN = 1.0  # scans a second; what is read whole less often is a report's, which no index spares,
SCAN_HEAVY = 500_000.0  # unless it is so many rows a second
_CONTROL = re.compile(
    r"(begin|commit|end|rollback|start transaction|listen|vacuum|analyze|copy|fetch|wait)\b"
)
_ASKS = re.compile(r"\s*(select\b.*\bfrom|insert|update|delete|with|merge)\b", re.IGNORECASE | re.DOTALL)


def slow(report: ServerReport) -> Iterator[Finding]:
    """A statement above 100 ms a call, or above the 20 ms target and a quarter of all time."""
    work = report.reading.workload
    for item in work.statements[:20] if work else ():
        late = item.mean_s >= SLOW_S or (item.mean_s >= TARGET_S and item.share >= HEAVY)
        if not late or item.busy < BUSY or _CONTROL.match(fingerprint(item.text).text):
            continue
        assert work is not None
        hog = item.busy >= HOG and work.seconds >= HOG_OVER
        yield Finding(
            id="db.slow-statement",
            severity=Severity.CRITICAL if hog else Severity.WARNING,
            source=report.source,
            title=f"{seconds(item.mean_s)} a call: {statement(item.text, 60)}",
            evidence=_evidence(item, work),
            gain=max(0.0, item.busy * (1 - TARGET_S / item.mean_s)),
            gain_unit="s/s",
            effort=Effort.HOURS,
            labels=(("query_id", str(item.query_id)),),
        )


def _evidence(item: Statement, work: Workload) -> tuple[str, ...]:
    lines = [
        f"{item.calls} call{'' if item.calls == 1 else 's'} in {seconds(work.seconds)}",
        f"mean {seconds(item.mean_s)} ± {seconds(item.stddev_s)} a call",
        f"{item.share:.0%} of all execution time, {item.busy:.2f} s of it a second",
        f"{item.rows_per_call:.3g} rows a call",
    ]
    if item.temp_bytes_per_s:
        lines.append(f"{size(item.temp_bytes_per_s)}/s of temporary files")
    if item.text:
        lines.append(statement(item.text, 200))
    return tuple(lines)


def chatty(report: ServerReport) -> Iterator[Finding]:
    """A SELECT of single rows that is 35 % of what is asked, and asked twice as often as anything else."""
    work = report.reading.workload
    asked = [s for s in (work.statements if work else ()) if _ASKS.match(s.text)]
    often = heapq.nlargest(2, asked, key=lambda s: s.calls_per_s)
    if not often or not often[0].text.lstrip().lower().startswith("select"):
        return
    item, second = often[0], often[1].calls_per_s if len(often) > 1 else 0.0
    total = sum(s.calls_per_s for s in asked)
    share = item.calls_per_s / total if total else 0.0
    alone = item.calls_per_s >= CHATTY_LEAD * second and item.rows_per_call <= 1.5
    if item.calls_per_s < CHATTY_RATE or share < CHATTY_SHARE or not alone:
        return
    yield Finding(
        id="db.n-plus-one",
        severity=Severity.WARNING,
        source=report.source,
        title=f"{item.calls_per_s:.0f} calls/s a row at a time: {statement(item.text, 60)}",
        evidence=(
            f"{share:.0%} of what is asked is this one, {item.rows_per_call:.2g} rows a call",
            f"the next most frequent statement is called {second:.1f} times/s",
            "a loop, or a cache that misses, asks for what one join, or = ANY(...), would bring at once",
        ),
        gain=item.calls_per_s,
        gain_unit="1/s",
        effort=Effort.HOURS,
        labels=(("query_id", str(item.query_id)),),
    )


def missing_index(report: ServerReport) -> Iterator[Finding]:
    """A table walked row by row at 10,000 rows a scan and 50,000 rows a second, again and again."""
    for table in report.reading.tables:
        if table.rows_per_scan < SCAN_ROWS or table.seq_rows_per_s < SCAN_RATE:
            continue
        if table.seq_scans_per_s < SCAN_OFTEN and table.seq_rows_per_s < SCAN_HEAVY:
            continue
        suspect = _suspect(report, table)
        evidence = [
            f"{table.seq_scans_per_s:.3g} sequential scans/s of {table.rows_per_scan:,.0f} rows each",
            f"about {table.rows:,} rows, {size(table.size_bytes)}",
            f"{table.index_scans_per_s:.3g} index scans/s",
        ]
        if suspect is not None:
            what = f"{seconds(suspect.mean_s)} a call, {suspect.share:.0%} of time"
            evidence.append(f"{what}: {statement(suspect.text, 160)}")
        yield Finding(
            id="db.missing-index",
            severity=Severity.WARNING,
            source=report.source,
            title=f"{table.name} is read whole, {table.seq_rows_per_s:,.0f} rows/s",
            evidence=tuple(evidence),
            gain=suspect.busy if suspect is not None else 0.0,
            gain_unit="s/s" if suspect is not None else "",
            effort=Effort.MINUTES,
            labels=(("table", table.name),),
        )


def _suspect(report: ServerReport, table: TableUse) -> Statement | None:
    """The heaviest statement whose text names the table and that reads much."""
    work = report.reading.workload
    name = re.compile(rf"\b{re.escape(table.name.rpartition('.')[2])}\b", re.IGNORECASE)
    naming = (item for item in (work.statements if work else ()) if name.search(item.text))
    return next(naming, None)
