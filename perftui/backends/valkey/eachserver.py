"""Every server of a backend asked by itself, whether it stands alone or among others."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from perftui.backends.valkey.link import REPLY_LIMIT, Address, Link
from perftui.backends.valkey.slowlog import LOOKER
from perftui.draw.clean import inert
from perftui.model.errors import BackendError, PlanRejected

T = TypeVar("T")

AT_ONCE = 16
"""Servers that are asked at the same time."""


class EachServer(ABC):
    """Connections that last for one question: it is asked seldom, and waits for nothing else."""

    @abstractmethod
    def _reached(self, node: str) -> Address:
        """How to reach host:port with our login; empty: the one server there is."""

    async def _places(self) -> Sequence[str]:
        """Every server as host:port; one empty place for the one server there is."""
        return ("",)

    async def _one_of(self, node: str) -> Address:
        """How to reach the one of that name; the only one there is needs none.

        Raises:
            PlanRejected: there are several, and none of that name.
        """
        found = {place: self._reached(place) for place in await self._places()}
        at = next((one for place, one in found.items() if node in {place, str(one)}), None)
        if at is None and len(found) > 1:
            raise PlanRejected(f"{inert(node, 60) or 'no server'} is none of these: {', '.join(found)}")
        return at or next(iter(found.values()))

    @asynccontextmanager
    async def _linked(self, node: str) -> AsyncIterator[Link]:
        """A connection to the one of that name.

        Raises:
            PlanRejected: there are several, and none of that name.
        """
        link = Link(await self._one_of(node), LOOKER)
        try:
            yield link
        finally:
            await link.close()

    async def _ask_each(
        self, ask: Callable[[Link], Coroutine[Any, Any, T]], limit: int = REPLY_LIMIT
    ) -> tuple[list[tuple[str, T]], list[tuple[str, BackendError]]]:
        """What each server answers, of at most `limit` bytes, and why some do not.

        Raises:
            BackendError: none of them does.
        """
        places, turn = await self._places(), asyncio.Semaphore(AT_ONCE)

        async def one(place: str) -> tuple[str, T | BackendError]:
            link = Link(self._reached(place), LOOKER, limit)
            async with turn:
                try:
                    return link.where, await ask(link)
                except BackendError as error:
                    return link.where, error
                finally:
                    await link.close()

        answers = await asyncio.gather(*map(one, places))
        told = [(at, answer) for at, answer in answers if not isinstance(answer, BackendError)]
        silent = [(at, answer) for at, answer in answers if isinstance(answer, BackendError)]
        if silent and not told:
            raise silent[0][1]
        return told, silent
