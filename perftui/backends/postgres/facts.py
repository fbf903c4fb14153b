"""The server's JSON answers as the model's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from perftui.model.database import (
    WAIT_CLASSES,
    Connections,
    LockEdge,
    Receiver,
    ReplicaState,
    Session,
    Slot,
    TableUse,
)

Json = Mapping[str, Any]


def session(item: Json) -> Session:
    """One row of pg_stat_activity."""
    return Session(
        pid=item["pid"],
        started=item["started"] or 0.0,
        user=item["user"] or "",
        database=item["database"] or "",
        app=item["app"] or "",
        client=item["client"] or "",
        kind=item["kind"] or "",
        state=item["state"] or "",
        wait_class=item["wait_class"] or "",
        wait_event=item["wait_event"] or "",
        query_started=item["query_started"],
        query_age=_age(item["query_age"]),
        xact_age=_age(item["xact_age"]),
        state_age=_age(item["state_age"]),
        blocked_by=tuple(dict.fromkeys(item["blocked_by"] or ())),
        query_id=item["query_id"],
        query=item["query"] or "",
        own=bool(item["own"]),
    )


def _age(value: float | None) -> float | None:
    return None if value is None else max(0.0, value)


def connections(states: Sequence[Json], maximum: int) -> Connections:
    """Client sessions counted by state."""
    by_state: dict[str, int] = {}
    for item in states:
        by_state[item["state"]] = by_state.get(item["state"], 0) + item["n"]
    return Connections(
        used=sum(by_state.values()) + 1,  # and ourselves
        maximum=maximum,
        active=by_state.get("active", 0),
        idle=by_state.get("idle", 0),
        idle_in_transaction=sum(n for s, n in by_state.items() if s.startswith("idle in transaction")),
        waiting=sum(item["waiting"] for item in states),
    )


def waits(states: Sequence[Json]) -> tuple[tuple[str, int], ...]:
    """Active sessions by what they wait for, in the order of `WAIT_CLASSES`; rare ones are Other."""
    counts = dict.fromkeys(WAIT_CLASSES, 0)
    for item in states:
        if item["wait"]:
            known = item["wait"] if item["wait"] in counts else "Other"
            counts[known] += item["n"]
    return tuple(counts.items())


def lock(item: Json) -> LockEdge:
    """One row of pg_locks."""
    return LockEdge(
        pid=item["pid"],
        kind=item["kind"] or "",
        mode=(item["mode"] or "").removesuffix("Lock"),
        target=item["target"] or "",
        granted=bool(item["granted"]),
        waited=item["waited"],
    )


def replica(item: Json, lag_s: float | None) -> ReplicaState:
    """One row of pg_stat_replication with its lag in seconds, worked out by the caller."""
    return ReplicaState(
        name=item["name"] or "",
        client=item["client"] or "",
        state=item["state"] or "",
        sync=item["sync"] or "",
        sent_bytes=_bytes(item["sent"]),
        write_bytes=_bytes(item["write"]),
        flush_bytes=_bytes(item["flush"]),
        replay_bytes=_bytes(item["replay"]),
        lag_s=lag_s,
        pid=item["pid"] or 0,
    )


def _bytes(value: float | None) -> int | None:
    return None if value is None else max(0, int(value))


def slot(item: Json) -> Slot:
    """One row of pg_replication_slots."""
    return Slot(item["name"], item["kind"], bool(item["active"]), _bytes(item["retained"]), item["status"])


def receiver(item: Json) -> Receiver:
    """A standby's view of itself."""
    return Receiver(
        status=item["status"],
        sender=item["sender"],
        behind_bytes=_bytes(item["behind"]),
        lag_s=_age(item["lag"]),
        paused=bool(item["paused"]),
    )


def tables(before: Mapping[int, Json], now: Sequence[Json], seconds: float) -> tuple[TableUse, ...]:
    """Table use since `before`, most rows walked first; a table whose counters went back starts at 0."""
    found = [_table(before[item["id"]], item, seconds) for item in now if item["id"] in before]
    return tuple(sorted(found, key=lambda t: t.seq_rows_per_s, reverse=True))


def _table(before: Json, now: Json, seconds: float) -> TableUse:
    live, dead = now["live"] or 0, now["dead"] or 0

    def rate(name: str) -> float:
        return float(max(0, (now[name] or 0) - (before[name] or 0))) / seconds

    return TableUse(
        name=now["name"],
        rows=live,
        size_bytes=now["size"] or 0,
        seq_scans_per_s=rate("seq_scans"),
        seq_rows_per_s=rate("seq_rows"),
        index_scans_per_s=rate("index_scans"),
        dead_ratio=dead / (live + dead) if live + dead else 0.0,
    )
