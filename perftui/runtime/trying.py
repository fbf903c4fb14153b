"""Tries a rule that is still being written on what was recorded, and on the incidents of that time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from perftui.analysis.missed import BEFORE, incidents, told
from perftui.analysis.promrules import INTERVAL, Group, source_of
from perftui.model.alerts import Rule
from perftui.model.backtest import Backtest, Incident, Trial
from perftui.model.event import Event
from perftui.runtime.backtester import Backtester
from perftui.runtime.eventstore import MOST
from perftui.runtime.noticedesk import NoticeDesk

Happened = Callable[[float, int], Awaitable[Sequence[Event]]]
WHOLE: Final = 0.0  # of the clock, where a group of its own ticks


class TryingDesk(NoticeDesk):
    """The alerts' desk with the power `RuleTrier`; `happened` gives the timeline since an instant."""

    happened: Happened | None = None

    async def try_rule(self, rule: Rule, seconds: float) -> Trial | None:
        """What it would have done in the last `seconds`; None: a server is asked, whose past is not here."""
        if self._history is None or source_of(rule):
            return None
        await self.shelf.refresh()
        end = self._clock.wall()
        tester = Backtester(self._history, self._kinds, self._dialect)
        if rule.expr:
            tests = tester.groups(around(self.shelf.groups, rule), end - seconds, end)
        else:
            tests = tester.own((rule,), end - seconds, end)
        async for found in tests:
            return Trial(found, await self.real((found,), end - seconds, end))
        return None

    async def real(self, tests: Iterable[Backtest], start: float, end: float) -> tuple[Incident, ...]:
        """The incidents of a time, each with the rule of these that would have told of it first."""
        events = await self.happened(start, MOST) if self.happened is not None else ()
        return told(incidents(events, await self.events(start - BEFORE), start, end), tests)


def around(groups: Sequence[Group], rule: Rule) -> tuple[Group, ...]:
    """What a rule needs to be evaluated: the recording rules before it and itself, where it stands.

    A rule that stands nowhere yet comes after all of them, in a group of its own.
    """
    found: list[Group] = []
    for group in groups:
        kept: list[Rule] = []
        for one in group.rules:
            if rule.place and one.place == rule.place:
                return (*found, replace(group, rules=(*kept, rule)))
            if one.record:
                kept.append(one)
        found.append(replace(group, rules=tuple(kept)))
    return (*found, Group(rule.group, (rule,), INTERVAL, WHOLE))
