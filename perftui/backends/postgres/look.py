"""One look at a server: which questions are due, and what their answers mean beside the last ones."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from perftui.backends.postgres import facts, questions
from perftui.backends.postgres.counters import LagDiary, Rates
from perftui.backends.postgres.link import Link
from perftui.backends.postgres.probe import Abilities
from perftui.backends.postgres.statements import StatementBook, Windows, workload
from perftui.backends.postgres.trouble import told
from perftui.model.database import DatabaseReading, ReplicaState, Server, TableUse, Totals, Workload
from perftui.model.reading import Measure, apart
from perftui.model.series import SeriesKey

_ALWAYS = ("totals", "states", "activity", "locks", "replication", "slots")
_TABLES_EVERY = 6.0
_REST = 0.005  # seconds of rest an entry of pg_stat_statements: reading one costs the server about 2 µs
_LONGEST_REST = 10.0
_TEXT = 4000


class Memory:
    """What must be remembered of one server between two looks."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.rates = Rates()
        self.diary = LagDiary()
        self.book = StatementBook(limit)
        self.started = 0.0
        self.standby = False
        self.resets: float | None = None
        self.names: dict[tuple[str, int], str] = {}
        self.workload: Workload | None = None
        self.windows: Windows | None = None
        self.statements_due = 0.0
        self.rest = 0.0
        self.tables_at = 0.0
        self.tables_due = 0.0
        self.tables_raw: dict[int, Mapping[str, Any]] = {}
        self.tables: tuple[TableUse, ...] = ()

    def restart(self, started: float) -> None:
        """Another server process: none of its counters continue ours."""
        if started == self.started:
            return
        self.started = started
        self.rates.forget()
        self.book.forget()
        self.tables_raw = {}

    def due(self, abilities: Abilities, now: float) -> list[str]:
        """The questions of the next round trip; `now` is monotonic seconds."""
        asked = list(_ALWAYS)
        if self.standby:
            asked.append("receiver")
        if abilities.statements_schema and now >= self.statements_due:
            asked.append("resets")
        if now >= self.tables_due:
            asked += ["tables", "names"]
        return asked


async def read_look(
    link: Link, abilities: Abilities, memory: Memory, source: str
) -> tuple[DatabaseReading, tuple[Measure, ...], float]:
    """Ask what is due in one round trip, and statements, when due, in one more: as plain rows they
    cost the server a third of what they would as JSON. The last is by how much its clock is ahead.
    """
    began, at = time.monotonic(), time.time()
    asked = memory.due(abilities, began)
    inline = {"schema": abilities.statements_schema}
    row = await link.row(questions.batch(asked, abilities.version, inline))
    took = time.monotonic() - began
    with told(link.where):
        answers = {name: json.loads(row[name] or "[]") for name in asked}
        totals = answers["totals"][0]
        memory.restart(totals["started"])
        memory.standby = totals["standby"]
        _tables(memory, answers, totals["now"], began)
    if "resets" in answers:
        _resets(memory, answers["resets"])
        ahead = totals["now"] - time.monotonic()
        await _statements(link, abilities, memory, ahead)
        memory.statements_due = began + (memory.rest if memory.workload is not None else 0.0)
    with told(link.where):
        reading = _reading(abilities, memory, answers)
    return reading, tuple(_samples(source, reading, memory)), apart(float(totals["now"]), at, took)


def _tables(memory: Memory, answers: Mapping[str, Any], now: float, clock: float) -> None:
    if "tables" not in answers:
        return
    memory.names = {(item["kind"], item["id"]): item["name"] for item in answers["names"]}
    if memory.tables_raw and now > memory.tables_at:
        memory.tables = facts.tables(memory.tables_raw, answers["tables"], now - memory.tables_at)
    memory.tables_raw = {item["id"]: item for item in answers["tables"]}
    memory.tables_at, memory.tables_due = now, clock + _TABLES_EVERY


def _resets(memory: Memory, answer: Sequence[Mapping[str, Any]]) -> None:
    """Start over when the statistics were reset."""
    reset = answer[0]["reset"] if answer else None
    if reset != memory.resets:
        memory.book.forget()
        memory.resets = reset


async def _statements(link: Link, abilities: Abilities, memory: Memory, ahead: float) -> None:
    """Count what ran since the last time; `ahead` turns our clock into the server's."""
    inline = {"schema": abilities.statements_schema, "limit": str(memory.limit)}
    rows = await link.rows(questions.single("statements", abilities.version, (), inline))
    memory.rest = min(_LONGEST_REST, len(rows) * _REST)
    memory.windows = memory.book.look(time.monotonic() + ahead, rows)
    unknown = memory.book.unknown([*memory.windows.minute, *memory.windows.latest])
    await _texts(link, abilities, memory, unknown)
    _work(memory)


async def _texts(link: Link, abilities: Abilities, memory: Memory, unknown: list[int]) -> None:
    if not unknown:
        return
    inline = {"schema": abilities.statements_schema, "length": str(_TEXT)}
    sql = questions.single("texts", abilities.version, ("ids",), inline)
    rows = await link.rows(sql, unknown)
    texts = {row["id"]: row["text"] for row in rows}
    memory.book.learn(unknown, texts, questions.ours)


