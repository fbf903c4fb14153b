"""A history made of given samples, for engines that ask for the past."""

from __future__ import annotations

from perftui.model.series import Series, SeriesKey


class History:
    """A SeriesReader over what `put` was given."""

    def __init__(self) -> None:
        self._series: dict[SeriesKey, Series] = {}

    def put(self, source: str, name: str, values: list[float], start: float, step: float = 1.0) -> None:
        key = SeriesKey(source, name)
        series = self._series.setdefault(key, Series(key))
        for i, value in enumerate(values):
            series.append(start + i * step, value)

    def series(self, key: SeriesKey, start: float, end: float) -> Series:
        found = Series(key)
        for sample in self._series.get(key, Series(key)):
            if start <= sample.at <= end:
                found.append(sample.at, sample.value)
        return found

    def keys(self, source: str = "", name: str = "") -> tuple[SeriesKey, ...]:
        return tuple(k for k in self._series if k.source == source or not source)
