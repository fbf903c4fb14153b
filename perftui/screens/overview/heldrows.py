"""What an Alertmanager of the user's holds: rows of its alerts and silences, to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.palette import glyph
from perftui.draw.rows import Look
from perftui.draw.table import Cell, Column
from perftui.model.elsewhere import Held, HeldAlert, HeldSilence

Row = HeldAlert | HeldSilence
LOUD = {"critical": "crit", "page": "crit", "error": "crit", "warning": "warn"}
NOTHING = "nothing is held there but what came from here"


def key(row: Row) -> str:
    """What names a row for as long as it is there."""
    return f"{type(row).__name__} {row.channel} {row.mark}"


def held_rows(held: Sequence[Held]) -> list[Row]:
    """Alerts that are told, then those that are hushed, then silences."""
    alerts = [one for each in held for one in each.alerts]
    return [*sorted(alerts, key=lambda a: a.state != "firing"), *(s for each in held for s in each.silences)]


def nothing(held: Sequence[Held]) -> str:
    """Why there are no rows."""
    said = [f"{one.channel}: {one.said}" for one in held if one.said]
    return inert("; ".join(said), 300) or NOTHING


def _since(row: Row) -> float:
    """When it began."""
    return row.since if isinstance(row, HeldAlert) else row.starts


def columns(look: Callable[[], Look], now: Callable[[], float]) -> list[Column]:
    """Of the view of what others hold."""

    def state(row: Row) -> Cell:
        if isinstance(row, HeldSilence):
            return f"{glyph('off', look())} silence", "muted"
        if row.state != "firing":
            return f"{glyph('off', look())} {row.state}", "muted"
        word = LOUD.get(row.severity, "ok")
        return f"{glyph(word, look())} firing", word if word != "ok" else "muted"

    def age(row: Row) -> str:
        if isinstance(row, HeldAlert):
            return fmt.age(now() - row.since)
        return f"-{fmt.age(row.until - now())}" if row.starts <= now() else "next"

    return [
        Column("state", "State", state, value=lambda row: row, width=12),
        Column("channel", "From", inert, width=12),
        Column(
            "severity", "Severity", inert, value=lambda r: getattr(r, "severity", ""), width=9, priority=3
        ),
        Column("age", "Age", age, value=lambda row: row, width=6, align="right", order=_since),
        Column("what", "Alert or matchers", inert, value=_what, width=20, grow=True),
        Column("who", "Told", inert, value=_who, width=20, priority=2),
    ]


def _what(row: Row) -> str:
    if isinstance(row, HeldSilence):
        return ", ".join(row.matchers)
    return row.title if row.rule in row.title else f"{row.rule}: {row.title}"


def _who(row: Row) -> str:
    return row.who if isinstance(row, HeldSilence) else ", ".join(row.receivers)


def texts(row: Row) -> Iterable[str]:
    """The row in full, and that it is only to be looked at here."""
    yield f"held by the Alertmanager {row.channel}: to be changed there"
    if isinstance(row, HeldSilence):
        yield ", ".join(row.matchers)
        yield f"{fmt.stamp(row.starts)} to {fmt.stamp(row.until)}, by {row.who or 'somebody'}: {row.note}"
        return
    yield f"{row.rule}: {row.title}"
    yield ", ".join(f"{name}={value}" for name, value in row.labels)
    by = f" by {', '.join(row.by)}" if row.by else ""
    yield f"{row.state}{by} since {fmt.stamp(row.since)}; receivers: {', '.join(row.receivers) or 'none'}"
