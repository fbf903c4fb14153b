"""The days a rule of RFC 5545 means, bounded by construction: no rule makes it look further than asked.

The libraries for this look for the next day until the year 9999, which a calendar from elsewhere can make
them do. Times of day are no business of this: an event recurs on days.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

FREQS = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
KNOWN = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS", "WKST")
MOST_DAYS = 40_000  # days one rule may make us look at: a century
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)\Z")


@dataclass(frozen=True, slots=True)
class Rule:
    """`byday` are (number or 0, weekday from Monday); `until` is the last day there can be."""

    freq: str
    interval: int = 1
    count: int = 0
    until: dt.date | None = None
    months: frozenset[int] = frozenset()
    monthdays: frozenset[int] = frozenset()
    byday: frozenset[tuple[int, int]] = frozenset()
    setpos: tuple[int, ...] = ()
    wkst: int = 0


def parse(text: str) -> Rule:
    """`FREQ=YEARLY;BYMONTH=11;BYDAY=4TH`; ValueError names what is not understood."""
    parts = dict(part.upper().partition("=")[::2] for part in text.strip().split(";") if part)
    for name in parts:
        if name not in KNOWN:
            raise ValueError(f"recurs by {name[:20]}, which is not read")
    if parts.get("FREQ") not in FREQS:
        raise ValueError(f"recurs {parts.get('FREQ', 'without FREQ')[:20]}, which is not read")
    made = Rule(
        parts["FREQ"],
        _number(parts.get("INTERVAL", "1"), 1, 10_000),
        _number(parts.get("COUNT", "0"), 0, 10_000),
        _date(parts["UNTIL"]) if "UNTIL" in parts else None,
        frozenset(_numbers(parts.get("BYMONTH", ""), 1, 12)),
        frozenset(_numbers(parts.get("BYMONTHDAY", ""), -31, 31)),
        frozenset(_weekday(one) for one in parts.get("BYDAY", "").split(",") if one),
        tuple(_numbers(parts.get("BYSETPOS", ""), -366, 366)),
        WEEKDAYS.index(parts.get("WKST", "MO")) if parts.get("WKST", "MO") in WEEKDAYS else 0,
    )
    if any(n for n, _ in made.byday) and made.freq in ("WEEKLY", "DAILY"):
        raise ValueError("recurs by numbered weekdays of a week, which is not read")
    return made


def days(rule: Rule, first: dt.date, since: dt.date, until: dt.date) -> Iterator[dt.date]:
    """Days from `since` to `until` in order, none before `first`; ValueError when that takes too long."""
    last = min(until, rule.until or until)
    full = _completed(rule, first)
    seen = looked = 0
    for k in count(0 if rule.count else _skipped(rule, first, since)):
        period = _period(full, first, k)
        if period is None or period[0] > last:
            return
        looked += len(period)
        if looked > MOST_DAYS:
            raise ValueError("recurs in a way that takes too long to work out")
        for day in _chosen(full, [one for one in period if _fits(full, one)]):
            if day < first:
                continue
            seen += 1
            if day > last or (rule.count and seen > rule.count):
                return
            if day >= since:
                yield day


def _completed(rule: Rule, first: dt.date) -> Rule:
    """With what RFC 5545 takes from the first day where a rule says nothing."""
    if rule.freq == "DAILY" or rule.byday or rule.monthdays:
        return rule
    if rule.freq == "WEEKLY":
        return replace(rule, byday=frozenset({(0, first.weekday())}))
    made = replace(rule, monthdays=frozenset({first.day}))
    return (
        replace(made, months=frozenset({first.month})) if rule.freq == "YEARLY" and not rule.months else made
    )


def _skipped(rule: Rule, first: dt.date, since: dt.date) -> int:
    """How many periods lie before `since` for certain."""
    passed = {
        "YEARLY": since.year - first.year,
        "MONTHLY": (since.year - first.year) * 12 + since.month - first.month,
        "WEEKLY": (since - first).days // 7,
        "DAILY": (since - first).days,
    }[rule.freq]
    return max(0, passed // rule.interval - 1)


def _period(rule: Rule, first: dt.date, k: int) -> list[dt.date] | None:
    """The days of the k-th year, month, week or day; None beyond what dates can be."""
    try:
        if rule.freq == "YEARLY":
            start = dt.date(first.year + k * rule.interval, 1, 1)
            size = 366 if calendar.isleap(start.year) else 365
        elif rule.freq == "MONTHLY":
            months = first.year * 12 + first.month - 1 + k * rule.interval
            start = dt.date(months // 12, months % 12 + 1, 1)
            size = calendar.monthrange(start.year, start.month)[1]
        elif rule.freq == "WEEKLY":
            begin = first - dt.timedelta((first.weekday() - rule.wkst) % 7)
            start, size = begin + dt.timedelta(7 * k * rule.interval), 7
        else:
            start, size = first + dt.timedelta(k * rule.interval), 1
        return [start + dt.timedelta(n) for n in range(size)]
    except (ValueError, OverflowError):
        return None


def _fits(rule: Rule, day: dt.date) -> bool:
    size = calendar.monthrange(day.year, day.month)[1]
    if rule.months and day.month not in rule.months:
        return False
    if rule.monthdays and not rule.monthdays & {day.day, day.day - size - 1}:
        return False
    return not rule.byday or any(_nth(rule, n, weekday, day, size) for n, weekday in rule.byday)


def _nth(rule: Rule, n: int, weekday: int, day: dt.date, size: int) -> bool:
    """Whether it is the n-th such weekday of its month, or of its year where no month is named."""
    if day.weekday() != weekday or not n:
        return day.weekday() == weekday
    place = day.day
    if rule.freq == "YEARLY" and not rule.months:
        place, size = day.timetuple().tm_yday, 366 if calendar.isleap(day.year) else 365
    return n == (place + 6) // 7 if n > 0 else -n == (size - place) // 7 + 1


def _chosen(rule: Rule, found: list[dt.date]) -> list[dt.date]:
    if not rule.setpos:
        return found
    size = len(found)
    places = {n - 1 if n > 0 else size + n for n in rule.setpos}
    return [found[place] for place in sorted(places) if 0 <= place < size]


def _numbers(text: str, low: int, high: int) -> list[int]:
    return [one for word in text.split(",") if word and (one := _number(word, low, high))]


def _number(word: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[+-]?\d{1,5}", word) or not low <= int(word) <= high:
        raise ValueError(f"recurs by {word[:20]!r}, which is no number from {low} to {high}")
    return int(word)


def _weekday(word: str) -> tuple[int, int]:
    found = _DAY.match(word)
    if found is None:
        raise ValueError(f"recurs on {word[:20]!r}, which is no weekday")
    return int(found[1] or 0), WEEKDAYS.index(found[2])


def _date(word: str) -> dt.date:
    """A date; with a time, which is UTC's, the day after, for what is a day later elsewhere."""
    try:
        return dt.date.fromisoformat(f"{word[:4]}-{word[4:6]}-{word[6:8]}") + dt.timedelta(len(word) > 8)
    except (ValueError, OverflowError):
        raise ValueError(f"recurs until {word[:20]!r}, which is no date") from None
