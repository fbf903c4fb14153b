"""What is wrong right now, who knows about it, and the rules that say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw.chart import Line, Mark, Threshold
from perftui.draw.notices import NOBODY
from perftui.draw.rows import Look, Rows, Size
from perftui.draw.ruletext import rule_text
from perftui.model import anomaly
from perftui.model.alerts import Alert, AlertsReport, Rule, RuleStatus, Silence
from perftui.model.elsewhere import Held, HeldAlert, HeldSilence
from perftui.model.errors import ConfigError
from perftui.model.finding import Severity
from perftui.model.frame import Frame
from perftui.model.series import SeriesKey
from perftui.screens.overview import alertrows as rows
from perftui.screens.overview import bands, heldrows
from perftui.screens.overview import noticerows as told
from perftui.screens.overview.causes import Causes
from perftui.screens.overview.newrule import ask_line
from perftui.screens.overview.noticerows import Told
from perftui.screens.overview.quietkeys import HOUR, QuietKeys
from perftui.screens.overview.why import ask_rule, ask_why
from perftui.widgets.chart import ChartPanel
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

VIEWS = ("alerts", "rules", "silences", "history", "routes", "elsewhere")
WITH_DETAIL = ("alerts", "rules", "routes", "elsewhere")
AROUND = 1800.0  # seconds of events shown before and after a firing


class AlertsTab(QuietKeys):
    """One table a view; the alert under the cursor is explained beside it, or below after enter."""

    DEFAULT_CSS = """
    AlertsTab { layout: grid; grid-size: 2; grid-columns: 2fr 1fr; grid-rows: 1 2fr 1fr; grid-gutter: 0 1; }
    AlertsTab #chips { column-span: 2; }
    AlertsTab LiveTable { row-span: 2; }
    AlertsTab.plain { grid-size: 1; grid-columns: 1fr; grid-rows: 1 1fr; }
    AlertsTab.plain #chips { column-span: 1; }
    AlertsTab.plain LiveTable { row-span: 1; }
    AlertsTab.plain.detail { grid-rows: 1 1fr 6; }
    """
    id_: ClassVar[str] = "overview.alerts"
    title: ClassVar[str] = "Alerts"
    topics: ClassVar[tuple[str, ...]] = ("alerts", "alerts.notices", "findings", "events", anomaly.TOPIC)
    empty: ClassVar[str] = (
        "would show alerts, the rules behind them, silences and history\n"
        "rules are evaluated where history is kept: perftui run (change them in [alerts.rules.NAME])"
    )
    glance: ClassVar[bool] = True
    verbs: ClassVar[Mapping[str, str]] = {
        "silence": "MATCHERS [1h]  no notice of alerts that match",
        "threshold": "RULE VALUE  move a rule's threshold, after a rehearsal",
    }

    def __init__(self) -> None:
        super().__init__()
        self.view = VIEWS[0]
        self.opened = False

    def compose(self) -> Iterable[Widget]:
        """Chips, a table a view, and the detail."""
        yield Panel("", id="chips")
        look, now = (lambda: self.look), (lambda: self._now)
        yield LiveTable(
            [*rows.alert_columns(look, now), *told.notice_columns(lambda: self.notices, look)],
            key=lambda a: a.fingerprint,
            id="alerts",
            empty="no alert fires or is about to",
            hint="v shows the rules that are watched",
        )
        yield LiveTable(rows.rule_columns(look), key=lambda s: s.rule.name, id="rules")
        yield LiveTable(
            rows.silence_columns(now),
            key=lambda s: s.id,
            id="silences",
            empty="nothing is silenced",
            hint="z on an alert hushes what is like it, c here makes a window that comes again",
        )
        yield LiveTable(
            [*_numbered(rows.history_columns(look))],
            key=lambda p: p[0],
            id="history",
            empty="nothing yet",
            hint="what fires and ends, who acknowledges, silences or comments is kept here",
        )
        yield LiveTable(told.columns(look), key=lambda row: row.key, id="routes", empty=NOBODY)
        yield LiveTable(heldrows.columns(look, now), key=heldrows.key, id="elsewhere")
        yield Panel("", id="about")
        yield ChartPanel("", id="course", focusable=False)

    def on_mount(self) -> None:
        """Begin with the alerts."""
        self._choose(self.view)

    @property
    def _now(self) -> float:
        return self.frames["alerts"].at if self.frames else 0.0

    @property
    def _report(self) -> AlertsReport | None:
        report = self.frames["alerts"].report if self.frames else None
        return report if isinstance(report, AlertsReport) else None

    @property
    def _table(self) -> LiveTable:
        return self.query_one(f"#{self.view}", LiveTable)

    def arrange_for(self, layout: int) -> None:
        """From 120 columns the detail stands to the right, else below and after enter."""
        self._lay_out()

    def _lay_out(self) -> None:
        wide = self.layout_now >= 120 and self.view in WITH_DETAIL
        detail = wide or (self.opened and self.view in WITH_DETAIL)
        self.set_class(not wide, "plain")
        self.set_class(detail, "detail")
        for name in VIEWS:
            self.query_one(f"#{name}").display = name == self.view and (wide or not detail)
        self.query_one("#about").display = detail
        self.query_one("#course").display = detail and self._course_key is not None

    def _choose(self, view: str) -> None:
        self.view, self.opened = view, False
        self._lay_out()
        if self.is_attached:
            self._table.focus()
        self.redraw()

    def _turn(self) -> None:
        """The next view."""
        at = self._views.index(self.view) + 1 if self.view in self._views else 0
        self._choose(self._views[at % len(self._views)])

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest report in the view that is chosen."""
        report = frames["alerts"].report
        if not isinstance(report, AlertsReport):
            self.query_one("#alerts", LiveTable).empty = frames["alerts"].error or "not evaluated yet"
            self._table.set_items(())
            return
        self.query_one("#chips", Panel).set_rows(lambda size, look: self._chips(report, size, look))
        active = sum(not status.rule.off for status in report.rules)
        self.query_one("#alerts", LiveTable).empty = rows.quiet(report, active, frames["alerts"].at)
        items: Mapping[str, Iterable[Any]] = {
            "alerts": report.alerts,
            "rules": report.rules,
            "silences": report.silences,
            "history": rows.newest_first(report.history),
            "routes": told.told(self.notices) if self.notices else (),
            "elsewhere": heldrows.held_rows(self._held),
        }
        self.query_one("#elsewhere", LiveTable).empty = heldrows.nothing(self._held)
        self._table.set_items(items[self.view])
        self._explain(report, frames)

    def _chips(self, report: AlertsReport, size: Size, look: Look) -> Rows:
        """The views and counts; when nobody hears of it, that instead of the counts' empty end."""
        warning = "" if self._heard else "no one will be told"
        return rows.chips(report, self.view, size, look, warning, self._held)

    @property
    def _held(self) -> tuple[Held, ...]:
        return self.notices.elsewhere if self.notices else ()

    @property
    def _views(self) -> tuple[str, ...]:
        """All; without an Alertmanager nothing is held elsewhere."""
        return VIEWS if self._held else VIEWS[:-1]

    @property
    def _heard(self) -> bool:
        return self.notices is None or bool(self.notices.channels)

    def on_live_table_cursor_moved(self, event: LiveTable.CursorMoved) -> None:
        """Another row is explained."""
        if self._report is not None:
            self._explain(self._report, self.frames)

    # what is under the cursor

    @property
    def _alert(self) -> Alert | None:
        current = self._table.current if self.view == "alerts" else None
        return current if isinstance(current, Alert) else None

    @property
    def _alerts(self) -> tuple[Alert, ...]:
        return self._table.targets if self.view == "alerts" else ()

    @property
    def _silence(self) -> Silence | None:
        current = self._table.current if self.view == "silences" else None
        return current if isinstance(current, Silence) else None

    @property
    def _told(self) -> Told | None:
        current = self._table.current if self.view == "routes" else None
        return current if isinstance(current, Told) else None

    @property
    def _status(self) -> RuleStatus | None:
        current = self._table.current if self.view == "rules" else None
        return current if isinstance(current, RuleStatus) else None

    @property
    def _rule(self) -> Rule | None:
        if (status := self._status) is not None:
            return status.rule
        alert = self._alert
        return self._named(alert.rule) if alert is not None else None

    @property
    def _course_key(self) -> SeriesKey | None:
        report, alert, rule = self._report, self._alert, self._rule
        if alert is None and report is not None and rule is not None:
            alert = next((a for a in report.alerts if a.rule == rule.name), None)
        return alert.key if alert is not None else None

    def _named(self, name: str) -> Rule | None:
        report = self._report
        found = (status.rule for status in report.rules if status.rule.name == name) if report else ()
        return next(iter(found), None)

    @cached_property
    def _causes(self) -> Causes:
        return Causes(self.session)

    def _explain(self, report: AlertsReport, frames: Mapping[str, Frame]) -> None:
        about, course = self.query_one("#about", Panel), self.query_one("#course", ChartPanel)
        alert, rule, row, notices = self._alert, self._rule, self._told, self.notices
        stats = next((s for s in report.stats if rule is not None and s.rule == rule.name), None)
        if alert is None:
            text = [rule_text(rule), rows.past(stats) if stats else "has not fired in 30 d"] if rule else []
            text += rows.standing(status) if (status := self._status) else []
            text += [*told.texts(row, notices)] if row and notices else []
            held = self._table.current if self.view == "elsewhere" else None
            text += [*heldrows.texts(held)] if isinstance(held, HeldAlert | HeldSilence) else []
            about.set_rows(lambda size, look: rows.said(text, size))
            self._course(
                course,
                frames["alerts"],
                next((a for a in report.alerts if rule and a.rule == rule.name), None),
            )
            return
        found = [f for f in frames["findings"].findings if f.source == alert.source]
        found = [f for f in found if f.severity >= Severity.WARNING]
        found += bands.said_of(alert, frames[anomaly.TOPIC])
        fired = alert.fired_at or alert.began
        log = getattr(frames["events"].report, "events", ())
        events = [event for event in log if abs(event.at - fired) <= AROUND][-12:]
        now = frames["alerts"].at
        about.set_rows(
            lambda s, k: [
                *told.about(notices, alert, s, k),
                *rows.detail_rows(alert, rule, stats, found, (), s, k),
                *self._causes.rows(alert, log, now, s, k),
                *rows.event_rows(events, s, k),
            ][: s.height]
        )
        self._course(course, frames["alerts"], alert)

    def _course(self, course: ChartPanel, frame: Frame, alert: Alert | None) -> None:
        """The series around the firing."""
        course.display = self.has_class("detail") and alert is not None and alert.key is not None
        if alert is None or alert.key is None:
            return
        end = min(frame.at, (alert.resolved_at or frame.at) + course.seconds / 4)
        history = frame.history or self.session.history
        series, band = bands.course(alert, history, end - course.seconds, end)
        course.title, course.unit = str(series.key), series.unit
        marks = [
            Mark(at, word) for word, at in (("fires", alert.fired_at), ("ends", alert.resolved_at)) if at
        ]
        goal = (Threshold(alert.threshold, "warn"),) if series.unit == alert.unit else ()
        course.set_lines((Line.of(series),), end, thresholds=goal, marks=marks, band=band)

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The row under the cursor; `source` is the desk where alerts are seen to."""
        alert, rule, silence = self._alert, self._rule, self._silence
        if alert is not None:
            return {
                "source": "alerts",
                "rule": alert.rule,
                "fingerprint": alert.fingerprint,
                "state": alert.word,
            }
        if silence is not None:
            return {
                "source": "alerts",
                "silence": silence.id,
                "matchers": ", ".join(map(str, silence.matchers)),
            }
        if (row := self._told) is not None:
            return {"source": "alerts", "channel": row.channel, "about": row.state}
        return (
            {"source": "alerts", "rule": rule.name, "condition": rule_text(rule)}
            if rule is not None
            else None
        )

    # what can be done

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`v` next view, `!` acknowledge, `z` silence, `x` its end, `c` new; `D` `t` `T` `O` `m`; enter."""
        deeds: dict[str, Callable[[], None]] = {
            "overview.view": self._turn,
            "overview.acknowledge": self._acknowledge,
            "overview.silence": self._ask_silence,
            "overview.unsilence": self._unsilence,
            "overview.new": self._new,
            "overview.mark": self._mark,
            "overview.delete": self._delete,
            "overview.threshold": self._ask_threshold,
            "overview.test": self._test_channel,
            "overview.owner": self._ask_owner,
            "overview.comment": self._ask_comment,
            "overview.rule": lambda: ask_rule(self, self._rule),
            "overview.why": lambda: ask_why(self, self._alert, self._rule),
            "open": self._open,
        }
        if id == "close" and self.opened:
            self.opened = False
            self._lay_out()
            self._table.focus()
            return True
        if id not in deeds:
            return False
        deeds[id]()
        return True

    def _open(self) -> None:
        if self._table.current is not None and self.layout_now < 120:
            self.opened = not self.opened
            self._lay_out()
            self.redraw()

    def _ask_threshold(self) -> None:
        rule = self._rule
        if rule is None or not rule.op:
            self.toast("no rule with a threshold is selected", "warn")
            return
        unit = {"ratio": "85 % or 0.85", "s": "250 ms", "bytes": "2 GiB"}.get(rule.unit, "a number")
        prompt = f"{rule.title} {rule.op} … ({unit}; empty: as configured)"

        def draft(text: str) -> Rule | None:
            return replace(rule, threshold=rows.value_of(text, rule.unit)) if text.strip() else None

        now = rows.typed(rule.threshold)
        ask_line(self, "Threshold", prompt, now, draft, lambda text: self._set(rule, text))

    def _set(self, rule: Rule, text: str) -> None:
        value = rows.value_of(text, rule.unit) if text.strip() else None
        self.perform("alerts.threshold", "alerts", rule=rule.name, threshold=value)

    def on_verb(self, verb: str, words: tuple[str, ...]) -> bool:
        """`:silence source="db" 2h`, `:threshold HostCpuHigh 85%`."""
        try:
            if verb == "silence" and words:
                long = len(words) > 1 and words[-1][:1].isdigit()
                self._silence_for(" ".join(words[:-1] if long else words), words[-1] if long else HOUR)
            elif verb == "threshold" and len(words) == 2 and (rule := self._named(words[0])) is not None:
                self._set(rule, words[1])
            else:
                return False
        except ConfigError as error:
            self.toast(str(error), "warn")
        return True


def _numbered(columns: Iterable[Any]) -> Iterable[Any]:
    """History's columns over (number, event) pairs."""
    for column in columns:
        yield replace(column, value=lambda pair, key=column.key: getattr(pair[1], key))
