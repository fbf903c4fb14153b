"""Replicas behind, gone, or holding back the log."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.engines.database.words import seconds, size
from perftui.model.database import ReplicaState, ServerReport
from perftui.model.finding import Effort, Finding, Severity

LAG_S = 1.0
LAG_CRITICAL_S = 30.0
LAG_BYTES = 64 << 20
RETAINED = 1 << 30


def lagging(report: ServerReport) -> Iterator[Finding]:
    """A replica more than a second or 64 MiB behind."""
    for replica in report.reading.replicas:
        behind, lag = replica.replay_bytes or 0, replica.lag_s or 0.0
        if lag < LAG_S and behind < LAG_BYTES:
            continue
        yield Finding(
            id="db.replica-lag",
            severity=Severity.CRITICAL if lag >= LAG_CRITICAL_S else Severity.WARNING,
            source=report.source,
            title=f"replica {replica.name} is {seconds(lag)} behind",
            evidence=(
                f"{size(behind)} not replayed, {lag:.1f} s behind, state {replica.state}",
                _where(replica),
            ),
            gain=lag,
            gain_unit="s of staleness",
            effort=Effort.MINUTES,
            labels=(("replica", replica.name),),
        )
    receiver = report.reading.receiver
    if receiver is not None and receiver.paused:
        yield Finding(
            id="db.replica-paused",
            severity=Severity.WARNING,
            source=report.source,
            title="replay is paused on this standby",
            evidence=(
                f"{size(receiver.behind_bytes or 0)} received and not replayed",
                "pg_wal_replay_resume() ends it",
            ),
            effort=Effort.MINUTES,
        )


def _where(replica: ReplicaState) -> str:
    """Which leg of the way holds the log up."""
    legs = {
        "sending": replica.sent_bytes or 0,
        "writing": (replica.write_bytes or 0) - (replica.sent_bytes or 0),
        "flushing": (replica.flush_bytes or 0) - (replica.write_bytes or 0),
        "replaying": (replica.replay_bytes or 0) - (replica.flush_bytes or 0),
    }
    leg = max(legs, key=lambda name: legs[name])
    return f"most of it waits for {leg} ({size(max(0, legs[leg]))})"


def lost(report: ServerReport) -> Iterator[Finding]:
    """A replica that streamed and no longer does."""
    for name, seen in report.lost_replicas:
        yield Finding(
            id="db.replica-lost",
            severity=Severity.CRITICAL,
            source=report.source,
            title=f"replica {name or '(no name)'} no longer streams",
            evidence=(
                f"last seen {seconds(max(0.0, report.at - seen))} ago",
                f"{len(report.reading.replicas)} still connected",
            ),
            effort=Effort.MINUTES,
            labels=(("replica", name),),
        )


def retaining(report: ServerReport) -> Iterator[Finding]:
    """An inactive slot that keeps a gibibyte of log from being removed."""
    for slot in report.reading.slots:
        if slot.active or (slot.retained_bytes or 0) < RETAINED:
            continue
        yield Finding(
            id="db.slot-retains-wal",
            severity=Severity.CRITICAL,
            source=report.source,
            title=f"inactive slot {slot.name} keeps {size(slot.retained_bytes or 0)} of log",
            evidence=(
                f"{slot.kind} slot, wal status {slot.status or 'unknown'}",
                "the disk fills until it is used or dropped",
            ),
            gain=float(slot.retained_bytes or 0),
            gain_unit="bytes",
            effort=Effort.MINUTES,
            labels=(("slot", slot.name),),
        )
