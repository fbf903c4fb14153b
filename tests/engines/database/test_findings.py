"""Every rule: silent on a healthy server, and with its numbers where it speaks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.engines.database import DatabaseEngine
from perftui.model import codec
from perftui.model.database import (
    Connections,
    DatabaseReading,
    DatabaseReport,
    Limitation,
    LockEdge,
    Receiver,
    ReplicaState,
    Slot,
    TableUse,
    Totals,
    Workload,
)
from perftui.model.finding import Finding, Severity
from perftui.model.health import Health, Link
from perftui.model.reading import Look
from tests.engines.database.readings import HEALTHY, changed, findings, report_of, session, statement


def replica(**more: object) -> ReplicaState:
    given = {"name": "r1", "client": "10.0.0.2", "state": "streaming", "sync": "async", "lag_s": 0.0}
    sizes = {"sent_bytes": 0, "write_bytes": 0, "flush_bytes": 0, "replay_bytes": 0}
    return ReplicaState(**{**given, **sizes, **more})  # type: ignore[arg-type]


def test_a_healthy_server_has_no_findings() -> None:
    assert findings(HEALTHY) == {}


def test_before_the_first_reading_there_is_no_report() -> None:
    engine = DatabaseEngine()
    waiting = Look("postgres", "postgres", None, Health(Link.WAITING, 0.0))
    assert engine.observe(0.0, {"postgres": waiting}, None) is None  # type: ignore[arg-type]
    assert engine.findings(None) == ()
    assert engine.actions(None) == ()


def test_primaries_come_first() -> None:
    standby = changed(server=replace(HEALTHY.server, standby=True))
    report = report_of(standby, HEALTHY)
    assert [server.source for server in report.servers] == ["postgres-2", "postgres"]
    assert report.primary is report.server("postgres-2")


def pile(root_state: str, waiters: int = 6) -> dict[str, object]:
    root = session(1, state=root_state, query="update t set x = 'secret'", query_started=50.0, xact_age=30.0)
    rest = [
        session(n, blocked_by=(1,), wait_class="Lock", query="update t set x = 1")
        for n in range(2, 2 + waiters)
    ]
    locks = [LockEdge(1, "relation", "AccessExclusive", "t", True)]
    locks += [LockEdge(s.pid, "relation", "RowExclusive", "t", False, waited=float(s.pid)) for s in rest]
    return {"sessions": (root, *rest), "locks": tuple(locks)}


def test_a_pile_up_names_its_root_and_offers_to_end_it() -> None:
    found = findings(changed(**pile("idle in transaction")))["db.lock-storm"]
    assert found.severity is Severity.CRITICAL
    assert "6 sessions waiting behind pid 1" in found.title
    text = "\n".join(found.evidence)
    assert "longest wait 7 s" in text
    assert "holds AccessExclusive on t" in text
    assert "secret" not in text
    assert found.offer is not None
    assert found.offer.action == "db.terminate"
    assert dict(found.offer.params) == {"pid": 1, "started": 101.0}


def test_a_running_root_is_cancelled_rather_than_terminated() -> None:
    found = findings(changed(**pile("active")))["db.lock-storm"]
    assert found.offer is not None
    assert found.offer.action == "db.cancel"
    assert dict(found.offer.params)["query_started"] == 50.0


def test_a_short_wait_of_one_is_no_finding() -> None:
    assert "db.lock-storm" not in findings(changed(**pile("active", waiters=1)))


def test_idle_in_transaction_and_long_transactions() -> None:
    idle = session(5, state="idle in transaction", state_age=400.0, xact_age=500.0, query="select 1")
    long = session(6, xact_age=7300.0, query="select 2")
    own = session(7, state="idle in transaction", state_age=400.0, own=True)
    found = findings(changed(sessions=(idle, long, own)))
    assert found["db.idle-in-transaction"].title == "pid 5 idle in a transaction for 7 min"
    assert found["db.long-transaction"].labels == (("pid", "6"),)


def test_slow_statements_and_the_table_they_walk() -> None:
    slow = statement("select * from public.orders where customer = $1", 0.25, query_id=42)
    work = Workload(60.0, 10.0, 0.2, 0.4, 0.5, (slow, statement("begin", 5.0, query_id=43)))
    table = TableUse("public.orders", 200_000, 1 << 24, 2.0, 400_000.0, 0.0, 0.0)
    found = findings(changed(workload=work, tables=(table,)))
    assert found["db.slow-statement"].labels == (("query_id", "42"),)
    assert found["db.slow-statement"].gain == pytest.approx(0.46)
    assert found["db.slow-statement"].severity is Severity.CRITICAL
    begun = findings(changed(workload=replace(work, seconds=11.8)))["db.slow-statement"]
    assert begun.severity is Severity.WARNING
    index = found["db.missing-index"]
    assert "2 sequential scans/s of 200,000 rows each" in index.evidence
    assert any("where customer = $1" in line for line in index.evidence)


def test_small_or_rare_scans_are_fine() -> None:
    tiny = TableUse("public.tiny", 50, 8192, 1000.0, 50_000.0, 0.0, 0.0)
    rare = TableUse("public.big", 10_000_000, 1 << 30, 0.001, 10_000.0, 0.0, 0.0)
    report = TableUse("public.reviews", 120_000, 1 << 24, 0.5, 60_000.0, 4.0, 0.0)  # each needs all rows
    assert findings(changed(tables=(tiny, rare, report))) == {}
    huge = TableUse("public.big", 10_000_000, 1 << 30, 0.1, 1_000_000.0, 0.0, 0.0)
    assert "db.missing-index" in findings(changed(tables=(huge,)))


@pytest.mark.parametrize(("used", "severity"), [(30, None), (46, Severity.WARNING), (55, Severity.CRITICAL)])
def test_connections(used: int, severity: Severity | None) -> None:
    hoard = tuple(session(n, state="idle", app="leaky") for n in range(10, 20))
    found = findings(changed(connections=Connections(used, 60, 1, used - 1), sessions=hoard))
    if severity is None:
        assert found == {}
        return
    assert found["db.connections-high"].severity is severity
    assert "10 of the idle ones are leaky as shop" in found["db.connections-high"].evidence


def test_hit_ratio_only_while_it_works() -> None:
    engine = DatabaseEngine()
    cold, asleep = (changed(totals=Totals(tps=tps, hit_ratio=0.5)) for tps in (100.0, 0.1))

    def after(reading: DatabaseReading, at: float) -> list[str]:
        return [finding.id for finding in engine.findings(report_of(reading, engine=engine, at=at))]

    assert after(cold, 0.0) == []
    assert after(cold, 61.0) == ["db.hit-ratio-low"]
    assert after(asleep, 62.0) == []
    assert after(HEALTHY, 63.0) == []
    assert after(cold, 64.0) == []


def test_replicas_behind_lost_paused_and_slots() -> None:
    behind = replica(lag_s=40.0, flush_bytes=0, replay_bytes=100 << 20)
    slot = Slot("old", "physical", False, 2 << 30, "extended")
    found = findings(changed(replicas=(behind,), slots=(slot,)))
    assert found["db.replica-lag"].severity is Severity.CRITICAL
    assert "most of it waits for replaying (100 MiB)" in found["db.replica-lag"].evidence
    assert found["db.slot-retains-wal"].gain == 2 << 30
    standby = changed(
        server=replace(HEALTHY.server, standby=True),
        receiver=Receiver("streaming", "p:5432", 4096, 3.0, True),
    )
    assert "db.replica-paused" in findings(standby)


def test_a_replica_that_vanishes_is_missed_until_it_is_back() -> None:
    engine = DatabaseEngine()
    with_it = changed(replicas=(replica(),))
    assert engine.findings(report_of(with_it, engine=engine, at=100.0)) == ()
    (lost,) = engine.findings(report_of(HEALTHY, engine=engine, at=130.0))
    assert lost.id == "db.replica-lost"
    assert "last seen 30 s ago" in lost.evidence
    assert engine.findings(report_of(with_it, engine=engine, at=140.0)) == ()


def test_what_cannot_be_seen_is_said_with_its_remedy() -> None:
    limit = Limitation("statement statistics are missing", "CREATE EXTENSION pg_stat_statements;")
    assert findings(changed(limits=(limit,)))["db.blind-spot"].evidence == (limit.remedy,)


def test_findings_come_worst_first() -> None:
    engine = DatabaseEngine()
    report = report_of(changed(**pile("active"), limits=(Limitation("x", "y"),)), engine=engine)
    severities = [finding.severity for finding in engine.findings(report)]
    assert severities == sorted(severities, reverse=True)
    assert [offer.action for offer in engine.actions(report)] == ["db.cancel"]


def test_a_report_survives_the_store() -> None:
    work = Workload(60.0, 10.0, None, None, 0.5, (statement("select 1", 0.1),))
    report = report_of(changed(**pile("active"), workload=work, replicas=(replica(),)), HEALTHY)
    assert codec.from_jsonable(DatabaseReport, codec.to_jsonable(report)) == report


def test_one_row_lookups_that_drown_the_rest_are_told() -> None:
    loop = replace(statement("SELECT name FROM products WHERE id = $1", 0.0001), calls_per_s=60.0, query_id=9)
    other = replace(statement("SELECT id FROM orders WHERE customer_id = $1", 0.001), calls_per_s=6.0)
    begin = replace(statement("BEGIN", 0.00001), calls_per_s=50.0, query_id=8)
    reset = replace(statement("SELECT pg_advisory_unlock_all()", 0.00001), calls_per_s=90.0, query_id=10)
    work = Workload(60.0, 220.0, 0.001, 0.004, 0.1, (other, begin, loop, reset))
    found = findings(changed(workload=work))["db.n-plus-one"]
    assert "60 calls/s" in found.title
    assert "SELECT name FROM products" in found.title
    assert "91% of what is asked" in found.evidence[0]
    rows = replace(work, statements=(other, replace(loop, rows_per_call=40.0)))
    assert "db.n-plus-one" not in findings(changed(workload=rows))
    even = replace(work, statements=(replace(other, calls_per_s=40.0), loop))
    assert "db.n-plus-one" not in findings(changed(workload=even))


def test_connections_left_in_a_transaction_are_a_leak_when_there_are_several() -> None:
    def held(count: int, age: float) -> dict[str, Finding]:
        idle = {"state": "idle in transaction", "state_age": age, "query": "SELECT stock FROM products"}
        return findings(changed(sessions=tuple(session(n, **idle) for n in range(1, count + 1))))

    found = held(6, 12.0)["db.connections-leaking"]
    assert found.title == "6 connections of shop from orders sit idle in a transaction"
    assert "db.connections-leaking" not in held(4, 12.0)
    assert "db.connections-leaking" not in held(6, 2.0)
