"""What a backtest found, in words: the same on screen and from a shell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from perftui.draw import format as fmt
from perftui.model.backtest import Backtest, Choice, Incident

NEWEST: Final = 3  # firings told one by one


def verdict(one: Backtest) -> str:
    """How often a rule would have fired and for how long."""
    long = fmt.span(one.end - one.start)
    if not one.spells:
        vain = f", pending {_times(one.pending)}" if one.pending else ""
        nothing = ": nothing it looks at was recorded" if one.rule.op and not one.series else ""
        return f"never fired in {long}{vain}{nothing}"
    spent = f"{fmt.span(one.firing_s)} in all, {fmt.span(one.longest_s)} the longest"
    woken = f", somebody woken {_times(one.woken)}" if one.woken else ""
    return f"fired {_times(len(one.spells))} in {long}: {spent}, {one.night} at night{woken}"


def _times(count: int) -> str:
    return fmt.many(count, "time")


def firings(one: Backtest, tz: str = "UTC") -> Iterator[str]:
    """The newest of them, newest first: since when, how long, of what."""
    for spell in one.spells[: -NEWEST - 1 : -1]:
        lasted = "still firing" if spell.ended is None else fmt.span(spell.ended - spell.fired)
        own = {"alertname", "rule", *dict(one.rule.labels)}
        named = ", ".join(f"{name}={text}" for name, text in spell.labels if name not in own)
        yield "  ".join(filter(None, (fmt.stamp(spell.fired, tz), lasted, named)))


def choices(one: Backtest) -> Iterator[str]:
    """How often it would have fired with another `for` or threshold; a star marks its own."""
    for what in ("for", "threshold"):
        row = [
            f"{'*' if c.chosen else ''}{_setting(one, c)}: {c.fired}" for c in one.choices if c.what == what
        ]
        if row:
            yield f"{what} {'  '.join(row)}"


def _setting(one: Backtest, choice: Choice) -> str:
    if choice.what == "for" or one.rule.unit == "s":
        return fmt.span(choice.setting)
    return fmt.value(choice.setting, one.rule.unit).strip()


def of_incidents(real: Sequence[Incident], tz: str = "UTC") -> Iterator[str]:
    """How many of the incidents the rules would have told of, and every one they would have missed."""
    lost = [one for one in real if not one.rule]
    told = len(real) - len(lost)
    yield f"{fmt.many(len(real), 'incident')} in this time, {told} told by these rules"
    for one in real:
        way = f"told by {one.rule} after {fmt.span(max(0.0, one.after))}" if one.rule else "missed"
        yield f"  {fmt.stamp(one.at, tz)}  {way}: {one.title} ({one.of})"
