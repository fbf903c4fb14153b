"""Columns and drawings of the Alerts tab."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.palette import glyph
from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.ruletext import rule_text
from perftui.draw.table import Cell, Column
from perftui.draw.text import line, wrap
from perftui.model.alerts import (
    FINDING,
    MAINTENANCE,
    Alert,
    AlertEvent,
    AlertsReport,
    AlertState,
    Matcher,
    Rule,
    RuleStats,
    RuleStatus,
    Silence,
)
from perftui.model.elsewhere import Held, counted
from perftui.model.errors import ConfigError
from perftui.model.event import Event
from perftui.model.finding import Finding, Severity

WIDE = 110  # columns from which on every view is named
STYLES = {Severity.CRITICAL: "crit", Severity.WARNING: "warn", Severity.INFO: "muted"}
WORDS = {Severity.CRITICAL: "crit", Severity.WARNING: "warn", Severity.INFO: "ok"}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])\Z")
_UNTIL = re.compile(r"(?:\A|\s)for\s+(\d+(?:\.\d+)?\s*[smhd])\s*\Z")
DAY = 86400.0
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = re.compile(r"([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*([A-Za-z%/]*)\Z")
_UNITS: dict[str, dict[str, float]] = {
    "ratio": {"": 1.0, "%": 0.01},
    "s": {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "m": 60.0, "h": 3600.0},
    "bytes": {"": 1.0, "B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40},
}
_RATES = {"": 1.0, "/s": 1.0, "/min": 1 / 60}


def zoned(text: str) -> tuple[str, str, float]:
    """`sat 02:00 2h Europe/Berlin` as (when, zone, seconds); zone and time may be left out."""
    from perftui.analysis.maintenance import cron_of, timed

    words, zone, long = text.split(), "UTC", 3600.0
    if words and (("/" in words[-1] and words[-1][:1].isalpha()) or words[-1] == "UTC"):
        zone = words.pop()
    if words and _SPAN.match(words[-1]):
        long = seconds_of(words.pop())
    when = " ".join(words)
    try:
        timed(cron_of(when), zone)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return when, zone, long


def seconds_of(text: str) -> float:
    """`90s`, `20m`, `2h`, `1d` in seconds; ConfigError for anything else."""
    found = _SPAN.match(text.strip())
    if found is None:
        raise ConfigError(f"{text!r} is no duration such as 90s, 20m, 2h or 1d")
    return float(found[1]) * _SECONDS[found[2]]


def value_of(text: str, unit: str) -> float:
    """A figure as people type it (`85 %`, `250 ms`, `2 GiB`) in the base unit; ConfigError otherwise."""
    found = _NUMBER.match(text.strip())
    known = _UNITS.get(unit, _RATES)
    if found is None or found[2] not in known:
        hint = ", ".join(word for word in known if word)
        raise ConfigError(f"{text!r} is no figure" + (f" (units: {hint})" if hint else ""))
    return float(found[1]) * known[found[2]]


def typed(figure: float) -> str:
    """A figure to start from, in base units and whole: taken as it stands, it changes nothing."""
    return f"{figure:.15g}"


def against(alert: Alert) -> str:
    """The value against the threshold; "" for findings, which have none."""
    if not alert.op and alert.rule.startswith(FINDING):
        return ""
    return fmt.against(alert.value, alert.op, alert.threshold, alert.unit)


def _figure(alert: Alert) -> tuple[str, float] | None:
    """Values of one unit by how much; of several units, these one after the other."""
    return (alert.unit, alert.value) if against(alert) else None


def state_cell(alert: Alert, look: Look) -> Cell:
    """Glyph and word."""
    loud = alert.word in ("firing", "flapping")
    word = WORDS[alert.severity] if loud else "waiting" if alert.state is AlertState.PENDING else "off"
    word = "ok" if alert.state is AlertState.RESOLVED else word
    return f"{glyph(word, look)} {alert.word}", STYLES[alert.severity] if loud else "muted"


def _severity(severity: Severity) -> Cell:
    return severity.name.lower(), STYLES[severity]


def alert_columns(look: Callable[[], Look], now: Callable[[], float]) -> list[Column]:
    """Of the alerts' view."""
    return [
        Column("state", "State", lambda a: state_cell(a, look()), value=lambda a: a, width=14),
        Column("severity", "Severity", _severity, width=8, priority=3),
        Column(
            "age",
            "Age",
            lambda began: fmt.age(now() - began),
            value=lambda a: a.fired_at or a.began,
            width=5,
            align="right",
        ),
        Column("title", "Alert", inert, width=16, grow=True),
        Column("value", "Value", value=against, width=17, priority=2, order=_figure),
        Column("source", "Source", inert, width=9),
        Column("rule", "Rule", inert, width=18, priority=5),
    ]


