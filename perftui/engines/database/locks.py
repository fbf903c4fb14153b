"""Sessions that keep others waiting: pile-ups with their root, and transactions left open."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.engines.database.words import seconds, statement, who
from perftui.model.database import LockEdge, ServerReport, Session, WaitNode
from perftui.model.finding import Effort, Finding, Offer, Severity

WAITED = 5.0
PILE = 5
IDLE_IN_XACT = 300.0
LEAKED, LEAK_AGE = 5, 10.0
LONG_XACT = 3600.0


def pile_up(report: ServerReport) -> Iterator[Finding]:
    """A root blocker with five or more behind it, or one that made somebody wait five seconds."""
    for at, node in enumerate(report.waiting):
        if node.depth:
            continue
        waited = _longest(report, _behind(report.waiting, at))
        if node.blocks < PILE and waited < WAITED:
            continue
        root = report.session(node.pid)
        yield Finding(
            id="db.lock-storm",
            severity=Severity.CRITICAL if node.blocks >= PILE else Severity.WARNING,
            source=report.source,
            title=f"{node.blocks} session{'s' if node.blocks > 1 else ''} waiting behind pid {node.pid}",
            evidence=_evidence(report, root, node, waited),
            gain=float(node.blocks),
            gain_unit="sessions freed",
            effort=Effort.KEY,
            offer=_offer(report.source, root),
            labels=(("pid", str(node.pid)),),
        )


def _behind(forest: tuple[WaitNode, ...], at: int) -> set[int]:
    return {node.pid for node in forest[at + 1 : at + 1 + forest[at].blocks]}


def _longest(report: ServerReport, pids: set[int]) -> float:
    waits = (lock.waited or 0.0 for lock in report.reading.locks if lock.pid in pids and not lock.granted)
    return max(waits, default=0.0)


def _evidence(report: ServerReport, root: Session | None, node: WaitNode, waited: float) -> tuple[str, ...]:
    lines = [f"longest wait {seconds(waited)}, {node.blocks} blocked"]
    if root is not None:
        age = f", transaction open {seconds(root.xact_age)}" if root.xact_age is not None else ""
        lines.append(f"{who(root)} is {root.state or 'not visible'}{age}")
        lines.append(f"{'last' if root.idle_in_transaction else 'runs'}: {statement(root.query)}")
    held = [lock for lock in report.reading.locks if lock.pid == node.pid and lock.granted]
    if held:
        lines.append("holds " + ", ".join(_lock(lock) for lock in held[:4]))
    if node.cycle:
        lines.append("the wait is a circle: the server ends it after deadlock_timeout")
    return tuple(lines)


def _lock(lock: LockEdge) -> str:
    return f"{lock.mode} on {lock.target}"


def _offer(source: str, root: Session | None) -> Offer | None:
    """Cancel what runs; a session that only sits there has nothing to cancel and must be ended."""
    if root is None or root.kind != "client backend":
        return None
    params = (("pid", root.pid), ("started", root.started))
    if root.active and root.query_started is not None:
        given = (*params, ("query_started", root.query_started))
        return Offer("db.cancel", source, f"Cancel the statement of pid {root.pid}", given)
    return Offer("db.terminate", source, f"Terminate session {root.pid}", params)


def idle_in_transaction(report: ServerReport) -> Iterator[Finding]:
    """A transaction open and idle for five minutes."""
    for session in report.reading.sessions:
        idle = session.state_age or 0.0
        if not session.idle_in_transaction or idle < IDLE_IN_XACT or session.own:
            continue
        yield Finding(
            id="db.idle-in-transaction",
            severity=Severity.WARNING,
            source=report.source,
            title=f"pid {session.pid} idle in a transaction for {seconds(idle)}",
            evidence=(
                f"{who(session)}, transaction open {seconds(session.xact_age or idle)}",
                f"last: {statement(session.query)}",
            ),
            effort=Effort.KEY,
            offer=_offer(report.source, session),
            labels=(("pid", str(session.pid)),),
        )


def leaking(report: ServerReport) -> Iterator[Finding]:
    """Several sessions of one application that forgot their transactions."""
    held: dict[tuple[str, str], list[Session]] = {}
    for session in report.reading.sessions:
        if session.idle_in_transaction and (session.state_age or 0.0) >= LEAK_AGE and not session.own:
            held.setdefault((session.app, session.user), []).append(session)
    for (app, user), sessions in held.items():
        if len(sessions) < LEAKED:
            continue
        oldest = max(sessions, key=lambda s: s.state_age or 0.0)
        used = report.reading.connections
        yield Finding(
            id="db.connections-leaking",
            severity=Severity.WARNING,
            source=report.source,
            title=f"{len(sessions)} connections of {user} from {app or '?'} sit idle in a transaction",
            evidence=(
                f"the oldest, {who(oldest)}, for {seconds(oldest.state_age or 0.0)}",
                f"last: {statement(oldest.query)}",
                f"{used.used} of {used.maximum} connections in use",
            ),
            effort=Effort.HOURS,
        )


def long_transaction(report: ServerReport) -> Iterator[Finding]:
    """A transaction older than an hour that keeps vacuum from cleaning up behind it."""
    for session in report.reading.sessions:
        age = session.xact_age or 0.0
        if age < LONG_XACT or session.own or session.idle_in_transaction or session.kind != "client backend":
            continue
        yield Finding(
            id="db.long-transaction",
            severity=Severity.WARNING,
            source=report.source,
            title=f"pid {session.pid} in one transaction for {seconds(age)}",
            evidence=(f"{who(session)} is {session.state}", f"runs: {statement(session.query)}"),
            effort=Effort.KEY,
            offer=_offer(report.source, session),
            labels=(("pid", str(session.pid)),),
        )
