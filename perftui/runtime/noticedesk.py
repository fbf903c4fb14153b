"""What people do about being told: test a channel, take an alert on, leave a word; who was told of what."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from perftui.analysis.noise import noise
from perftui.analysis.promrules import unreplaced
from perftui.analysis.routing import labels_of, paths
from perftui.model.alerts import Alert, AlertEvent
from perftui.model.elsewhere import Held
from perftui.model.errors import ConfigError, PlanRejected
from perftui.model.finding import Severity
from perftui.model.noise import NoiseReport
from perftui.model.notify import (
    ChannelState,
    Delivery,
    Line,
    NoticesReport,
    Notification,
    Outcome,
    Post,
    Route,
    Telling,
    What,
)
from perftui.model.oncall import OnCallReport
from perftui.runtime.alertbook import Book, event_of
from perftui.runtime.alertdesk import Desk, person
from perftui.runtime.clock import Clock
from perftui.runtime.courier import Courier, Pacing
from perftui.runtime.elsewhere import Elsewhere
from perftui.runtime.history import History
from perftui.runtime.loading import load
from perftui.runtime.oncall import OnCall
from perftui.runtime.outbox import Outbox

MOST_LINES = 50_000  # of history, and messages, that a report of noise looks at
MARKED = "this is a test of the channel, nothing is wrong"


class NoticeDesk(Desk):
    """The alerts' desk with the power `NoticeDesk`."""

    def __init__(
        self,
        group: Any,
        kinds: Mapping[str, str],
        clock: Clock,
        book: Book,
        history: History | None,
        changed: Callable[[], None],
        outbox: Outbox,
    ) -> None:
        super().__init__(group, kinds, clock, book, history, changed)
        self.telling = Telling("")
        self._outbox = outbox

    async def channel(self, name: str) -> ChannelState:
        """A channel as it stands; PlanRejected when there is none of that name."""
        found = {one.name: one for one in (await self.notices()).channels}
        if name not in found:
            known = ", ".join(found) or "none: write [channels.NAME]"
            raise PlanRejected(f"there is no channel {name}; there are {known}")
        return found[name]

    async def send_test(self, name: str) -> Outcome:
        """One marked message, sent at once and remembered like any other."""
        now = self._clock.wall()
        what = _marked(name, self.telling.env, now)
        post: Post = load(self.telling.post)()
        try:
            sender = await self._courier(name, post).sender()
        except ConfigError as error:
            return Outcome(False, str(error))
        try:
            numbers = sender.recipients(()) or (await self._oncall(post)).numbers("oncall", now)
            if not numbers:
                return Outcome(False, f"{name} has nobody to send to: set its `to`, or [oncall]")
            for to in numbers:
                outcome = await sender.deliver(_to(what, to), "")
                await self._outbox.record(_to(what, to), outcome, self._clock.wall())
                if not outcome.sent:
                    break
            return outcome
        finally:
            await post.close()  # type: ignore[attr-defined]

    async def oncall(self) -> OnCallReport:
        """Who would be called now, asked of who keeps the schedule."""
        post: Post = load(self.telling.post)()
        try:
            return (await self._oncall(post)).report(self._clock.wall())
        finally:
            await post.close()  # type: ignore[attr-defined]

    async def elsewhere(self) -> tuple[Held, ...]:
        """What the Alertmanagers hold now."""
        post: Post = load(self.telling.post)()
        try:
            made = {name: self._courier(name, post) for name in self.telling.ways}
            return await Elsewhere(made, self._clock).look()
        finally:
            await post.close()  # type: ignore[attr-defined]

    def _courier(self, name: str, post: Post) -> Courier:
        way = {**self.telling.ways, **self.telling.beats}[name]
        return Courier(name, way, post, self._outbox, self._clock, lambda: None, Pacing())

    async def _oncall(self, post: Post) -> OnCall:
        name = self.telling.rota.keeper
        keeper = self._courier(name, post) if name in self.telling.ways else None
        found = OnCall(self.telling.rota, keeper.sender if keeper else None, self._clock)
        await found.look()
        return found

    async def assign(self, alert: Alert, who: str) -> str:
        """Enter who sees to it; who did before."""
        before = (await self._outbox.page()).owners.get(alert.fingerprint, "")
        event = event_of(alert, "assigned" if who else "unassigned", self._clock.wall(), person(), who)
        await self._outbox.assign(alert.fingerprint, alert.began, who, event)
        self._changed()
        return before

    async def comment(self, alert: Alert, text: str) -> None:
        """Leave a word in the alert's history."""
        await self.enter(event_of(alert, "comment", self._clock.wall(), person(), text))

    async def enter(self, event: AlertEvent) -> None:
        """Write a line of history."""
        await self._outbox.note(event)
        self._changed()

    async def notices(self) -> NoticesReport:
        """Channels, routes and deliveries as the store has them."""
        page = await self._outbox.page()
        channels = []
        for name, way in (*self.telling.ways.items(), *self.telling.beats.items()):
            sent_at, failing, said = page.channels.get(name, (None, None, ""))
            channels.append(ChannelState(name, way.kind, sent_at, page.queued.get(name, 0), failing, said))
        routes = self.telling.routes if self.telling.ways else ()
        deliveries = await self._outbox.deliveries()
        return NoticesReport(self._clock.wall(), tuple(channels), routes, deliveries, page.owners)

    async def noise(self, start: float, end: float) -> NoiseReport:
        """How noisy alerts were in [start, end), and what would have cured it."""
        await self.shelf.refresh()
        past = await self.events(start, MOST_LINES)
        sent = await self._outbox.deliveries(MOST_LINES)
        names = {number: name for name, number in self.telling.rota.people.items()}
        rules = (*unreplaced(self.group.rules, self.shelf.rules), *self.shelf.rules)
        return await asyncio.to_thread(noise, past, sent, rules, start, end, None, names)

    async def deliveries(self, fingerprint: str = "") -> tuple[Delivery, ...]:
        """The messages about an alert, or all, newest first."""
        found = await self._outbox.deliveries()
        return tuple(one for one in found if not fingerprint or fingerprint in one.fingerprints)

    def route_of(self, labels: Mapping[str, str]) -> tuple[tuple[Route, ...], ...]:
        """The ways an alert of these labels takes, each from the trunk to the branch that decides."""
        return paths(self.telling.routes, {**self.telling.labels, **labels})

    def route_of_alert(self, alert: Alert) -> tuple[tuple[Route, ...], ...]:
        """The same for an alert."""
        return paths(self.telling.routes, labels_of(alert, self.telling.labels))


def _marked(channel: str, env: str, now: float) -> Notification:
    mark = secrets.token_hex(8)
    line = Line(f"test-{mark}", "test", MARKED, Severity.INFO, "perftui", since=now)
    thread = f"perftui-test-{mark}"
    return Notification(
        mark, channel, What.TEST, thread, f"{thread}@{now:.3f}", now, env, Severity.INFO, MARKED, (line,), 1
    )


def _to(what: Notification, to: str) -> Notification:
    return replace(what, to=to, key=f"{what.key}{to}")
