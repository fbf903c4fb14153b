"""Takes one channel's messages out of the outbox, in order, until the other side has them."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from perftui.model.errors import ConfigError, StoreError
from perftui.model.notify import DeliveryState, Illustrated, Outcome, Paint, Post, Sender, Way, What
from perftui.runtime.clock import Clock
from perftui.runtime.leases import Lease
from perftui.runtime.loading import bring
from perftui.runtime.outbox import Outbox, Waiting

log = logging.getLogger(__name__)

DAY = 86400.0
HOUR = 3600.0
DEADLINE = 20.0  # seconds of one delivery; senders have shorter ones of their own
ENOUGH = 3  # messages held up from which on a digest says it better


@dataclass(frozen=True, slots=True)
class Pacing:
    """Seconds: first and longest wait after a failure, the outage that makes a digest, between looks.

    An idle courier is woken by news; its own looks are for clocks that were set. `acks` are seconds between
    two questions who has acknowledged over there.
    """

    first: float = 1.0
    longest: float = 300.0
    outage: float = 600.0
    look: float = 5.0
    idle: float = 60.0
    acks: float = 30.0


class Courier:
    """One channel's sending, while its owner holds the lease.

    A message is marked after it was taken by the other side: a crash in between sends it again, with the
    same key. `failing` is since when nothing went through.
    """

    def __init__(
        self,
        name: str,
        way: Way,
        post: Post,
        outbox: Outbox,
        clock: Clock,
        lease: Callable[[], Lease | None],
        pacing: Pacing,
        told: Callable[[], None] = lambda: None,
        paint: Paint | None = None,
    ) -> None:
        self.name = name
        self.failing: float | None = None
        self._way = way
        self._post = post
        self._outbox = outbox
        self._clock = clock
        self._lease = lease
        self._pacing = pacing
        self._told = told
        self._paint = paint
        self._sender: Sender | None = None
        self._failures = 0
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is something new."""
        self._woken.set()

    async def sender(self) -> Sender:
        """The sender, made when first needed; ConfigError when a secret is not where it should be."""
        if self._sender is None:
            made = await bring(self._way.place)
            self._sender = made(self.name, self._way.options(), self._post)
            if isinstance(self._sender, Illustrated):
                self._sender.paint = self._paint
        return self._sender

    async def run(self) -> None:
        """Send what is due until cancelled."""
        while True:
            try:
                wait = await self._round()
            except StoreError as error:
                log.info("%s", error)
                wait = self._pacing.look
            await self._rest(wait)

    async def _rest(self, seconds: float) -> None:
        """A failing channel waits its time out; a quiet one is woken by news."""
        if self._failures:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()

    async def _round(self) -> float:
        """Send all that is due; seconds until the next look."""
        while (lease := self._lease()) is not None:
            now = self._clock.wall()
            waiting = await self._outbox.due(self.name, now, lease)
            if waiting is None:
                soon = await self._outbox.next_at(self.name)
                self._failures = 0 if soon is None else self._failures
                return min(max(0.01, (soon or now + DAY) - now), self._pacing.idle)
            wait = await self._send(waiting, now)
            self._told()
            if wait:
                return wait
        return self._pacing.look

    async def _send(self, waiting: Waiting, now: float) -> float:
        """One attempt; seconds to wait before the next."""
        try:
            sender = await self.sender()
        except ConfigError as error:
            return await self._failed(waiting, Outcome(False, str(error), again=True), now)
        if await self._crowded(sender, waiting, now):
            return 0.0
        try:
            async with asyncio.timeout(DEADLINE):
                outcome = await sender.deliver(waiting.what, waiting.ref)
        except TimeoutError:
            outcome = Outcome(False, f"no answer in {DEADLINE:g} s", again=True)
        now = self._clock.wall()
        if not outcome.sent:
            return await self._failed(waiting, outcome, now)
        self.failing, self._failures = None, 0
        await self._outbox.mark(waiting.what, DeliveryState.SENT, outcome, now)
        return sender.pace

    async def _failed(self, waiting: Waiting, outcome: Outcome, now: float) -> float:
        self.failing = self.failing or now
        if not outcome.again:
            log.warning("%s refused a message: %s", self.name, outcome.said)
            await self._outbox.mark(waiting.what, DeliveryState.REFUSED, outcome, now)
            return 0.0
        self._failures += 1
        wait = max(self._backoff(), outcome.after)
        state = DeliveryState.GIVEN_UP if now + wait - waiting.what.at > DAY else DeliveryState.QUEUED
        await self._outbox.mark(waiting.what, state, outcome, now, now + wait)
        return wait

    def _backoff(self) -> float:
        doubled = self._pacing.first * 2.0 ** min(self._failures - 1, 20)
        return min(self._pacing.longest, doubled) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries only

    async def _crowded(self, sender: Sender, waiting: Waiting, now: float) -> bool:
        """Whether what waits was folded into one, or waits because its person heard enough this hour."""
        what = waiting.what
        test = what.what in (What.TEST, What.DIGEST)
        if sender.folds and not test and self.failing and now - self.failing >= self._pacing.outage:
            page = await self._outbox.page()
            if page.queued.get(self.name, 0) >= ENOUGH:
                await self._outbox.fold(self.name, what.to, now)
                return True
        if sender.hourly:
            heard = await self._outbox.sent_since(self.name, what.to, now - HOUR)
            if len(heard) >= sender.hourly:
                await self._outbox.fold(self.name, what.to, now)
                await self._outbox.put_off(self.name, what.to, heard[-sender.hourly] + HOUR)
                return True
        return False
