"""What the API tab says of work that waits: queues with their pace, and pools of connections; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.rows import Look, Rows, Size
from perftui.draw.table import Cell, Column
from perftui.draw.text import fill, line
from perftui.model.database import DatabaseReport
from perftui.model.endpoint import ApiView, Pool
from perftui.model.queues import QueueView

OLD = 60.0  # seconds of waiting from which a queue is late
FULL, NEARLY = 0.9, 0.75
BAR = 20


def columns() -> list[Column]:
    """80 columns keep name, depth, age and pace."""

    def of(name: str, title: str, form: Any, width: int, priority: int) -> Column:
        return Column(name, title, form, value=_same, width=width, align="right", priority=priority)

    return [
        Column("name", "Queue", lambda v: inert(v.depth.name, 80), value=_same, width=12, grow=True),
        Column("system", "Kind", lambda v: v.depth.system, value=_same, width=8, priority=4),
        of("waiting", "Waiting", _waiting, 8, 1),
        of("active", "Active", lambda v: fmt.count(v.depth.active), 6, 3),
        of("consumers", "Consumers", _consumers, 9, 4),
        of("delayed", "Delayed", lambda v: fmt.count(v.depth.delayed), 7, 6),
        of("failed", "Failed", _failed, 6, 5),
        of("oldest", "Oldest", _age, 8, 1),
        of("in", "In/s", lambda v: fmt.rate(v.in_per_s), 8, 2),
        of("out", "Out/s", lambda v: fmt.rate(v.out_per_s), 8, 2),
        of("drains", "Drains in", lambda v: fmt.duration(v.drains_in), 9, 5),
    ]


def _same(view: QueueView) -> QueueView:
    return view


def _waiting(view: QueueView) -> Cell:
    grows = view.in_per_s is not None and view.out_per_s is not None and view.in_per_s > view.out_per_s
    return fmt.count(view.depth.waiting), "warn" if grows and view.depth.waiting else ""


def _consumers(view: QueueView) -> Cell:
    count = view.depth.consumers
    return ("–" if count is None else fmt.count(count)), "warn" if count == 0 and view.depth.waiting else ""


def _failed(view: QueueView) -> Cell:
    return fmt.count(view.depth.failed), "warn" if view.depth.failed else ""


def _age(view: QueueView) -> Cell:
    return fmt.duration(view.depth.oldest), "warn" if (view.depth.oldest or 0.0) > OLD else ""


def pools(report: Any, apis: Iterable[ApiView]) -> list[tuple[str, int, int, int]]:
    """Name, in use, limit (0: not told) and waiting, of servers and of applications' own pools."""
    found = []
    if isinstance(report, DatabaseReport):
        for server in report.servers:
            used = server.reading.connections
            found.append((f"{server.source} max_connections", used.used, used.maximum, used.waiting))
    for api in apis:
        found += [
            (f"{api.source} {pool.name or 'pool'}", pool.used, pool.limit, pool.waiting or 0)
            for pool in api.reading.pools or _remembered(api)
        ]
    return found


def _remembered(api: ApiView) -> tuple[Pool, ...]:
    """The pool of a look that was kept as gauges: pictures of the past are of all ages."""
    gauges = {(g.name, dict(g.labels).get("state", "")): g.value for g in api.reading.gauges}
    used = gauges.get(("db_pool_connections", "used"))
    if used is None:
        return ()
    idle, waiting = gauges.get(("db_pool_connections", "idle"), 0.0), gauges.get(("db_pool_waiting", ""), 0.0)
    return (Pool("", int(used), int(idle), int(used + idle), int(waiting)),)


def pool_rows(rows: Sequence[tuple[str, int, int, int]], size: Size, look: Look) -> Rows:
    """A bar each: in use of the limit, and who waits."""
    full, empty = ("#", ".") if look.ascii_ else ("█", "░")
    drawn: Rows = []
    for name, used, limit, waiting in rows:
        share = min(1.0, used / limit) if limit else 0.0
        cells = round(share * BAR)
        style = "crit" if share >= FULL else "warn" if share >= NEARLY else "s1"
        words = f" {used} of {limit} in use" + (f", {waiting} waiting" if waiting else "")
        label = f"{inert(name, 30):<31} "
        drawn.append(line(size.width, label, (full * cells, style), empty * (BAR - cells) + words))
    return fill(drawn, size)
