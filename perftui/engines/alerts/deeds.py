"""Acknowledging, silencing and moving a threshold, each with its undo."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from perftui.analysis.matchers import parse_matchers
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.alerts import Alert, AlertState, Matcher, Rule, Silence
from perftui.model.desks import AlertDesk
from perftui.model.errors import ConfigError, PlanRejected

Report = Callable[[Progress], None]

DAY = 86400.0
LONGEST_NOTE = 500
LONGEST_SILENCE = 30 * DAY
WEEK = 7 * DAY
LEAST_HUSHED = 3  # alerts that fire; a silence of fewer is what silences are for
MOST_AT_ONCE = 500  # alerts acknowledged together


class _Deed:
    """What the four have in common."""

    risk: Risk = Risk.CHANGES
    deadline: float = 15.0


class Acknowledge(_Deed):
    """Say that one knows of an alert; it stays, and is no longer counted as open.

    `seconds` is how long that holds, 0: until it is resolved. Whoever acknowledges first stands. `others`
    are fingerprints acknowledged with it; of those that somebody was first at, that is said.
    """

    id: ClassVar[str] = "alerts.ack"
    title: str = "Acknowledge the alert"

    def __init__(
        self,
        power: AlertDesk,
        source: str,
        *,
        fingerprint: str,
        note: str = "",
        seconds: float = 0.0,
        others: Sequence[str] = (),
    ) -> None:
        self._power = power
        self._marks = tuple(dict.fromkeys((fingerprint, *others)))[:MOST_AT_ONCE]
        self._note, self._seconds = note[:LONGEST_NOTE], seconds
        self.params = {"fingerprint": fingerprint, "note": self._note, "seconds": seconds}
        self.params |= {"others": list(self._marks[1:])} if len(self._marks) > 1 else {}
        more = f" and {len(self._marks) - 1} more" if len(self._marks) > 1 else ""
        self.target = f"{source} {fingerprint}{more}"

    async def _open(self) -> tuple[list[Alert], list[str]]:
        """Those that nobody has acknowledged yet, and what is to be said of the others."""
        found, said = [], []
        for mark in self._marks:
            alert = await self._power.alert(mark)
            if alert.ack is None:
                found.append(alert)
            else:
                said.append(_first(alert.ack.who, alert.ack.at, alert.ack.note))
        return found, said

    async def plan(self) -> Plan:
        """Which; PlanRejected when somebody has acknowledged all of them already."""
        found, said = await self._open()
        if not found:
            raise PlanRejected(said[0])
        until = f" for {fmt.age(self._seconds)}" if self._seconds else " until it is resolved"
        words = f"acknowledge {named(found)}{until}"
        shown = found[0].evidence[:3] if len(found) == 1 else [a.title for a in found[:10]]
        return Plan(
            summary=words,
            affects=tuple(inert(text, 200) for text in (*shown, self._note) if text),
            count=len(found),
            reversible=True,
            undo_note="the alert is open again" if len(found) == 1 else "they are open again",
            warnings=tuple(said[:3]),
        )

    async def run(self, report: Report) -> Receipt:
        """Enter it; PlanRejected says who was first."""
        until = time.time() + self._seconds if self._seconds else None
        mine: list[Alert] = []
        found, said = await self._open()
        for alert in found:
            stands, entered = await self._power.acknowledge(alert, self._note, until)
            if entered:
                mine.append(alert)
            else:
                said.append(_first(stands.who, stands.at, stands.note))
        if not mine:
            raise PlanRejected(said[0])
        words = f"{named(mine)} {'is' if len(mine) == 1 else 'are'} acknowledged"
        undo = {"fingerprint": mine[0].fingerprint, "others": [a.fingerprint for a in mine[1:]]}
        return Receipt("; ".join((words, *said[:3])), len(mine), undo=undo)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Take it back."""
        was = receipt.undo or {}
        back = [await self._power.alert(str(mark)) for mark in (was["fingerprint"], *was.get("others", ()))]
        for alert in back:
            await self._power.unacknowledge(alert)
        return Receipt(f"{named(back)} {'is' if len(back) == 1 else 'are'} open again", len(back))


def named(alerts: Sequence[Alert]) -> str:
    """One by its title and source, more by their number."""
    if len(alerts) == 1:
        return f"{inert(alerts[0].title, 80)} of {inert(alerts[0].source, 40)}"
    return f"{len(alerts)} alerts"


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
        live = [a for a in reached if a.state is not AlertState.RESOLVED]
        before = await self._power.fired(self._matchers, WEEK)
        challenge, warnings = await self._doubts(live)
        mutes = f"mutes {len(live)} now, {before} in the last week"
        shown = (f"{a.word} {inert(a.title, 60)} of {inert(a.source, 40)}" for a in reached[:10])
        return Plan(
            summary=f"silence {inert(self._text, 120)} for {fmt.age(self._seconds)}",
            affects=(mutes, *shown),
            count=len(reached),
            reversible=True,
            undo_note="ends the silence",
            warnings=warnings if reached else (*warnings, "no alert matches now"),
            challenge=challenge,
        )

    async def _doubts(self, live: Sequence[Alert]) -> tuple[str, tuple[str, ...]]:
        """A word to type where it hushes most of what fires or lasts longer than a day, and why."""
        firing = [a for a in await self._power.reached(()) if a.state is AlertState.FIRING]
        hushed = sum(a.state is AlertState.FIRING for a in live)
        long = fmt.age(self._seconds)
        if hushed >= LEAST_HUSHED and hushed * 2 > len(firing):
            return "silence", (f"it hushes {hushed} of the {len(firing)} alerts that fire",)
        if self._seconds > DAY:
            return long, (f"it lasts {long}: what begins in that time is not told either",)
        return "", ()

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
