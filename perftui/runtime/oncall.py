"""Who is on call: as the schedule over there has it while that is known, else as the rota has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from perftui.model.errors import ConfigError
from perftui.model.notify import ONCALL, SECOND, Rota
from perftui.model.oncall import Duty, DutyReader, OnCallReport, Roll
from perftui.runtime.clock import Clock

log = logging.getLogger(__name__)

EVERY: Final = 60.0  # seconds between two questions
SETTLED: Final = 1.0  # seconds after a turn's end when the next one's is told
HOLDS: Final = 3600.0  # seconds an answer is believed when no newer one comes, if the turn lasts as long
DEADLINE: Final = 6.0  # seconds of one question


class OnCall:
    """Remembers the last answer; `sender` is asked for what can give one."""

    def __init__(self, rota: Rota, sender: Callable[[], Awaitable[object]] | None, clock: Clock) -> None:
        self._rota = rota
        self._sender = sender if rota.schedule else None
        self._clock = clock
        self._asked: float | None = None
        self._roll = Roll()
        self._said = ""

    async def run(self) -> None:
        """Ask now and then until cancelled; at once where there is nothing to ask."""
        while self._sender is not None:
            now = self._clock.wall()
            turns = (one.until - now for one in self._roll.duties if one.until > now)
            await asyncio.sleep(min((EVERY, *turns)) + SETTLED)
            await self.look()

    async def look(self) -> None:
        """One question; what is not answered leaves the last answer, and its reason."""
        if self._sender is None:
            return
        roll = await self._answer(self._sender)
        if not roll.said:
            self._roll, self._asked = roll, self._clock.wall()
        elif roll.said != self._said:
            log.warning("the schedule %s is not known: %s", self._rota.schedule, roll.said)
        self._said = roll.said

    async def _answer(self, sender: Callable[[], Awaitable[object]]) -> Roll:
        schedules = [one for one in (self._rota.schedule, self._rota.second_schedule) if one]
        try:
            async with asyncio.timeout(DEADLINE):
                made = await sender()
                if not isinstance(made, DutyReader):
                    return Roll(said="its channel keeps no schedules")
                return await made.on_duty(schedules)
        except ConfigError as error:  # its secret is not there
            return Roll(said=str(error))
        except TimeoutError:
            return Roll(said=f"no answer in {DEADLINE:g} s")

    def numbers(self, to: str, now: float) -> tuple[str, ...]:
        """The numbers that a step's `to` means at `now`: by the schedule, else by the rota."""
        if to not in (ONCALL, SECOND):
            return self._rota.numbers(to, now)
        found, _ = self._turn(to, now)
        return tuple(self._rota.people[name] for name in found)

    def report(self, now: float) -> OnCallReport:
        """Who would be called now, and by what."""
        (first, problem), (second, other) = self._turn(ONCALL, now), self._turn(SECOND, now)
        rota = "the rota" if self._rota.names else ""
        by = f"PagerDuty's {self._rota.schedule}" if self._rota.schedule and not problem else rota
        return OnCallReport(first, second, by, problem or other)

    def _turn(self, to: str, now: float) -> tuple[tuple[str, ...], str]:
        """Names of people, and why it is not as the schedule has it."""
        schedule = self._rota.schedule if to == ONCALL else self._rota.second_schedule
        if not schedule:
            return self._of_rota(to, now), ""
        known = self._asked is not None and now - self._asked < HOLDS
        duties = [one for one in self._roll.duties if one.schedule == schedule and one.until > now]
        found = self._people(duties)
        if known and found:
            return found, ""
        problem = self._said or "it has not been asked yet"
        if known:
            names = ", ".join(dict.fromkeys(one.who for one in duties))
            problem = f"{names}: no number in [oncall] people" if names else "nobody is on call by it"
        return self._of_rota(to, now), f"{schedule} is not followed: {problem}"

    def _people(self, duties: Iterable[Duty]) -> tuple[str, ...]:
        """Those of them who have a number here, by the name or the id that the schedule has, each once."""
        known = {name.casefold(): name for name in self._rota.people}
        said = ((one.who.casefold(), one.id.casefold()) for one in sorted(duties, key=lambda d: d.level))
        return tuple(dict.fromkeys(known[n] for pair in said for n in pair if n in known))

    def _of_rota(self, to: str, now: float) -> tuple[str, ...]:
        """The rota's turn; who is second is not who is first already, by whatever made them that."""
        first = () if to == ONCALL else self._turn(ONCALL, now)[0]
        names = self._rota.turns(now)
        if to == ONCALL:
            return names[:1]
        others = tuple(name for name in names[1:] + names[:1] if name not in first)
        return others[:1] or names[:1]
