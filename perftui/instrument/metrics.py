"""Counts what an application does and prints it for Prometheus; light enough to be in any process.

`count("orders_total")`, `observe("wait_seconds", 0.2)`, `gauge("queue_depth", 7)`: names as Prometheus
wants them, labels few and bounded. Several processes of one service share a folder (`share`): each writes
its own figures there once a second, whoever is asked adds all of them up.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from bisect import bisect_left
from pathlib import Path

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MOST_SERIES = 1000  # of one metric; what comes beyond is folded into labels that say `other`
LONGEST = 128  # characters of a label's value
WRITE_EVERY = 1.0
FOLDED = "perftui_series_folded_total"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
Labels = tuple[tuple[str, str], ...]


class Family:
    """One metric: its kind, its words, and a row of numbers for each set of labels.

    A counter's or gauge's row is one number; a histogram's the counts of its buckets (the last has no
    upper bound) and the sum.
    """

    def __init__(self, name: str, kind: str, text: str, bounds: tuple[float, ...] = ()) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no metric name: letters, digits and _ only")
        if (kind == "counter") != name.endswith("_total"):
            raise ValueError(f"{name}: counters end in _total, and only counters do")
        self.name, self.kind, self.text, self.bounds = name, kind, text, bounds
        self.rows: dict[Labels, list[float]] = {}

    def row(self, labels: Labels) -> tuple[list[float], bool]:
        """The numbers of these labels, made when new; whether they were folded into `other`."""
        found = self.rows.get(labels)
        if found is not None:
            return found, False
        folded = len(self.rows) >= MOST_SERIES
        if folded:
            labels = tuple((name, "other") for name, _ in labels)
        return self.rows.setdefault(labels, [0.0] * (len(self.bounds) + 2 if self.bounds else 1)), folded


class Registry:
    """The metrics of one process; every method may be called from any thread."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._known: dict[tuple[tuple[str, object], ...], Labels] = {}
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._written = 0.0
        self._pid = os.getpid()

    def describe(self, name: str, kind: str, text: str, bounds: tuple[float, ...] = ()) -> None:
        """Say what a metric is before it is used: its HELP, and a histogram's own buckets."""
        with self._lock:
            self._families[name] = Family(name, kind, text, tuple(sorted(bounds)))

    def count(self, name: str, by: float = 1.0, **labels: object) -> None:
        """Add to a counter; ValueError when it would go back."""
        if by < 0:
            raise ValueError(f"{name}: a counter cannot go back")
        self._add(name, "counter", labels, by)

    def gauge(self, name: str, value: float, **labels: object) -> None:
        """Set a gauge."""
        with self._lock:
            self._row(name, "gauge", labels)[0] = value
        self._write()

    def move(self, name: str, by: float, **labels: object) -> None:
        """Add to a gauge, or take away."""
        self._add(name, "gauge", labels, by)

    def observe(self, name: str, value: float, **labels: object) -> None:
        """Put a value, in the base unit, into a histogram."""
        with self._lock:
            row = self._row(name, "histogram", labels)
            row[bisect_left(self._families[name].bounds, value)] += 1
            row[-1] += value
        self._write()

    def _add(self, name: str, kind: str, labels: dict[str, object], by: float) -> None:
        with self._lock:
            self._row(name, kind, labels)[0] += by
        self._write()

    def _row(self, name: str, kind: str, labels: dict[str, object]) -> list[float]:
        family = self._families.get(name)
        if family is None:
            bounds = BUCKETS if kind == "histogram" else ()
            family = self._families[name] = Family(name, kind, name.replace("_", " "), bounds)
        if family.kind != kind:
            raise ValueError(f"{name} is a {family.kind}, not a {kind}")
        row, folded = family.row(self._labels(labels))
        if folded and name != FOLDED:
            self._row(FOLDED, "counter", {"metric": name})[0] += 1
        return row

    def _labels(self, labels: dict[str, object]) -> Labels:
        """Sorted, as text, cut; remembered, for the same come again and again."""
        raw = tuple(labels.items())
        known = self._known.get(raw)
        if known is None:
            known = tuple(sorted((name, str(value)[:LONGEST]) for name, value in raw))
            if len(self._known) < 10 * MOST_SERIES:
                self._known[raw] = known
        return known

    # several processes

    def share(self, folder: str | Path) -> None:
        """Keep the figures in a folder that all processes of the service share; to be said before any fork.

        The folder should be new at every start of the service: what processes counted stays in it.
        """
        self._folder = Path(folder)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.register_at_fork(after_in_child=self._begin_anew)

    def _write(self, *, now: bool = False) -> None:
        if self._folder is None:
            return
        if not now and time.monotonic() - self._written < WRITE_EVERY:
            return
        self._written = time.monotonic()
        with self._lock:
            body = json.dumps([_packed(family) for family in self._families.values()])
        part = self._folder / f"{self._pid}.part"
        part.write_text(body)
        part.replace(self._folder / f"{self._pid}.json")

    def _begin_anew(self) -> None:
        """In a fork: what its parent counted is the parent's."""
        self._pid, self._lock, self._written = os.getpid(), threading.Lock(), 0.0
        for family in self._families.values():
            family.rows = {
                labels: [0.0] * len(row) for labels, row in family.rows.items() if family.kind != "gauge"
            }

    def _all(self) -> list[Family]:
        """The families of every process, added up; of a process that ended counters stay and gauges go."""
        if self._folder is None:
            return list(self._families.values())
        self._write(now=True)
        whole: dict[str, Family] = {}
        for file in sorted(self._folder.glob("*.json")):
            try:
                families = [_unpacked(row) for row in json.loads(file.read_text())]
            except (OSError, ValueError):
                continue  # it was just replaced, or is not ours
            alive = Path(f"/proc/{file.stem}").exists() or not Path("/proc/self").exists()
            for family in families:
                if alive or family.kind != "gauge":
                    _sum(whole.setdefault(family.name, family), family)
        return list(whole.values())

    def exposition(self) -> str:
        """Everything in Prometheus' text format (0.0.4)."""
        lines: list[str] = []
        for family in sorted(self._all(), key=lambda family: family.name):
            lines += (
                f"# HELP {family.name} {_escaped(family.text, quote=False)}",
                f"# TYPE {family.name} {family.kind}",
            )
            for labels, row in sorted(family.rows.items()):
                lines += (
                    _histogram(family, labels, row) if family.bounds else [_line(family.name, labels, row[0])]
                )
        return "\n".join(lines) + "\n"


