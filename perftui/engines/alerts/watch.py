"""Findings about the alerting itself: rules that cannot be evaluated, channels that take nothing, noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from perftui.draw import format as fmt
from perftui.model.alerts import Alert
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.frame import SeriesReader
from perftui.model.reading import Look
from perftui.model.selfwatch import SOURCE, TOPIC, Broken, Pressed, WatchReport

BROKEN = 300.0  # seconds an evaluation must fail, or a channel, before it is more than a hiccup
SKEWED = 30.0  # seconds a clock must stand apart: one slow answer is no proof
NEWS = 3600.0  # seconds in which a lack of room for history is worth a finding
ALWAYS = 7 * 86400.0  # seconds of firing after which nobody is going to do anything about it


class WatchEngine:
    """Given a look by whoever has the clock; concludes what keeps alerts from being raised or heard."""

    stem: ClassVar[str] = TOPIC
    kinds: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.seen: WatchReport | None = None

    def observe(self, now: float, looks: Mapping[str, Look], _history: SeriesReader) -> WatchReport | None:
        """The newest look."""
        del now, looks
        return self.seen

    def findings(self, report: WatchReport) -> Sequence[Finding]:
        """What is wrong with it."""
        return tuple(self._found(report))

    def actions(self, report: WatchReport) -> Sequence[Offer]:
        """None: a rule or a channel is mended by who wrote it."""
        return ()

    def _found(self, report: WatchReport) -> Iterator[Finding]:
        for rule in report.rules:
            if report.at - rule.since >= BROKEN:
                yield _rule(rule, report.at)
        for channel in report.channels:
            if report.at - channel.since >= BROKEN:
                yield _channel(channel, report.at)
        for alert in report.flapping:
            yield _flapping(alert)
        for alert in report.lasting:
            if report.at - (alert.fired_at or report.at) >= ALWAYS:
                yield _always(alert, report.at)
        for clock in report.skewed:
            if report.at - clock.since >= SKEWED:
                yield _clock(clock)
        if report.alone:
            said = "channels are configured, and no agent runs: nobody is told once this console is closed"
            yield _finding(
                "agent.absent", Severity.INFO, "alerts end with this console", (said, "perftui agent")
            )
        if report.pressed is not None and report.at - report.pressed.at < NEWS:
            yield _full(report.pressed)


def _finding(id_: str, severity: Severity, title: str, evidence: tuple[str, ...], named: str = "") -> Finding:
    labels = (("named", named),) if named else ()
    return Finding(id_, severity, SOURCE, title, evidence, effort=Effort.MINUTES, labels=labels)


def _rule(rule: Broken, now: float) -> Finding:
    lasts = f"every evaluation has failed for {fmt.age(now - rule.since)}: its alerts stand as they were"
    where = (rule.place,) if rule.place else ()
    title = f"the rule {rule.name} cannot be evaluated"
    return _finding("alerts.rule-unhealthy", Severity.WARNING, title, (rule.said, lasts, *where), rule.name)


def _channel(channel: Broken, now: float) -> Finding:
    said = (f"nothing went through for {fmt.age(now - channel.since)}", channel.said or "no reason is told")
    title = f"the channel {channel.name} takes no message"
    return _finding("notify.failing", Severity.WARNING, title, said, channel.name)


def _clock(clock: Broken) -> Finding:
    said = "its times are not ours: what it logged lies elsewhere on charts and on the timeline"
    title = f"the clock of {clock.name} is {clock.said} this host's"
    return _finding("clock.skew", Severity.WARNING, title, (said, "have both keep time by NTP"), clock.name)


def _flapping(alert: Alert) -> Finding:
    said = f"{len(alert.changes)} changes in ten minutes; a longer `for` or a `keep_firing_for` steadies it"
    title = f"{alert.rule} of {alert.source or 'the environment'} flaps"
    return _finding("alert.flapping", Severity.INFO, title, (said,), alert.fingerprint)


def _always(alert: Alert, now: float) -> Finding:
    said = (
        f"firing for {fmt.age(now - (alert.fired_at or now))}: mend it, move its threshold or drop the rule"
    )
    title = f"{alert.rule} of {alert.source or 'the environment'} always fires"
    return _finding("alerts.rule-always-fires", Severity.INFO, title, (said,), alert.fingerprint)


def _full(pressed: Pressed) -> Finding:
    back = fmt.age(pressed.at - pressed.start)
    most = f"{fmt.bytes_(pressed.max_bytes)} are all it may take (history.max_bytes)"
    said = f"{most}: detail of {back} ago is gone"
    return _finding("history.full", Severity.WARNING, "history lets go of detail before its time", (said,))
