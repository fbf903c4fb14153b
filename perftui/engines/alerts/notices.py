"""Testing a channel, assigning alerts, commenting on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from perftui.draw.clean import inert
from perftui.engines.alerts.deeds import MOST_AT_ONCE, named
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.alerts import Alert
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


class _Several:
    """What is done about one alert, or about marked ones together: `others` are their fingerprints."""

    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(self, power: NoticeDesk, source: str, fingerprint: str, others: Sequence[str]) -> None:
        self._power = power
        self._marks = tuple(dict.fromkeys((fingerprint, *others)))[:MOST_AT_ONCE]
        self.params: dict[str, Any] = {"fingerprint": fingerprint}
        self.params |= {"others": list(self._marks[1:])} if len(self._marks) > 1 else {}
        more = f" and {len(self._marks) - 1} more" if len(self._marks) > 1 else ""
        self.target = f"{source} {inert(fingerprint, 40)}{more}"

    async def _alerts(self) -> list[Alert]:
        return [await self._power.alert(mark) for mark in self._marks]


class Assign(_Several):
    """Say who sees to an alert, or to each of several."""

    id: ClassVar[str] = "alerts.assign"
    title: str = "Assign the alert"

    def __init__(
        self, power: NoticeDesk, source: str, *, fingerprint: str, who: str, others: Sequence[str] = ()
    ) -> None:
        super().__init__(power, source, fingerprint, others)
        self._who = who.strip()[:80]
        self.params |= {"who": self._who}

    async def plan(self) -> Plan:
        """Which alerts, and to whom."""
        found, who = await self._alerts(), inert(self._who, 80) or "nobody"
        return Plan(
            summary=f"{named(found)} {_are(found)} {who}'s to see to",
            affects=_titles(found),
            count=len(found),
            reversible=True,
            undo_note="gives back to whoever had it",
        )

    async def run(self, report: Report) -> Receipt:
        """Enter it."""
        found = await self._alerts()
        before = [[one.fingerprint, await self._power.assign(one, self._who)] for one in found]
        text = f"{_short(found)} {_are(found)} {inert(self._who, 80) or 'nobody'}'s"
        return Receipt(text, len(found), undo={"before": before})

    async def undo(self, receipt: Receipt) -> Receipt:
        """Back to who had each."""
        found, whose = [], []
        for mark, who in (receipt.undo or {})["before"]:
            alert = await self._power.alert(str(mark))
            await self._power.assign(alert, str(who))
            found.append(alert)
            whose.append(f"{inert(str(who), 80) or 'nobody'}'s")
        return Receipt(f"{_short(found)} {_are(found)} {', '.join(dict.fromkeys(whose))} again", len(found))


class Comment(_Several):
    """Leave a word in an alert's history, or in that of each of several."""

    id: ClassVar[str] = "alerts.comment"
    title: str = "Comment on the alert"

    def __init__(
        self, power: NoticeDesk, source: str, *, fingerprint: str, text: str, others: Sequence[str] = ()
    ) -> None:
        super().__init__(power, source, fingerprint, others)
        self._text = text.strip()[:LONGEST]
        self.params |= {"text": self._text}

    async def plan(self) -> Plan:
        """On which."""
        if not self._text:
            raise PlanRejected("a comment needs words")
        found = await self._alerts()
        return Plan(
            summary=f"comment on {_short(found)}: {inert(self._text, 120)}",
            affects=_titles(found),
            count=len(found),
            reversible=False,
            undo_note="history is append-only",
        )

    async def run(self, report: Report) -> Receipt:
        """Enter it."""
        found = await self._alerts()
        for alert in found:
            await self._power.comment(alert, self._text)
        return Receipt(f"{_short(found)}: {inert(self._text, 120)}", len(found))

    async def undo(self, receipt: Receipt) -> Receipt:
        """There is none."""
        raise PlanRejected("history is append-only")


def _short(alerts: Sequence[Alert]) -> str:
    return inert(alerts[0].title, 80) if len(alerts) == 1 else named(alerts)


def _are(alerts: Sequence[Alert]) -> str:
    return "is" if len(alerts) == 1 else "are"


def _titles(alerts: Sequence[Alert]) -> tuple[str, ...]:
    return tuple(inert(alert.title, 200) for alert in alerts[:10]) if len(alerts) > 1 else ()