def _packed(family: Family) -> list[object]:
    return [family.name, family.kind, family.text, family.bounds, list(family.rows.items())]


def _unpacked(packed: list[object]) -> Family:
    name, kind, text, bounds, rows = packed
    family = Family(str(name), str(kind), str(text), tuple(bounds))  # type: ignore[arg-type]
    family.rows = {tuple((str(n), str(v)) for n, v in labels): row for labels, row in rows}  # type: ignore[attr-defined]
    return family


def _sum(whole: Family, part: Family) -> None:
    if part is whole:
        return
    for labels, row in part.rows.items():
        known = whole.rows.setdefault(labels, [0.0] * len(row))
        known[:] = [a + b for a, b in zip(known, row, strict=True)]


def _histogram(family: Family, labels: Labels, row: list[float]) -> list[str]:
    lines, running = [], 0.0
    for bound, more in zip((*(f"{b:g}" for b in family.bounds), "+Inf"), row, strict=False):
        running += more
        lines.append(_line(f"{family.name}_bucket", (*labels, ("le", bound)), running))
    lines.append(_line(f"{family.name}_sum", labels, row[-1]))
    lines.append(_line(f"{family.name}_count", labels, running))
    return lines


def _line(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{n}="{_escaped(v)}"' for n, v in labels)
    number = f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else repr(value)
    return f"{name}{{{inside}}} {number}" if inside else f"{name} {number}"


def _escaped(text: str, *, quote: bool = True) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


DEFAULT = Registry()
count, gauge, observe = DEFAULT.count, DEFAULT.gauge, DEFAULT.observe
"""The three words for most programs, into the registry that the middlewares print."""