def rule_columns(look: Callable[[], Look]) -> list[Column]:
    """Of the rules' view."""

    def state(status: RuleStatus) -> Cell:
        if status.error:
            return f"{glyph('crit', look())} error", "crit"
        if status.rule.off:
            return f"{glyph('off', look())} off", "muted"
        if status.firing:
            return f"{glyph('warn', look())} firing {status.firing}", STYLES[status.rule.severity]
        if status.pending:
            return f"{glyph('waiting', look())} pending {status.pending}", "muted"
        return f"{glyph('ok', look())} quiet", "ok"

    def goal(status: RuleStatus) -> Cell:
        rule = status.rule
        text = f"{rule.op} {fmt.value(rule.threshold, rule.unit).strip()}" if rule.op else ""
        return text, "accent" if rule.threshold != status.default else ""

    return [
        Column("state", "State", state, value=lambda s: s, width=12),
        Column("name", "Rule", inert, value=lambda s: s.rule.name, width=24),
        Column("threshold", "Threshold", goal, value=lambda s: s, width=12, order=lambda s: s.rule.threshold),
        Column("hold", "For", fmt.duration, value=lambda s: s.rule.hold, width=8, align="right"),
        Column("severity", "Severity", _severity, value=lambda s: s.rule.severity, width=8),
        Column(
            *("value", "Last", last_value),
            value=lambda s: s,
            width=10,
            align="right",
            priority=4,
            order=lambda s: s.value,
        ),
        Column(
            *("took", "Tick", last_tick),
            value=lambda s: s,
            width=8,
            align="right",
            priority=5,
            order=lambda s: s.took_s,
        ),
        Column("text", "Condition", inert, value=lambda s: s.error or rule_text(s.rule), width=20, grow=True),
    ]


def last_value(status: RuleStatus) -> str:
    """The largest value of a rule's last result, a dash where that was empty or is not told."""
    return "–" if status.value is None else fmt.value(status.value, status.rule.unit).strip()


def last_tick(status: RuleStatus) -> str:
    """How long its last evaluation took."""
    return fmt.duration(status.took_s).strip() if status.evaluated else "–"


def silence_columns(now: Callable[[], float]) -> list[Column]:
    """Of the silences' view."""
    return [
        Column("id", "Id", lambda text: inert(text.removeprefix(MAINTENANCE)), width=16),
        Column("state", "State", _running, value=lambda s: s.runs(now()), width=7),
        Column(
            "left",
            "Left",
            lambda at: fmt.age(at - now()),
            value=lambda s: s.until if s.runs(now()) else s.starts,
            width=6,
            align="right",
        ),
        Column(
            "matchers", "Matches", inert, value=lambda s: ", ".join(map(str, s.matchers)), width=20, grow=True
        ),
        Column("who", "Who", inert, width=16),
        Column("again", "Comes again", inert, width=25, priority=2),
        Column("note", "Note", inert, width=20, priority=3),
    ]


def _running(runs: bool) -> Cell:
    return ("running", "warn") if runs else ("next", "muted")


def history_columns(look: Callable[[], Look]) -> list[Column]:
    """Of the history's view."""
    return [
        Column("at", "At", lambda at: fmt.stamp(at, look().tz), width=19),
        Column("kind", "What", inert, width=14),
        Column("rule", "Rule", inert, width=24),
        Column("title", "Alert", inert, width=20, grow=True),
        Column("note", "Note", inert, width=28, priority=3),
        Column("source", "Source", inert, width=12, priority=4),
        Column("who", "Who", inert, width=16, priority=5),
    ]


def chips(
    report: AlertsReport, view: str, size: Size, look: Look, warning: str = "", held: Sequence[Held] = ()
) -> Rows:
    """The views, the counts of the alerts by word and of those held elsewhere, and what is in the way."""
    spans: list[Span] = []
    names = ("alerts", "rules", "silences", "history", "routes", *(("elsewhere",) if held else ()))
    for name in names if size.width >= WIDE else (view,):  # the counts matter more than the names
        here = name == view
        spans.append(Span(f" {name.capitalize()} ", "accent reverse bold" if here else "muted"))
    words = [alert.word for alert in report.alerts]
    counts = [("open", len(report.open))] + [
        (w, words.count(w)) for w in ("pending", "acknowledged", "silenced")
    ]
    spans.append(Span("  "))
    for word, count in counts:
        style = "warn bold" if word == "open" and count else "muted"
        spans.append(Span(f"{word} {count}  ", style))
    if there := counted(held):
        spans.append(Span(f"{inert(there, 40)}  ", "accent"))
    if warning:
        spans.append(Span(f"{warning}  ", "warn"))
    if report.problem:
        spans.append(Span(inert(report.problem, 80), "crit"))
    return [line(size.width, *spans)]


