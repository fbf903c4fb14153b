"""Acknowledging, silencing and moving a threshold, each with its undo."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from perftui.analysis.matchers import parse_matchers
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.alerts import Matcher, Rule, Silence
from perftui.model.desks import AlertDesk
from perftui.model.errors import ConfigError, PlanRejected

Report = Callable[[Progress], None]

DAY = 86400.0
LONGEST_NOTE = 500
LONGEST_SILENCE = 30 * DAY


class _Deed:
    """What the four have in common."""

    risk: Risk = Risk.CHANGES
    deadline: float = 15.0


class Acknowledge(_Deed):
    """Say that one knows of an alert; it stays, and is no longer counted as open.

    `seconds` is how long that holds, 0: until it is resolved. Whoever acknowledges first stands.
    """

    id: ClassVar[str] = "alerts.ack"
    title: str = "Acknowledge the alert"

    def __init__(
        self, power: AlertDesk, source: str, *, fingerprint: str, note: str = "", seconds: float = 0.0
    ) -> None:
        self._power = power
        self._fingerprint, self._note, self._seconds = fingerprint, note[:LONGEST_NOTE], seconds
        self.params = {"fingerprint": fingerprint, "note": self._note, "seconds": seconds}
        self.target = f"{source} {fingerprint}"

    async def plan(self) -> Plan:
        """Which alert; PlanRejected when somebody has acknowledged it already."""
        alert = await self._power.alert(self._fingerprint)
        if alert.ack is not None:
            raise PlanRejected(_first(alert.ack.who, alert.ack.at, alert.ack.note))
        until = f" for {fmt.age(self._seconds)}" if self._seconds else " until it is resolved"
        return Plan(
            summary=f"acknowledge {inert(alert.title, 80)} of {inert(alert.source, 40)}{until}",
            affects=tuple(inert(text, 200) for text in (*alert.evidence[:3], self._note) if text),
            count=1,
            reversible=True,
            undo_note="the alert is open again",
        )

    async def run(self, report: Report) -> Receipt:
        """Enter it; PlanRejected says who was first."""
        alert = await self._power.alert(self._fingerprint)
        until = time.time() + self._seconds if self._seconds else None
        stands, mine = await self._power.acknowledge(alert, self._note, until)
        if not mine:
            raise PlanRejected(_first(stands.who, stands.at, stands.note))
        return Receipt(
            f"{inert(alert.title, 80)} is acknowledged", 1, undo={"fingerprint": self._fingerprint}
        )

    async def undo(self, receipt: Receipt) -> Receipt:
        """Take it back."""
        alert = await self._power.alert(str((receipt.undo or {})["fingerprint"]))
        await self._power.unacknowledge(alert)
        return Receipt(f"{inert(alert.title, 80)} is open again", 1)


def _first(who: str, at: float, note: str) -> str:
    said = f": {inert(note, 200)}" if note else ""
    return f"{inert(who, 80)} acknowledged it first, at {fmt.clock(at)}{said}"


class SilenceMatching(_Deed):
    """No notice of alerts whose labels match (`rule`, `source`, `severity`, and the series' own)."""

    id: ClassVar[str] = "alerts.silence"
    title: str = "Silence alerts"

    def __init__(
        self, power: AlertDesk, source: str, *, matchers: str, seconds: float = 3600.0, note: str = ""
    ) -> None:
        self._power = power
        self._text, self._seconds, self._note = matchers, seconds, note[:LONGEST_NOTE]
        self._matchers: tuple[Matcher, ...] = ()
        self.params = {"matchers": matchers, "seconds": seconds, "note": self._note}
        self.target = f"{source} {inert(matchers, 120)}"

    async def plan(self) -> Plan:
        """What it reaches now; PlanRejected for matchers that say nothing or a time that is none."""
        try:
            self._matchers = parse_matchers(self._text)
        except ConfigError as error:
            raise PlanRejected(str(error)) from error
        if not self._matchers:
            raise PlanRejected('a silence needs a matcher, such as source="db"')
        if not 0 < self._seconds <= LONGEST_SILENCE:
            raise PlanRejected("a silence lasts from a second to 30 days")
        reached = await self._power.reached(self._matchers)
        return Plan(
            summary=f"silence {inert(self._text, 120)} for {fmt.age(self._seconds)}",
            affects=tuple(f"{a.word} {inert(a.title, 60)} of {inert(a.source, 40)}" for a in reached[:10]),
            count=len(reached),
            reversible=True,
            undo_note="ends the silence",
            warnings=() if reached else ("no alert matches now",),
        )

    async def run(self, report: Report) -> Receipt:
        """Enter it."""
        silence = await self._power.silence(self._matchers, self._seconds, self._note)
        text = f"{inert(self._text, 120)} is silenced until {fmt.clock(silence.until)} UTC"
        return Receipt(text, 1, facts={"id": silence.id, "until": silence.until}, undo={"id": silence.id})

    async def undo(self, receipt: Receipt) -> Receipt:
        """End it."""
        await self._power.unsilence(str((receipt.undo or {})["id"]))
        return Receipt(f"{inert(self._text, 120)} is heard of again", 1)


class EndSilence(_Deed):
    """End a silence before its time."""

    id: ClassVar[str] = "alerts.unsilence"
    title: str = "End the silence"

    def __init__(self, power: AlertDesk, source: str, *, silence: str) -> None:
        self._power = power
        self._id = silence
        self.params = {"silence": silence}
        self.target = f"{source} {inert(silence, 40)}"

    async def plan(self) -> Plan:
        """Which one; of a maintenance window only the occurrence that runs or comes next."""
        one = await self._power.running(self._id)
        again = f"; it comes again, {one.again}" if one.again else ""
        return Plan(
            summary=f"end {inert(one.name, 80)} now{again}",
            affects=(f"{inert(', '.join(map(str, one.matchers)), 200)} until {fmt.stamp(one.until)} UTC",),
            count=1,
            reversible=True,
            undo_note="silences the same again for the time that was left",
        )

    async def run(self, report: Report) -> Receipt:
        """End it."""
        ended = await self._power.unsilence(self._id)
        matchers = ", ".join(map(str, ended.matchers))
        undo = {"matchers": matchers, "until": ended.until, "note": ended.note, "again": ended.again}
        return Receipt(f"{inert(matchers, 120)} is heard of again", 1, undo=undo)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Silence it again."""
        was = receipt.undo or {}
        left = float(was["until"]) - time.time()
        if left <= 0:
            raise PlanRejected("that silence would be over by now")
        matchers = parse_matchers(str(was["matchers"]))
        if was.get("again"):
            await self._power.resume(Silence(self._id, matchers, 0.0, float(was["until"])))
        else:
            await self._power.silence(matchers, left, str(was["note"]))
        return Receipt(f"{inert(str(was['matchers']), 120)} is silenced again", 1)


class SetThreshold(_Deed):
    """Move a rule's threshold, after a rehearsal on what was recorded. None: as configured."""

    id: ClassVar[str] = "alerts.threshold"
    title: str = "Set the rule's threshold"
    deadline: float = 30.0

    def __init__(self, power: AlertDesk, source: str, *, rule: str, threshold: float | None) -> None:
        self._power = power
        self._rule, self._threshold = rule, threshold
        self.params = {"rule": rule, "threshold": threshold}
        self.target = f"{source} {inert(rule, 80)}"

    async def plan(self) -> Plan:
        """Old and new, and what each would have done in the last 24 h."""
        rule = await self._power.rule(self._rule)
        if rule.of_finding:
            raise PlanRejected(
                f"{self._rule} stands for a finding: the engine decides, there is no threshold"
            )
        if rule.expr:
            raise PlanRejected(f"{self._rule} is a rule of a file: its threshold is in {rule.place}")
        if self._threshold is not None and not math.isfinite(self._threshold):
            raise PlanRejected("a threshold is a number")
        if self._threshold is None:
            said: tuple[str, ...] = ("back to what is configured",)
        else:
            said = await self._rehearsed(rule, self._threshold)
        wanted = "the configured threshold" if self._threshold is None else _value(self._threshold, rule)
        return Plan(
            summary=f"{inert(rule.title, 60)}: {rule.op} {_value(rule.threshold, rule)} → {rule.op} {wanted}",
            affects=said,
            count=1,
            reversible=True,
            undo_note=f"sets {_value(rule.threshold, rule)} again",
        )

    async def _rehearsed(self, rule: Rule, threshold: float) -> tuple[str, ...]:
        new = await self._power.rehearse(replace(rule, threshold=threshold), DAY)
        old = await self._power.rehearse(rule, DAY)
        last = [f"last at {fmt.stamp(new.firings[-1][0])}"] if new.firings else []
        return (new.sentence, *last, f"as it is: {old.sentence}")

    async def run(self, report: Report) -> Receipt:
        """Set it."""
        rule = await self._power.rule(self._rule)
        before = await self._power.set_threshold(self._rule, self._threshold)
        now = await self._power.rule(self._rule)
        text = f"{inert(rule.title, 60)} is now {rule.op} {_value(now.threshold, now)}"
        return Receipt(text, 1, undo={"rule": self._rule, "threshold": before})

    async def undo(self, receipt: Receipt) -> Receipt:
        """Set the one before."""
        was = receipt.undo or {}
        await self._power.set_threshold(str(was["rule"]), was["threshold"])
        rule = await self._power.rule(self._rule)
        return Receipt(f"{inert(rule.title, 60)} is {rule.op} {_value(rule.threshold, rule)} again", 1)


def _value(value: float, rule: Rule) -> str:
    return fmt.value(value, rule.unit).strip()
