"""Who is told: rows of the routes' view, and what an alert's line and detail say of its messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.notices import channel_words, delivery_word
from perftui.draw.palette import glyph
from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.table import Cell, Column
from perftui.draw.text import line, wrap
from perftui.model.alerts import Alert
from perftui.model.notify import ChannelState, NoticesReport, Route
from perftui.model.oncall import OnCallReport

STEPS = 4  # deliveries shown with an alert


@dataclass(frozen=True, slots=True)
class Told:
    """One row: a channel as it stands, or a route and where it leads."""

    key: str
    name: str
    about: str
    state: str
    word: str
    channel: str = ""


def told(report: NoticesReport) -> list[Told]:
    """Channels first, those in trouble before the others; who is on call; the routes in their order."""
    channels = sorted(report.channels, key=lambda one: one.failing is None)
    duty = [_oncall(report.oncall)] if report.oncall else []
    return [*map(_channel, channels), *duty, *map(_route, report.routes)]


def _oncall(one: OnCallReport) -> Told:
    """Who would be called; a schedule that is not followed is trouble."""
    return Told("oncall", "on call", "people", one.words, "crit" if one.said else "ok")


def _channel(one: ChannelState) -> Told:
    word = "crit" if one.failing else "ok" if one.sent_at else "waiting"
    return Told(f"channel {one.name}", one.name, one.kind, channel_words(one), word, one.name)


def _route(one: Route) -> Told:
    matchers = ", ".join(map(str, one.matchers)) or "all"
    then = f", then {one.escalation}" if one.escalation else ""
    on = ", goes on" if one.go_on else ""
    under = f" under {one.under}" if one.under else ""
    leads = f"→ {', '.join(one.channels) or 'its branches'}{then}{on}"
    return Told(f"route {one.name}", one.name, f"route{under}", f"{{{matchers}}} {leads}", "off")


def columns(look: Callable[[], Look]) -> list[Column]:
    """Of the routes' view."""

    def state(one: Told) -> Cell:
        style = {"crit": "crit", "ok": "ok"}.get(one.word, "muted")
        return f"{glyph(one.word, look())} {one.name}" if one.word != "off" else f"  {one.name}", style

    return [
        Column("name", "Name", state, value=lambda one: one, width=16),
        Column("about", "Kind", inert, width=13),
        Column("state", "State", inert, width=30, grow=True),
    ]


def notice_columns(notices: Callable[[], NoticesReport | None], look: Callable[[], Look]) -> list[Column]:
    """Of the alerts' view: who sees to an alert, who was told, and when it goes further."""
    return [owner_column(notices), delivery_column(notices), next_column(notices, look)]


def delivery_column(notices: Callable[[], NoticesReport | None]) -> Column:
    """How the alert's messages went."""

    def word(alert: Alert) -> str:
        report = notices()
        return delivery_word(report.of(alert.fingerprint)) if report else ""

    return Column("delivery", "Told", inert, value=word, width=15, priority=3)


def owner_column(notices: Callable[[], NoticesReport | None]) -> Column:
    """Who sees to the alert: whom it was given to, else who acknowledged it."""

    def whose(alert: Alert) -> str:
        report = notices()
        given = report.owners.get(alert.fingerprint, "") if report else ""
        return given or (alert.ack.who if alert.ack else "")

    return Column("owner", "Owner", inert, value=whose, width=14, priority=4)


def next_column(notices: Callable[[], NoticesReport | None], look: Callable[[], Look]) -> Column:
    """When it escalates without an acknowledgement."""

    def due(alert: Alert) -> float | None:
        report = notices()
        return report.next_steps.get(alert.fingerprint) if report else None

    def said(at: float | None) -> str:
        return "" if at is None else fmt.clock(at, look().tz)

    return Column("next", "Escalates", said, value=due, width=9, priority=6)


def about(report: NoticesReport | None, alert: Alert, size: Size, look: Look) -> Rows:
    """An alert's owner, its messages, and who is next."""
    if report is None:
        return []
    rows: Rows = []
    owner = report.owners.get(alert.fingerprint, "")
    if owner:
        rows += wrap(f"seen to by {inert(owner, 80)}", size.width)
    for one in report.of(alert.fingerprint)[:STEPS]:
        when = fmt.clock(one.sent_at or one.at, look.tz)
        text = f"{one.what.value} to {one.channel} {one.to}".strip()
        state = one.state.value + (f", {one.tries} tries" if one.tries > 1 else "")
        said = f": {one.said}" if one.said else ""
        rows.append(line(size.width, Span(f"{when} ", "muted"), inert(f"{text}, {state}{said}", 200)))
    if (at := report.next_steps.get(alert.fingerprint)) is not None:
        rows += wrap(f"escalates at {fmt.clock(at, look.tz)} without an acknowledgement", size.width, "warn")
    return rows


def texts(one: Told, report: NoticesReport) -> Iterable[str]:
    """The row in full, and a channel's newest messages."""
    yield f"{one.about} {one.name}: {one.state}"
    newest = [d for d in report.deliveries if d.channel == one.channel][:8] if one.channel else []
    for delivery in newest:
        said = f" {delivery.said}" if delivery.said else ""
        yield f"{fmt.clock(delivery.at)} {delivery.what.value} {delivery.title}: {delivery.state.value}{said}"