def detail_rows(
    alert: Alert,
    rule: Rule | None,
    stats: RuleStats | None,
    findings: Sequence[Finding],
    events: Sequence[Event],
    size: Size,
    look: Look,
) -> Rows:
    """What is known of one alert: its life, its rule, its evidence, findings and what happened around it."""
    rows: Rows = []
    rows += wrap(inert(alert.title, 200), size.width, "bold")
    for word, at in (("began", alert.began), ("fired", alert.fired_at), ("resolved", alert.resolved_at)):
        if at is not None:
            rows.append(line(size.width, Span(f"{word:<9}", "muted"), fmt.stamp(at, look.tz)))
    if alert.ack is not None:
        said = f"{alert.ack.who} at {fmt.clock(alert.ack.at, look.tz)} {alert.ack.note}"
        rows += wrap("acked by " + inert(said, 300), size.width)
    labels = ", ".join(f"{name}={value}" for name, value in alert.labels)
    rows += wrap(inert(labels, 400), size.width, "muted")
    if rule is not None and not rule.of_finding:
        rows += wrap(inert(rule_text(rule), 400), size.width, "accent")
    rows += [line(size.width, inert(text, 200)) for text in (*alert.evidence, *alert.witness)]
    if stats is not None:
        rows += wrap(past(stats), size.width, "muted")
    for finding in findings[:5]:
        rows.append(
            line(
                size.width,
                Span("finding  ", "muted"),
                Span(inert(finding.title, 160), STYLES[finding.severity]),
            )
        )
        if finding.offer is not None:
            rows.append(line(size.width, Span("fix      ", "muted"), inert(finding.offer.title, 160)))
    return [*rows, *event_rows(events, size, look)][: size.height]


def event_rows(events: Sequence[Event], size: Size, look: Look) -> Rows:
    """What happened around it, in its order, under a heading."""
    if not events:
        return []
    rows: Rows = [line(size.width, Span("all that happened around it", "muted"))]
    for event in events:
        clock = Span(f"{fmt.clock(event.at, look.tz)} ", "muted")
        rows.append(line(size.width, clock, inert(f"{event.title} {event.detail}", 160)))
    return rows


def past(stats: RuleStats) -> str:
    """How often, how long, and how soon somebody was there."""
    mtta = (
        "never acknowledged"
        if stats.mtta_s is None
        else f"acknowledged after {fmt.duration(stats.mtta_s).strip()}"
    )
    mttr = "" if stats.mttr_s is None else f", resolved after {fmt.duration(stats.mttr_s).strip()} on average"
    times = "once" if stats.fired == 1 else f"{stats.fired} times"
    return f"fired {times} in 30 d, {fmt.duration(stats.firing_s).strip()} in all, {mtta}{mttr}"


def standing(status: RuleStatus) -> list[str]:
    """What is to be known of a rule beside its text: in whose place it holds, and how it is read."""
    place = "from your rule file, in place of perftui's own of that name" if status.replaces else ""
    return [text for text in (place, status.read_as) if text]


def quiet(report: AlertsReport, active: int, now: float) -> str:
    """What stands where nothing fires: whether anything did lately, and that somebody looks."""
    fired = sum(event.kind == "firing" and now - event.at < DAY for event in report.history)
    lately = f"no alert now, {fired} fired in 24 h: see history" if fired else "no alerts in 24 h"
    rules = f"{active} rule{'' if active == 1 else 's'} active"
    looked = (
        f", last tick {fmt.age(max(0.0, now - report.evaluated)).strip()} ago" if report.evaluated else ""
    )
    return f"{lately}; {rules}{looked}"


def newest_first(events: Sequence[AlertEvent]) -> list[tuple[int, AlertEvent]]:
    """History with a number to each line: no two lines are the same."""
    return list(reversed(list(enumerate(events))))


def matchers_for(alerts: Sequence[Alert], silence: Silence | None, rule: Rule | None) -> str:
    """What `z` offers to silence: the rules and sources of the alerts."""
    if alerts:
        rules = _one_of("rule", (alert.rule for alert in alerts))
        sources = _one_of("source", (alert.source for alert in alerts))
        return f"{rules}, {sources}" if sources else rules
    if silence is not None:
        return ", ".join(map(str, silence.matchers))
    return f'rule="{rule.name}"' if rule is not None else ""


def _one_of(label: str, values: Iterable[str]) -> str:
    """A matcher of these values; "" where one of them is empty."""
    found = list(dict.fromkeys(values))
    if not all(found):
        return ""
    if len(found) == 1:
        return f'{label}="{found[0]}"'
    return str(Matcher(label, "=~", "|".join(map(re.escape, found))))


def note_of(text: str) -> tuple[str, float]:
    """A note, and the seconds it holds that `for 2h` at its end says; 0: until it is resolved."""
    found = _UNTIL.search(text)
    return (text[: found.start()].strip(), seconds_of(found[1])) if found else (text.strip(), 0.0)


def said(texts: Sequence[str], size: Size) -> Rows:
    """A few sentences."""
    rows: Rows = []
    for text in texts:
        rows += wrap(inert(text, 400), size.width)
    return rows[: size.height]
