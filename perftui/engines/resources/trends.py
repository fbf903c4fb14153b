"""What a host sustains and what grows on it, from the history of its samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from perftui.analysis.hostmeasures import process_label
from perftui.analysis.leak import theil_sen
from perftui.model.endpoint import ApiReading, Pool, PoolUse
from perftui.model.frame import SeriesReader
from perftui.model.resources import Growth, HostReading, Sustained
from perftui.model.series import SeriesKey

MEAN_OVER = 30.0
LASTING = 120.0
FEWEST = 5
GROWTH_OVER = 1800.0
SHORTEST_GROWTH = 180.0  # seconds of history before a slope is worth a word
LEAST_PROCESS = 1 << 20  # bytes a minute
LEAST_GROWN = 16 << 20  # bytes grown in the window


def sustained(source: str, at: float, reading: HostReading, history: SeriesReader) -> Sustained:
    """Means over the last half minute."""

    def mean(name: str, *labels: tuple[str, str]) -> float | None:
        return _mean(history, SeriesKey(source, name, labels), at)

    keys = [SeriesKey(source, "cpu.core_busy_ratio", (("core", c.name),)) for c in reading.cores]
    cores = [_values(history, key, at) for key in keys]
    return Sustained(
        cpu=mean("cpu.busy_ratio"),
        cores=tuple(sum(values) / len(values) if values else None for values in cores),
        ranges=tuple((min(values), max(values)) if values else None for values in cores),
        swap_bytes_per_s=mean("memory.swap_bytes_per_s"),
        iowait=mean("cpu.iowait_ratio"),
        retransmit_ratio=mean("tcp.retransmit_ratio"),
        throttled_ratio=mean("limit.throttled_ratio"),
        cpu_lasting=_lasting(history, SeriesKey(source, "cpu.busy_ratio"), at),
        disks=tuple((d.device, mean("disk.busy_ratio", ("device", d.device))) for d in reading.disks),
    )


def _mean(history: SeriesReader, key: SeriesKey, at: float) -> float | None:
    values = _values(history, key, at)
    return sum(values) / len(values) if values else None


def _values(history: SeriesReader, key: SeriesKey, at: float) -> Sequence[float]:
    """What the last half minute tells; nothing when that is too little to conclude from."""
    _, values = history.series(key, at - MEAN_OVER, at).between(at - MEAN_OVER, at)
    return values if len(values) >= FEWEST else ()


def _lasting(history: SeriesReader, key: SeriesKey, at: float) -> float | None:
    times, values = history.series(key, at - LASTING, at).between(at - LASTING, at)
    if len(times) < FEWEST or times[-1] - times[0] < 0.9 * LASTING:
        return None
    return sum(values) / len(values)


def pools(source: str, at: float, reading: ApiReading, history: SeriesReader) -> tuple[PoolUse, ...]:
    """Means over the last half minute: a pool that is full for a moment has done its work."""

    def mean(name: str, pool: Pool) -> float | None:
        return _mean(history, SeriesKey(source, name, (("pool", pool.name),) if pool.name else ()), at)

    return tuple(PoolUse(p, mean("pool.used_ratio", p), mean("pool.waiting", p)) for p in reading.pools)


def growing(source: str, at: float, reading: HostReading, history: SeriesReader) -> tuple[Growth, ...]:
    """Processes whose memory and file systems whose use rises beyond doubt, fastest first."""
    found = [*_processes(source, at, reading, history), *_mounts(source, at, reading, history)]
    return tuple(sorted(found, key=lambda g: -g.per_s))


def _processes(source: str, at: float, reading: HostReading, history: SeriesReader) -> Iterator[Growth]:
    for row in reading.top:
        name = process_label(row.name, row.pid)
        key = SeriesKey(source, "process.rss_bytes", (("process", name),))
        grown = _growth("process", name, key, at, history)
        if grown and grown.per_s * 60 >= LEAST_PROCESS and grown.per_s * grown.seconds >= LEAST_GROWN:
            yield grown


def _mounts(source: str, at: float, reading: HostReading, history: SeriesReader) -> Iterator[Growth]:
    for mount in reading.mounts:
        key = SeriesKey(source, "fs.used_ratio", (("mount", mount.path),))
        whole = mount.used + mount.available
        grown = _growth("mount", mount.path, key, at, history, whole)
        if grown and grown.per_s > 0:
            yield grown


def _growth(
    kind: str, name: str, key: SeriesKey, at: float, history: SeriesReader, limit: float = 0.0
) -> Growth | None:
    """Growth whose interval excludes 0; a ratio series is scaled to bytes by its limit."""
    times, values = history.series(key, at - GROWTH_OVER, at).between(at - GROWTH_OVER, at)
    if len(times) < FEWEST or times[-1] - times[0] < SHORTEST_GROWTH:
        return None
    slope = theil_sen(times, values)
    if slope is None or slope.low <= 0:
        return None
    unit = limit or 1.0
    rates = (slope.per_s * unit, slope.low * unit, slope.high * unit)
    return Growth(kind, name, values[-1] * unit, *rates, slope.seconds, limit)
