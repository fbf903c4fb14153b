"""L2 on a pair of regions: whichever of them is the primary now, and the other once it was promoted.

Nobody is promoted here: the console or its agent does that (`perftui cache promote`), and counts it in a key
that both regions have (`perftui.model.regions`). Of two that say they are the primary the one promoted later
counts; so one that comes back after its loss, and does not know of it, is not written to.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from perftui.instrument.cache.address import Address
from perftui.instrument.cache.node import Greeting, Node, remaining
from perftui.instrument.cache.ports import LinkChange, LinkEvent
from perftui.instrument.cache.resp import Away, Late, Parts, another
from perftui.instrument.cache.store import LABEL, SingleStore
from perftui.model.errors import BackendError, Lost, Refused
from perftui.model.regions import EPOCH_KEY, epoch_of

HEALTH: Final = 1.0  # seconds between questions while the primary serves
HASTE: Final = 0.02  # the same while none does
WITHIN: Final = 0.5
COUNT: Final = 60.0  # the same for the number of promotions
FAILURES: Final = 5  # answers a primary may owe until another one counts that was promoted by nobody we know
FIND: Final = 2.0  # seconds a call without a deadline waits for a primary
GRACE: Final = 5.0  # seconds without a primary after which a call waits for none
UNDONE: Final = frozenset({"READONLY", "MASTERDOWN"})


@dataclass(frozen=True, slots=True)
class View:
    """What a region said last: `role` is empty where it said nothing, `failures` in a row."""

    role: str = ""
    epoch: int = 0
    failures: int = 0
    error: BackendError | None = None
    asked: bool = False


class RegionStore(SingleStore):
    """The primary of `regions`, which share a login.

    A command that was under way when a region was lost is sent to the next primary only where the caller says
    it may be sent twice; one that had not been sent, or was refused by a replica, waits for it in any case.
    """

    def __init__(self, regions: Sequence[Address], label: str = LABEL) -> None:
        super().__init__(regions[0], label)
        self._regions = tuple(regions)
        self._label = label
        self._asked = [Node(replace(at, database=0), lambda _: None, [], label) for at in regions]
        self._views = [View() for _ in regions]
        self._counted = [float("-inf")] * len(self._regions)
        self._looks = [asyncio.Event() for _ in regions]
        self._watching: list[asyncio.Task[None]] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._found = False
        self._serving = asyncio.Event()
        self._lost_at: float | None = None
        self._closed = False
        self.switches = 0
        self._told.add(self._heard, [])

    async def call(self, parts: Parts, within: float | None = None, *, again: bool = False) -> Any:
        """Send a command to the primary; `again`: it may go to the next one too."""
        began = time.monotonic()
        while True:
            node = self.node
            if not node.connected:
                await self._until(lambda: self.node.connected, remaining(within, began))
                node = self.node
            try:
                return await node.call(parts, remaining(within, began))
            except Late:
                raise
            except Away as error:
                if error.code not in UNDONE:
                    raise
                self._hurry()
                await self._until(partial(self._left, node), remaining(within, began))
            except Lost:
                if self._closed or not again:
                    raise

    def greet(self, *parts: bytes | str, answered: Any = None) -> None:
        """A command each connection to a primary sends first."""
        self._watch_on()
        if self._found:
            super().greet(*parts, answered=answered)
        else:
            self._greetings.append(Greeting(parts, answered))

    async def close(self) -> None:
        """Let go; twice is harmless."""
        self._closed = True
        for task in self._watching:
            task.cancel()
        self._serving.set()
        await asyncio.gather(*self._leaving)
        await asyncio.gather(*(node.close() for node in (self.node, *self._asked)))

    # finding the primary

    async def _until(self, ready: Callable[[], bool], within: float | None) -> None:
        """Wait until another region is found, or reached."""
        self._watch_on()
        try:
            async with asyncio.timeout(FIND if within is None else within):
                while not ready():
                    self._despair()
                    self._serving.clear()
                    await self._serving.wait()
        except TimeoutError:
            raise Late(self._problem) from None

    def _left(self, old: Node) -> bool:
        return self.node is not old

    def _despair(self) -> None:
        """Do not wait where that has no sense."""
        refusals = [view.error for view in self._views if isinstance(view.error, Refused)]
        if self._closed or (self._lost_at is not None and time.monotonic() - self._lost_at > GRACE):
            raise Lost("the regions are closed" if self._closed else self._problem)
        if len(refusals) == len(self._regions):
            raise another(refusals[0])

    @property
    def _problem(self) -> str:
        said = (
            f"{at.name} {view.error or ('is a replica' if view.role == 'replica' else 'serves')}"
            for at, view in zip(self._regions, self._views, strict=True)
        )
        return f"no region is a primary that answers: {'; '.join(said)}"

    def _watch_on(self) -> None:
        if self._closed:
            raise Lost("the regions are closed")
        if not self._watching:
            self._watching = [
                asyncio.create_task(self._watch(n), name=f"cache region {at.name}")
                for n, at in enumerate(self._regions)
            ]

    async def _watch(self, number: int) -> None:
        """Ask one region what it is, again and again."""
        look = self._looks[number]
        while True:
            look.clear()
            self._views[number] = await self._view(number)
            self._judge()
            await asyncio.sleep(HASTE)  # however many want to know
            if self._found and self.node.connected:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEALTH):
                        await look.wait()

    async def _view(self, number: int) -> View:
        node, before = self._asked[number], self._views[number]
        try:
            said = {b"master": "primary", b"slave": "replica"}[(await node.call(("ROLE",), WITHIN))[0]]
            epoch = await self._epoch(number, before) if said == "primary" else before.epoch
        except BackendError as error:
            return View("", before.epoch, before.failures + 1, error, asked=True)
        except (KeyError, TypeError, IndexError):
            return View("", before.epoch, before.failures + 1, Lost("tells no role"), asked=True)
        return View(said, epoch, asked=True)

    async def _epoch(self, number: int, before: View) -> int:
        """How late a primary was promoted.

        The one in use is asked seldom: for all clients that would be many lookups, which may be misses. What
        it said stands while it stays the primary, for it may have been flushed since.
        """
        same, now = before.role == "primary", time.monotonic()
        used = self._found and self._regions[number] == self.node.address
        if same and used and now - self._counted[number] < COUNT:
            return before.epoch
        said = epoch_of(await self._asked[number].call(("GET", EPOCH_KEY), WITHIN))
        self._counted[number] = now
        return max(said, before.epoch) if same else said

    def _judge(self) -> None:
        """Go to the primary that was promoted last; where two say the same, stay."""
        views = self._views
        if not all(view.asked for view in views):
            return
        now = self._regions.index(self.node.address)
        primaries = [n for n, view in enumerate(views) if view.role == "primary"]
        best = max(primaries, key=lambda n: (views[n].epoch, n == now, -n), default=None)
        if best is None:
            self._serving.set()  # whoever waits looks whether that has any sense
            return
        had = views[now]
        later = views[best].epoch > had.epoch
        if not self._found or (best != now and (later or had.role == "replica" or had.failures >= FAILURES)):
            self._use(best)

    def _use(self, number: int) -> None:
        old = self.node
        self.node = Node(self._regions[number], self._told, self._greetings, self._label, master=True)
        self.node.wake()
        if self._found:
            self.switches += 1
            self._leaving.add(leaving := asyncio.create_task(old.leave("is no primary any more", WITHIN)))
            leaving.add_done_callback(self._leaving.discard)
            self._told(LinkEvent(LinkChange.MOVED, old.address.name))
        self._found = True
        self._serving.set()
        self._hurry()

    def _heard(self, event: LinkEvent) -> None:
        if event.node != self.node.address.name:
            return
        if event.change is LinkChange.UP:
            self._lost_at = None
            self._serving.set()
        elif event.change is LinkChange.DOWN:
            self._lost_at = self._lost_at or time.monotonic()
            self._hurry()

    def _hurry(self) -> None:
        for look in self._looks:
            look.set()
