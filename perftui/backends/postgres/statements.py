"""pg_stat_statements' counters into what ran lately, surviving resets, evictions and restarts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from perftui.analysis.mixture import Part, lognormal_quantile, split_off
from perftui.model.database import Statement, Workload

BLOCK = 8192
_WINDOW = 60.0
_SPACING = 5.0
_SHOWN = 100
_GROWN = 10.0  # times what the left-out ran: at most a tenth of the figure is older than the window

Key = tuple[int, int, int]


class Row(NamedTuple):
    """One entry as the server counts it; times in milliseconds, `since` epoch seconds (17+)."""

    query_id: int
    user_id: int
    database_id: int
    calls: int
    total_ms: float
    mean_ms: float
    dev_ms: float
    max_ms: float
    rows: int
    hit: int
    read: int
    temp: int
    wal: float
    since: float | None

    @property
    def key(self) -> Key:
        """What stays the same while it lives."""
        return self.query_id, self.user_id, self.database_id


@dataclass(frozen=True, slots=True)
class Delta:
    """What one entry did between two looks."""

    row: Row
    part: Part
    total_s: float
    rows: float
    hit: float
    read: float
    temp: float
    wal: float


class _Shot(NamedTuple):
    at: float
    rows: dict[Key, Row]
    floor: float  # milliseconds that no entry left out had run by then; 0 when none was


def between(old: Row | None, new: Row) -> Delta | None:
    """What `new` did since `old` (None: since it began); None when nothing ran."""
    same = (
        old is not None and old.since == new.since and old.calls <= new.calls and old.total_ms <= new.total_ms
    )
    if same and old is not None:
        part = split_off(new.calls, new.mean_ms, new.dev_ms, old.calls, old.mean_ms, old.dev_ms)
        base = old
    else:
        part = Part(new.calls, new.mean_ms, new.dev_ms)
        base = new._replace(total_ms=0.0, rows=0, hit=0, read=0, temp=0, wal=0)
    if part.n <= 0:
        return None
    return Delta(
        row=new,
        part=Part(part.n, part.mean / 1000, part.stddev / 1000),
        total_s=max(0.0, new.total_ms - base.total_ms) / 1000,
        rows=max(0, new.rows - base.rows),
        hit=max(0, new.hit - base.hit),
        read=max(0, new.read - base.read),
        temp=max(0, new.temp - base.temp),
        wal=max(0.0, new.wal - base.wal),
    )


class Windows(NamedTuple):
    """What ran over the last minute (`seconds`) and since the last look (`since`, in seconds)."""

    seconds: float
    minute: list[Delta]
    since: float
    latest: list[Delta]


class StatementBook:
    """The last minute of looks at pg_stat_statements, and the texts seen so far."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._shots: deque[_Shot] = deque()
        self._last: _Shot | None = None
        self.texts: dict[int, str] = {}
        self.own: set[int] = set()

    def forget(self) -> None:
        """Start over with the counters; texts stay true."""
        self._shots.clear()
        self._last = None

    def look(self, at: float, raw: Sequence[Sequence[Any]]) -> Windows:
        """Take in all entries as they were at `at` (seconds of the server's clock)."""
        previous = self._last.rows if self._last else {}
        rows = {}
        for values in raw:
            row = Row(*values)
            known = previous.get(row.key)
            rows[row.key] = known if known == row else row
        left_out = len(rows) >= self._limit
        shot = _Shot(at, rows, min((r.total_ms for r in rows.values()), default=0.0) if left_out else 0.0)
        base = self._base(at)
        found = Windows(
            at - base.at if base else 0.0,
            self._deltas(base, shot),
            at - self._last.at if self._last else 0.0,
            self._deltas(self._last, shot),
        )
        self._last = shot
        if not self._shots or at - self._shots[-1].at >= _SPACING:
            self._shots.append(shot)
        return found

    def _base(self, at: float) -> _Shot | None:
        while len(self._shots) > 1 and at - self._shots[0].at > _WINDOW + _SPACING:
            self._shots.popleft()
        return self._shots[0] if self._shots else None

    def _deltas(self, old: _Shot | None, new: _Shot) -> list[Delta]:
        if old is None:
            return []
        found = []
        for key, row in new.rows.items():
            before = old.rows.get(key)
            if before is row or row.query_id in self.own or not _began(before, row, old):
                continue
            delta = between(before, row)
            if delta is not None:
                found.append(delta)
        return found

    def unknown(self, deltas: Sequence[Delta]) -> list[int]:
        """Query ids whose text is needed and not known, the heaviest first."""
        heavy = sorted(deltas, key=lambda d: d.total_s, reverse=True)[: 2 * _SHOWN]
        return list(dict.fromkeys(d.row.query_id for d in heavy if d.row.query_id not in self.texts))

    def learn(self, asked: Sequence[int], texts: Mapping[int, str], own: Callable[[str], bool]) -> None:
        """Keep texts; an id the server no longer knows keeps an empty one. At most 4,000 are kept."""
        for query_id in asked:
            text = texts.get(query_id, "")
            self.texts[query_id] = text
            if own(text):
                self.own.add(query_id)
        while len(self.texts) > 4000:
            self.texts.pop(next(iter(self.texts)))


def _began(before: Row | None, row: Row, old: _Shot) -> bool:
    """Whether what a first-seen entry says is of late, rather than of before the last look had left it out.

    An entry may be older than its first call: it is made when the statement is parsed. One that ran much
    longer than any entry left out ran nearly all of it since.
    """
    if before is not None or row.total_ms >= _GROWN * old.floor:
        return True
    return row.since is not None and row.since >= old.at


def workload(
    seconds: float,
    deltas: Sequence[Delta],
    texts: Mapping[int, str],
    names: Mapping[tuple[str, int], str],
) -> Workload:
    """The window's statements, heaviest first, with shares and an estimated p95 of all calls."""
    busy = sum(d.total_s for d in deltas)
    calls = sum(d.part.n for d in deltas)
    ranked = sorted(deltas, key=lambda d: d.total_s, reverse=True)
    parts = [d.part for d in sorted(deltas, key=lambda d: d.part.n, reverse=True)[:300]]
    return Workload(
        seconds=seconds,
        calls_per_s=calls / seconds if seconds else 0.0,
        mean_s=busy / calls if calls else None,
        p95_s=lognormal_quantile(parts, 0.95) if calls >= 20 else None,
        busy=busy / seconds if seconds else 0.0,
        statements=tuple(_statement(d, seconds, busy, texts, names) for d in ranked[:_SHOWN]),
    )


def _statement(
    d: Delta,
    seconds: float,
    busy: float,
    texts: Mapping[int, str],
    names: Mapping[tuple[str, int], str],
) -> Statement:
    row, n = d.row, d.part.n
    blocks = d.hit + d.read
    return Statement(
        query_id=row.query_id,
        user_id=row.user_id,
        database_id=row.database_id,
        text=texts.get(row.query_id, ""),
        user=names.get(("user", row.user_id), str(row.user_id)),
        database=names.get(("database", row.database_id), str(row.database_id)),
        calls=round(n),
        calls_per_s=n / seconds,
        share=d.total_s / busy if busy else 0.0,
        busy=d.total_s / seconds,
        mean_s=d.total_s / n,
        stddev_s=d.part.stddev,
        max_s=row.max_ms / 1000,
        rows_per_call=d.rows / n,
        hit_ratio=d.hit / blocks if blocks else None,
        temp_bytes_per_s=d.temp * BLOCK / seconds,
        wal_bytes_per_s=d.wal / seconds,
        read_bytes_per_s=d.read * BLOCK / seconds,
    )
