"""Every conclusion about a database server, each from one small rule with its evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from perftui.engines.database import locks, replicas, server, statements
from perftui.model.database import DatabaseReport, ServerReport
from perftui.model.finding import Finding

RULES: tuple[Callable[[ServerReport], Iterator[Finding]], ...] = (
    locks.pile_up,
    locks.idle_in_transaction,
    locks.leaking,
    locks.long_transaction,
    statements.slow,
    statements.missing_index,
    statements.chatty,
    replicas.lagging,
    replicas.lost,
    replicas.retaining,
    server.connections,
    server.hit_ratio,
    server.limits,
)


def conclude(report: DatabaseReport) -> tuple[Finding, ...]:
    """All findings of all servers, worst first."""
    found = [finding for one in report.servers for rule in RULES for finding in rule(one)]
    return tuple(sorted(found, key=lambda f: (-f.severity, -f.gain)))
