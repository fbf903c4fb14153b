"""`timeline changes`: what happened before something went wrong, with what the figure did."""

from __future__ import annotations

import argparse
import datetime as dt
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perftui.cli import common, when
from perftui.model.errors import ConfigError

if TYPE_CHECKING:
    from perftui.analysis.changes import Change
    from perftui.config import Config
    from perftui.model.alerts import AlertEvent
    from perftui.model.series import Series, SeriesKey
    from perftui.runtime.past import Past

MONTH = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What went wrong, when and where; `key` is the figure it shows in."""

    title: str
    at: float
    source: str
    key: SeriesKey | None


def run(args: argparse.Namespace) -> int:
    """Print the changes; 1 when there are none."""
    return common.go(_changes(common.configuration(args), args))


async def _changes(config: Config, args: argparse.Namespace) -> int:
    from perftui.analysis.changes import BEFORE, SIDE, what_changed

    async with when.stored(config) as past:
        if past is None:
            common.narrate("nothing was stored: a console or agent writes down what happens")
            return common.NO
        subject = await _subject(past, config, args)
        events = await past.events(subject.at - BEFORE, subject.at + BEFORE)
        reader = None
        if subject.key is not None:
            series = await _series(past, subject.key, subject.at - BEFORE - SIDE, subject.at + SIDE * 2)
            reader = lambda _start, _end: series  # noqa: E731 - one read serves every event
        found = what_changed(events, subject.at, subject.source, config.environment.depends_on, reader)
        unit = past.unit(subject.key) if subject.key else "1"
    if args.json:
        common.say({"subject": subject, "changes": found})
    else:
        common.print_lines(_markdown(subject, found, unit) if args.md else _lines(subject, found, unit))
    return common.DONE if found else common.NO


async def _series(past: Past, key: SeriesKey, start: float, end: float) -> Series:
    from perftui.model.series import Series

    rows = await past.rows(key, start, end, 0.0)
    series = Series(key, past.unit(key), capacity=max(1, len(rows)))
    for at, value in zip(rows.at, rows.mean, strict=True):
        if math.isfinite(value):
            series.append(at, value)
    return series


async def _subject(past: Past, config: Config, args: argparse.Namespace) -> Subject:
    named = " ".join(args.words[1:])
    if args.at is not None:
        key = _named(past, args.series) or _target_key(past, config)
        return Subject("that instant", args.at, key.source if key else "", key)
    page = await past.open_alerts()
    fits = [a for a in page if not named or a.rule == named or a.fingerprint.startswith(named)]
    alert = max(fits, key=lambda a: a.fired_at or a.began, default=None)
    if alert is None and (told := await _told(past, named)) is not None:
        return Subject(
            told.title, told.at, told.source, _named(past, args.series) or _target_key(past, config)
        )
    if alert is None:
        raise ConfigError(f"there is no alert {named}".rstrip() + "; name an instant with --at")
    key = _named(past, args.series) or alert.key or _target_key(past, config, alert.source)
    return Subject(alert.title, alert.fired_at or alert.began, alert.source, key)


async def _told(past: Past, named: str) -> AlertEvent | None:
    """The newest firing of an alert that has ended."""
    now = time.time()
    found = await past.alerts(now - MONTH, now)
    fits = [e for e in found if e.kind == "firing" and (not named or named in (e.rule, e.fingerprint))]
    return fits[-1] if fits else None


def _named(past: Past, series: str | None) -> SeriesKey | None:
    if not series:
        return None
    found = past.keys(series)
    if not found:
        raise ConfigError(f"no series {series} is stored")
    return found[0]


def _target_key(past: Past, config: Config, source: str = "") -> SeriesKey | None:
    """The figure of the first target that was ever stored (of that backend)."""
    known = past.keys()
    names = [target.series for target in config.objectives() if target.series]
    found = (k for name in names for k in known if k.name == name and source in ("", k.source))
    return next(found, None)


def shift_text(change: Change, unit: str) -> str:
    """What the figure did, in words."""
    from perftui.draw import format as fmt

    shift = change.shift
    if shift is None:
        return "too few samples on both sides"
    sure = "beyond noise" if shift.beyond_noise else "within noise"
    return f"{fmt.value(shift.before, unit)} -> {fmt.value(shift.after, unit)} ({sure}, p {shift.test.p:.2g})"


def _head(subject: Subject) -> str:
    at = dt.datetime.fromtimestamp(subject.at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
    figure = f", seen in {subject.key}" if subject.key else ""
    return f"before {subject.title} at {at} UTC{figure}"


def _ahead(change: Change) -> str:
    minutes, seconds = divmod(round(abs(change.ahead)), 60)
    return f"{minutes} min {seconds:02} s {'before' if change.ahead >= 0 else 'after'}"


def _lines(subject: Subject, found: Iterable[Change], unit: str) -> Iterable[str]:
    yield _head(subject)
    for place, change in enumerate(found, 1):
        e = change.event
        by = f"  by {e.actor}" if e.actor else ""
        times = f"{change.times} times  " if change.times > 1 else ""
        what = f"{times}{e.kind}  {e.source}  {e.title}  {e.detail}".rstrip()
        yield f"{place:>2}. {_ahead(change)}  {change.where}  {what}{by}  | {shift_text(change, unit)}"


def _markdown(subject: Subject, found: Iterable[Change], unit: str) -> Iterable[str]:
    from perftui.export.markdown import escaped, table

    yield f"What changed {escaped(_head(subject))}"
    yield ""
    rows = (
        (
            *(_ahead(c), c.where, c.event.kind, c.event.source, c.event.title),
            *(str(c.times), c.event.actor, shift_text(c, unit)),
        )
        for c in found
    )
    yield from table(("when", "near", "kind", "where", "what", "times", "by", "figure"), rows)
