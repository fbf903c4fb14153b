"""Connection pools of an application by the names that common libraries give them.

Sources of names: HikariCP and JDBC by Micrometer, OpenTelemetry's semantic conventions of database clients
(both generations), Go's collector of `database/sql`, pgxpool's collector, Prisma's metrics, and our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from perftui.analysis.promtext import Rows, Samples
from perftui.model.endpoint import Pool

MOST = 16  # pools of one application
SPENT = ("used", "busy", "active", "in_use")


@dataclass(frozen=True, slots=True)
class Names:
    """What one library calls it: metrics of `used`, `idle`, `limit` and `waiting`, the label of the pool.

    With `state`, `used` and `idle` are rows of one metric told apart by that label. `waits` are a counter
    of seconds waited and one of waits. What tells `over` tells of the same pools, and more of them.
    """

    used: str
    idle: str = ""
    limit: str = ""
    waiting: str = ""
    pool: tuple[str, ...] = ()
    state: str = ""
    waits: tuple[str, str] = ("", "")
    over: str = ""


KNOWN = (
    Names("db_pool_connections", waiting="db_pool_waiting", pool=("pool",), state="state"),
    Names(
        "hikaricp_connections_active",
        "hikaricp_connections_idle",
        "hikaricp_connections_max",
        "hikaricp_connections_pending",
        ("pool",),
        waits=("hikaricp_connections_acquire_seconds_sum", "hikaricp_connections_acquire_seconds_count"),
    ),
    Names(
        "jdbc_connections_active",
        "jdbc_connections_idle",
        "jdbc_connections_max",
        pool=("name",),
        over="hikaricp_connections_active",  # Spring tells of each pool both ways, by two names
    ),
    Names(
        "db_client_connection_count",
        limit="db_client_connection_max",
        waiting="db_client_connection_pending_requests",
        pool=("db_client_connection_pool_name",),
        state="db_client_connection_state",
    ),
    Names(
        "db_client_connections_usage",
        limit="db_client_connections_max",
        waiting="db_client_connections_pending_requests",
        pool=("pool_name", "db_client_connections_pool_name"),
        state="state",
    ),
    Names(
        "go_sql_in_use_connections",
        "go_sql_idle_connections",
        "go_sql_max_open_connections",
        pool=("db_name",),
        waits=("go_sql_wait_duration_seconds_total", "go_sql_wait_count_total"),
    ),
    Names("pgxpool_acquired_conns", "pgxpool_idle_conns", "pgxpool_max_conns", pool=("db_name", "name")),
    Names(
        "prisma_pool_connections_busy", "prisma_pool_connections_idle", waiting="prisma_client_queries_wait"
    ),
)


class Pools:
    """Pools of one target, with the mean wait since the scrape before."""

    def __init__(self) -> None:
        self._waits: dict[str, tuple[float, float]] = {}

    def of(self, samples: Samples) -> tuple[Pool, ...]:
        """Those that some library tells of, each once, as the first that is known tells it."""
        found: dict[str, Pool] = {}
        for names in KNOWN:
            if names.used in samples and not (names.over and names.over in samples):
                for pool in self._pools(names, samples):
                    found.setdefault(pool.name, pool)
        return tuple(found.values())[:MOST]

    def _pools(self, names: Names, samples: Samples) -> Iterator[Pool]:
        used = _by_pool(samples, names.used, names, SPENT)
        idle = _by_pool(samples, names.idle or (names.used if names.state else ""), names, ("idle",))
        limit, waiting = (_by_pool(samples, name, names) for name in (names.limit, names.waiting))
        seconds, counts = (_by_pool(samples, name, names) for name in names.waits)
        for pool, busy in used.items():
            free = idle.get(pool, 0.0)
            most = limit.get(pool) or (busy + free if not names.limit else 0.0)
            wait = self._wait(pool, seconds.get(pool), counts.get(pool))
            yield Pool(pool, int(busy), int(free), int(most), _whole(waiting.get(pool)), wait)

    def _wait(self, pool: str, seconds: float | None, count: float | None) -> float | None:
        """Mean seconds of the waits since the look before; None where there were none, or none is told."""
        if seconds is None or count is None:
            return None
        before = self._waits.get(pool)
        self._waits[pool] = (seconds, count)
        if before is None or count <= before[1] or seconds < before[0]:
            return None
        return (seconds - before[0]) / (count - before[1])


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _by_pool(samples: Samples, name: str, names: Names, states: tuple[str, ...] = ()) -> dict[str, float]:
    """Values by pool, those of several processes added up; with `states` only rows in one of them."""
    rows: Rows = samples[name] if name and name in samples else []
    found: dict[str, float] = {}
    for labels, value in rows:
        known = dict(labels)
        if value != value or (names.state and states and known.get(names.state) not in states):  # noqa: PLR0124
            continue
        pool = next((known[label] for label in names.pool if known.get(label)), "")
        found[pool] = found.get(pool, 0.0) + value
    return found
