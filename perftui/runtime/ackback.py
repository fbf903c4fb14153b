"""Brings acknowledgements made in a channel itself home, where they stop repeats and escalation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from perftui.analysis.noticegroups import Group
from perftui.model.errors import ConfigError, PerftuiError
from perftui.model.notify import AckReader, Taken
from perftui.runtime.courier import Courier

log = logging.getLogger(__name__)

DEADLINE: Final = 20.0  # seconds of one
Enter = Callable[[Sequence[str], str, Taken], Awaitable[None]]


class AckBack:
    """Asks channels that can say who acknowledged about the incidents that nobody has acknowledged here.

    Each incident is brought home once: who takes an acknowledgement back here means it.
    """

    def __init__(
        self,
        couriers: Mapping[str, Courier],
        groups: Callable[[], Iterable[Group]],
        holder: Callable[[], bool],
        enter: Enter,
        every: float,
    ) -> None:
        self._couriers = couriers
        self._groups = groups
        self._holder = holder
        self._enter = enter
        self._every = every
        self._known: set[str] = set()

    async def run(self) -> None:
        """Ask now and then while this one decides, until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            if self._holder():
                await self.look()

    async def look(self) -> None:
        """One round of questions; a channel that does not answer is asked again."""
        groups = [one for one in self._groups() if one.sequence and one.ended is None]
        self._known &= {one.incident for one in groups}
        self._known |= {one.incident for one in groups if one.acked_by}
        for name, courier in self._couriers.items():
            mine = [one for one in groups if self._asks(one, name)]
            try:
                found = await self._asked(courier, mine) if mine else {}
                for one in mine:
                    if one.thread in found:
                        await self._enter(one.said, name, found[one.thread])
                        self._known.add(one.incident)
            except (PerftuiError, TimeoutError) as error:
                log.info("%s: who acknowledged is not known: %s", name, error)

    def _asks(self, group: Group, channel: str) -> bool:
        return group.incident not in self._known and any(p.channel == channel for p in group.places)

    async def _asked(self, courier: Courier, groups: Sequence[Group]) -> Mapping[str, Taken]:
        try:
            sender = await courier.sender()
        except ConfigError:  # its secret is not there: the courier says so
            return {}
        if not isinstance(sender, AckReader):
            return {}
        async with asyncio.timeout(DEADLINE):
            return await sender.acknowledged([one.thread for one in groups])
