"""Testing a channel, assigning an alert, commenting on one."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from perftui.draw.clean import inert
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import Lost, PlanRejected, Refused
from perftui.model.ports import NoticeDesk

Report = Callable[[Progress], None]

LONGEST = 500


class TestChannel:
    """Send one marked message."""

    __test__ = False  # no test of ours, whatever its name makes a test runner think
    id: ClassVar[str] = "alerts.test"
    title: str = "Test the channel"
    risk: Risk = Risk.CHANGES
    deadline: float = 60.0

    def __init__(self, power: NoticeDesk, source: str, *, channel: str) -> None:
        self._power = power
        self._channel = channel
        self.params = {"channel": channel}
        self.target = f"{source} {inert(channel, 80)}"

    async def plan(self) -> Plan:
        """To whom."""
        found = await self._power.channel(self._channel)
        text = f"send a message marked as a test through {inert(found.name, 80)} ({found.kind})"
        return Plan(summary=text, count=1, reversible=False, undo_note="what is sent is sent")

    async def run(self, report: Report) -> Receipt:
        """Send it; Lost or Refused say what the other side said."""
        await self._power.channel(self._channel)
        outcome = await self._power.send_test(self._channel)
        said = inert(outcome.said, 200)
        if outcome.sent:
            return Receipt(
                f"{inert(self._channel, 80)} has taken the test" + (f": {said}" if said else ""), 1
            )
        words = f"{inert(self._channel, 80)} has not taken the test: {said}"
        raise Lost(words) if outcome.again else Refused(words)

    async def undo(self, receipt: Receipt) -> Receipt:
        """There is no undoing a message."""
        raise PlanRejected("what is sent is sent")


class Assign:
    """Say who sees to an alert."""

    id: ClassVar[str] = "alerts.assign"
    title: str = "Assign the alert"
    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(self, power: NoticeDesk, source: str, *, fingerprint: str, who: str) -> None:
        self._power = power
        self._fingerprint, self._who = fingerprint, who.strip()[:80]
        self.params = {"fingerprint": fingerprint, "who": self._who}
        self.target = f"{source} {inert(fingerprint, 40)}"

    async def plan(self) -> Plan:
        """Which alert, and to whom."""
        alert = await self._power.alert(self._fingerprint)
        who = inert(self._who, 80) or "nobody"
        return Plan(
            summary=f"{inert(alert.title, 80)} of {inert(alert.source, 40)} is {who}'s to see to",
            count=1,
            reversible=True,
            undo_note="gives it back to whoever had it",
        )

    async def run(self, report: Report) -> Receipt:
        """Enter it."""
        alert = await self._power.alert(self._fingerprint)
        before = await self._power.assign(alert, self._who)
        undo = {"fingerprint": self._fingerprint, "who": before}
        return Receipt(f"{inert(alert.title, 80)} is {inert(self._who, 80) or 'nobody'}'s", 1, undo=undo)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Back to who had it."""
        was = receipt.undo or {}
        alert = await self._power.alert(str(was["fingerprint"]))
        await self._power.assign(alert, str(was["who"]))
        return Receipt(f"{inert(alert.title, 80)} is {inert(str(was['who']), 80) or 'nobody'}'s again", 1)


class Comment:
    """Leave a word in an alert's history."""

    id: ClassVar[str] = "alerts.comment"
    title: str = "Comment on the alert"
    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(self, power: NoticeDesk, source: str, *, fingerprint: str, text: str) -> None:
        self._power = power
        self._fingerprint, self._text = fingerprint, text.strip()[:LONGEST]
        self.params = {"fingerprint": fingerprint, "text": self._text}
        self.target = f"{source} {inert(fingerprint, 40)}"

    async def plan(self) -> Plan:
        """On which."""
        if not self._text:
            raise PlanRejected("a comment needs words")
        alert = await self._power.alert(self._fingerprint)
        text = f"comment on {inert(alert.title, 80)}: {inert(self._text, 120)}"
        return Plan(summary=text, count=1, reversible=False, undo_note="history is append-only")

    async def run(self, report: Report) -> Receipt:
        """Enter it."""
        alert = await self._power.alert(self._fingerprint)
        await self._power.comment(alert, self._text)
        return Receipt(f"{inert(alert.title, 80)}: {inert(self._text, 120)}", 1)

    async def undo(self, receipt: Receipt) -> Receipt:
        """There is none."""
        raise PlanRejected("history is append-only")