def _work(memory: Memory) -> None:
    """Leave our own questions out, then say what the rest did."""
    if memory.windows is None:
        return
    seconds, minute, since, latest = memory.windows
    own = memory.book.own
    minute = [d for d in minute if d.row.query_id not in own]
    latest = [d for d in latest if d.row.query_id not in own]
    memory.windows = Windows(seconds, minute, since, latest)
    if seconds > 0:
        memory.workload = workload(seconds, minute, memory.book.texts, memory.names)


def _reading(abilities: Abilities, memory: Memory, answers: Mapping[str, Any]) -> DatabaseReading:
    totals = answers["totals"][0]
    now = totals["now"]
    _count(memory, totals)
    states = answers["states"]
    sessions = tuple(facts.session(item) for item in answers["activity"])
    listed = sum(item["n"] for item in states)
    return DatabaseReading(
        server=_server(abilities, totals),
        totals=_totals(memory.rates),
        connections=facts.connections(states, totals["max_connections"]),
        sessions=sessions,
        sessions_cut=max(0, listed + 1 - len(sessions)) if len(sessions) >= 500 else 0,
        waits=facts.waits(states),
        locks=tuple(facts.lock(item) for item in answers["locks"]),
        replicas=tuple(_replica(memory, item, now) for item in answers["replication"]),
        slots=tuple(facts.slot(item) for item in answers["slots"]),
        receiver=facts.receiver(answers["receiver"][0]) if answers.get("receiver") else None,
        workload=memory.workload,
        tables=memory.tables,
        limits=abilities.limits,
    )


def _count(memory: Memory, totals: Mapping[str, Any]) -> None:
    names = ("commits", "rollbacks", "hits", "reads", "temp", "deadlocks", "rows", "wal")
    memory.rates.look(totals["now"], {name: totals[name] for name in names})
    if totals["wal"] is not None:
        memory.diary.note(totals["now"], totals["wal"])


def _server(abilities: Abilities, totals: Mapping[str, Any]) -> Server:
    return Server(
        version=abilities.version,
        database=abilities.database,
        user=abilities.user,
        standby=totals["standby"],
        started=totals["started"],
        max_connections=totals["max_connections"],
        reserved=totals["reserved"],
        cluster_name=abilities.cluster,
    )


def _totals(rates: Rates) -> Totals:
    commits, rollbacks = rates.per_second("commits"), rates.per_second("rollbacks")
    return Totals(
        tps=None if commits is None or rollbacks is None else commits + rollbacks,
        rollbacks_per_s=rollbacks,
        hit_ratio=rates.ratio("hits", "reads"),
        temp_bytes_per_s=rates.per_second("temp"),
        wal_bytes_per_s=rates.per_second("wal"),
        deadlocks_per_s=rates.per_second("deadlocks"),
        rows_per_s=rates.per_second("rows"),
    )


def _replica(memory: Memory, item: Mapping[str, Any], now: float) -> ReplicaState:
    position, told_lag = item["position"], item["lag"]
    lag = told_lag if position is None else memory.diary.behind(now, position, told_lag)
    return facts.replica(item, lag)


def _samples(source: str, reading: DatabaseReading, memory: Memory) -> Iterator[Measure]:
    def measure(name: str, value: float | None, unit: str, **labels: str) -> Iterator[Measure]:
        if value is not None:
            yield Measure(SeriesKey(source, name, tuple(sorted(labels.items()))), value, unit)

    totals = reading.totals
    yield from measure("tps", totals.tps, "1/s")
    yield from measure("hit_ratio", totals.hit_ratio, "ratio")
    yield from measure("temp_bytes_per_s", totals.temp_bytes_per_s, "bytes/s")
    yield from measure("wal_bytes_per_s", totals.wal_bytes_per_s, "bytes/s")
    yield from measure("connections", reading.connections.used, "1")
    yield from measure("max_connections", reading.server.max_connections, "1")
    yield from measure("blocked", reading.connections.waiting, "1")
    for wait, n in reading.waits:
        yield from measure("active_sessions", n, "1", wait=wait)
    for replica in reading.replicas:
        yield from measure("lag_bytes", replica.replay_bytes, "bytes", replica=replica.name)
        yield from measure("lag_s", replica.lag_s, "s", replica=replica.name)
    if reading.receiver is not None:
        yield from measure("replay_lag_s", reading.receiver.lag_s, "s")
    if memory.windows is not None and memory.windows.since > 0:
        yield from _work_samples(measure, memory)


def _work_samples(
    measure: Callable[[str, float | None, str], Iterator[Measure]], memory: Memory
) -> Iterator[Measure]:
    assert memory.windows is not None
    calls = sum(d.part.n for d in memory.windows.latest)
    busy = sum(d.total_s for d in memory.windows.latest)
    yield from measure("calls_per_s", calls / memory.windows.since, "1/s")
    yield from measure("busy", busy / memory.windows.since, "1")
    yield from measure("mean_s", busy / calls if calls else None, "s")
    if memory.workload is not None:
        yield from measure("p95_estimate_s", memory.workload.p95_s, "s")
    memory.windows = None  # told once
