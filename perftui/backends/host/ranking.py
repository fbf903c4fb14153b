"""Which processes of a host are looked at more closely, and which are listed, when they rank by a field."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.model.resources import ProcessRow

CLOSELY = 30  # processes looked at more closely, each of which costs a folder
RANKED = 200  # of which that is read where it ranks them: nobody knows before who has most
CHEAP = {"rss", "threads"}
DEAR = {"fds", "fd_ratio", "read_per_s", "write_per_s"}


def wanted(rows: Sequence[ProcessRow], by: str, limit: int) -> list[ProcessRow]:
    """Those to look at more closely: of `rows`, busiest first, the busiest where no such field ranks them."""
    if by in DEAR:
        return list(rows[:RANKED])
    if by in CHEAP:
        rows = sorted(rows, key=lambda row: -value(row, by))
    return list(rows[: min(limit, CLOSELY)])


def first(rows: Sequence[ProcessRow], by: str, limit: int) -> tuple[ProcessRow, ...]:
    """At most `limit` of them, those with most by the field, in the order they came in."""
    if len(rows) <= limit or by not in CHEAP | DEAR:
        return tuple(rows[:limit])
    most = {row.pid for row in sorted(rows, key=lambda row: -value(row, by))[:limit]}
    return tuple(row for row in rows if row.pid in most)


def value(row: ProcessRow, by: str) -> float:
    """What ranks a process; below any other where it is not known."""
    if by == "fd_ratio":
        return row.fds / row.fd_limit if row.fds is not None and row.fd_limit else -1.0
    found = getattr(row, by)
    return -1.0 if found is None else float(found)
