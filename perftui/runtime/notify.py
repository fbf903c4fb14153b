"""From alerts to messages: groups them, decides who hears, and writes that down for the couriers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from perftui.analysis.noticegroups import Group, Member, Message, Place, advanced, next_step
from perftui.analysis.routing import group_of, labels_of, routed
from perftui.draw import format as fmt
from perftui.model.alerts import Alert, AlertsReport, AlertState
from perftui.model.errors import ConfigError, StoreError
from perftui.model.finding import Severity
from perftui.model.notify import (
    ChannelState,
    NoticesReport,
    Notification,
    Paint,
    Post,
    Route,
    Telling,
    What,
)
from perftui.runtime.ackback import AckBack, Enter
from perftui.runtime.beats import Beat
from perftui.runtime.clock import Clock
from perftui.runtime.courier import Courier, Pacing
from perftui.runtime.elsewhere import Elsewhere
from perftui.runtime.leases import Lease, Leases
from perftui.runtime.noticewords import line_of_gone, lines, titled, unique, way_recipients
from perftui.runtime.oncall import OnCall
from perftui.runtime.outbox import Entry, Outbox, Page
from perftui.runtime.storealarm import StoreAlarm
from perftui.runtime.tasks import Crew

log = logging.getLogger(__name__)

LEASE = "notify"
FRESH = 60.0  # seconds after which a look at the alerts says nothing about now
FAILING = 300.0  # seconds of a channel's failing after which another one is told
CACHED = 20000
SHOWN = 100  # deliveries on the screen


@dataclass
class _Bundle:
    """The alerts of one group as they are now."""

    route: Route
    labels: tuple[tuple[str, str], ...]
    alerts: list[Alert] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)


class Notifier:
    """Writes messages while it holds the lease; the couriers of the same holder send them.

    Groups and messages are written in one transaction under the lease: whoever takes over goes on
    exactly where the last one was.
    """

    def __init__(
        self,
        telling: Telling,
        post: Post,
        outbox: Outbox,
        leases: Leases,
        clock: Clock,
        published: Callable[[NoticesReport], None] | None = None,
        wanted: Callable[[], bool] = lambda: True,
        pacing: Pacing | None = None,
        enter: Enter | None = None,
        paint: Paint | None = None,
    ) -> None:
        self.telling = telling
        self.problem = ""
        self._outbox = outbox
        self._leases = leases
        self._clock = clock
        self._published = published
        self._wanted = wanted
        self._pacing = pacing or Pacing()
        self._lease: Lease | None = None
        self._report: AlertsReport | None = None
        self._news = False
        self._page = Page()
        self._routes: dict[str, tuple[Mapping[str, str], tuple[Route, ...]]] = {}
        self._woken = asyncio.Event()
        self._one = asyncio.Lock()  # two decisions at once would each take the other's lease for a stranger's
        self.couriers = {
            name: Courier(
                name, way, post, outbox, clock, lambda: self._lease, self._pacing, self._went, paint
            )
            for name, way in telling.ways.items()
        }
        self._alarm = StoreAlarm(telling.env, self.couriers, clock)
        self.beats = {
            name: Beat(name, telling.env, way, post, outbox, clock, self._alive)
            for name, way in telling.beats.items()
        }

        keeper = self.couriers.get(telling.rota.keeper)
        self.oncall = OnCall(telling.rota, keeper.sender if keeper else None, clock)
        self._elsewhere = Elsewhere(self.couriers, clock, self._wanted)
        every = self._pacing.acks
        self._acks = (
            AckBack(self.couriers, self._groups, lambda: self.holder, enter, every) if enter else None
        )

    def _groups(self) -> Iterable[Group]:
        return self._page.groups.values()

    def _alive(self) -> bool:
        """Whether rules are evaluated and what they find would be told."""
        report = self._report
        watched = report is not None and self._clock.wall() - report.evaluated < FRESH
        return self._lease is not None and watched and not self.problem

    @property
    def holder(self) -> bool:
        """Whether this one decides and sends."""
        return self._lease is not None

    def look(self, report: AlertsReport) -> None:
        """The newest look at the alerts."""
        self._report = report
        self._news = True
        self._woken.set()

    def _went(self) -> None:
        """A message went out or did not: there is something to show, and nothing to decide."""
        if self._wanted():
            self._woken.set()

    async def run(self) -> None:
        """Decide at each new look and a few seconds later at the latest, until cancelled."""
        async with Crew("notify") as crew:
            for name, courier in self.couriers.items():
                crew.start(name, courier.run())
            for name, beat in self.beats.items():
                crew.start(name, beat.run())
            crew.start("elsewhere", self._elsewhere.run())
            if self._acks is not None:
                crew.start("acknowledgements", self._acks.run())
            await self.oncall.look()  # before the first message asks for a number
            crew.start("on call", self.oncall.run())
            try:
                while True:
                    await self.tick()
                    while not await self._rest():
                        await self.tick(decide=False)
            finally:
                await self.close()

    async def _rest(self) -> bool:
        """Until there is news; whether it is any to decide about."""
        try:
            async with asyncio.timeout(self._pacing.look):
                await self._woken.wait()
        except TimeoutError:
            return True
        finally:
            self._woken.clear()
        news, self._news = self._news, False
        return news

    async def close(self) -> None:
        """Let another one take over at once."""
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                await self._leases.drop(lease)
            except StoreError as error:
                log.info("%s", error)

    async def tick(self, *, decide: bool = True) -> None:
        """One decision; a store that cannot be reached is said, and asked again."""
        async with self._one:
            await self._tick(self._clock.wall(), decide)

    async def _tick(self, now: float, decide: bool) -> None:
        try:
            if (self.telling.ways or self.telling.beats) and decide:
                await self._consult()
            if self.telling.ways or self._wanted():
                self._page = await self._outbox.page()
            if self._lease is not None and decide:
                await self._decide(self._lease, self._clock.wall())
            if self._published is not None and self._wanted():
                self._published(await self.report(now))
            self.problem = ""
            await self._alarm.fine()
        except StoreError as error:
            self.problem = str(error)  # the lease, if it is still ours, is renewed when the store is back
            if self._lease is not None:
                await self._alarm.failed(self.problem)

    async def _consult(self) -> None:
        if self._lease is not None:
            self._lease = await self._leases.renew(self._lease)
        if self._lease is None:
            self._lease = await self._leases.take(f"{LEASE}/{self.telling.env}")
            if self._lease is not None:
                for name, (_, failing, _said) in (await self._outbox.page()).channels.items():
                    if name in self.couriers:
                        self.couriers[name].failing = failing
                for courier in self.couriers.values():
                    courier.wake()

    async def _decide(self, lease: Lease, now: float) -> None:
        report = self._report
        fresh = report is not None and now - report.evaluated < FRESH
        groups, messages = self._stepped(report, now) if report is not None and fresh else ({}, [])
        failing, more = self._troubles(now)
        before = self._page.groups
        after = (groups if fresh else {k: g for k, g in before.items() if not _of_channel(g)}) | failing
        changed = tuple(g for k, g in after.items() if before.get(k) != g)
        gone = tuple(k for k in before if k not in after)
        if not (changed or gone or messages or more):
            return
        entry = Entry(changed, gone, (*messages, *more))
        if not await self._outbox.enter(entry, lease, now):
            self._lease = None
            return
        self._page = await self._outbox.page()
        for name in {one.channel for one in entry.messages} & self.couriers.keys():
            self.couriers[name].wake()

    # groups

    def _stepped(self, report: AlertsReport, now: float) -> tuple[dict[str, Group], list[Notification]]:
        bundles = self._bundles(report)
        before = {k: g for k, g in self._page.groups.items() if not _of_channel(g)}
        after: dict[str, Group] = {}
        messages: list[Notification] = []
        by_mark = {alert.fingerprint: alert for alert in report.alerts}
        routes = {route.name: route for route in self.telling.routes}
        for key in dict.fromkeys((*before, *bundles)):
            group, bundle = before.get(key), bundles.get(key)
            route = bundle.route if bundle else routes.get(group.route if group else "")
            if route is None:  # it was taken out of the configuration: nobody is to be told any more
                continue
            policy = self.telling.policies.get(route.escalation)
            labels = bundle.labels if bundle else group.labels if group else ()
            members = bundle.members if bundle else []
            new, said = advanced(group, key, route, labels, members, policy, now)
            alerts = bundle.alerts if bundle else []
            new = titled(new, alerts)
            if new is not None:
                after[key] = new
            for message in said:
                told = replace(new, said=message.group.said) if new else message.group
                messages += self._written(replace(message, group=told), alerts, by_mark, now)
        return after, messages

    def _bundles(self, report: AlertsReport) -> dict[str, _Bundle]:
        said = {mark for group in self._page.groups.values() for mark in group.said if group.ended is None}
        found: dict[str, _Bundle] = {}
        for alert in report.alerts:
            mark = alert.fingerprint
            if alert.state is not AlertState.FIRING and not (alert.flapping and mark in said):
                continue
            quiet = bool(alert.silence or alert.muted_by)
            member = Member(mark, alert.began, alert.ack.who if alert.ack else "", quiet)
            labels, routes = self._way_of(alert)
            for route in routes:
                by = group_of(route, labels)
                key = f"{route.name}|" + "|".join(f"{name}={value}" for name, value in by)
                bundle = found.setdefault(key, _Bundle(route, by))
                bundle.alerts.append(alert)
                bundle.members.append(member)
        return found

    def _way_of(self, alert: Alert) -> tuple[Mapping[str, str], tuple[Route, ...]]:
        """An alert's labels never change: neither does its way."""
        found = self._routes.get(alert.fingerprint)
        if found is None:
            if len(self._routes) > CACHED:
                self._routes.clear()
            labels = labels_of(alert, self.telling.labels)
            found = self._routes[alert.fingerprint] = (labels, routed(self.telling.routes, labels))
        return found

    # messages

    def _written(
        self, message: Message, alerts: Sequence[Alert], by_mark: Mapping[str, Alert], now: float
    ) -> Iterable[Notification]:
        """One message a recipient of each place."""
        group = message.group
        shown = [alert for alert in alerts if not (alert.silence or alert.muted_by)]
        over = [by_mark[mark] for mark in group.said if mark in by_mark] if not alerts else []
        for place in message.places:
            way = self.telling.ways.get(place.channel)
            named = lines(shown or over, way.kind if way else "") or (line_of_gone(group, message.what),)
            for to in self._recipients(place, now):
                yield Notification(
                    unique(group, place.channel, to),
                    place.channel,
                    message.what,
                    group.thread,
                    group.incident,
                    now,
                    self.telling.env,
                    group.severity,
                    group.title,
                    named,
                    max(len(shown or over), 1),
                    message.who,
                    message.note,
                    to,
                    group.opened,
                )

    def _recipients(self, place: Place, now: float) -> tuple[str, ...]:
        way = self.telling.ways.get(place.channel)
        if way is None:
            return ()
        numbers = self.oncall.numbers(place.to, now) if place.to else ()
        try:
            recipients = way_recipients(way.kind, way.options, numbers)
        except ConfigError:  # its secret is not there: the courier says so, message by message
            return numbers or ("",)
        return recipients or self.oncall.numbers("oncall", now) or ("",)

    # channels in trouble

    def _troubles(self, now: float) -> tuple[dict[str, Group], list[Notification]]:
        """A channel that has failed for a while is an incident on the next one."""
        groups: dict[str, Group] = {}
        messages: list[Notification] = []
        for name in self.couriers:
            _, failing, said = self._page.channels.get(name, (None, None, ""))
            key = f"channel|{name}"
            known = self._page.groups.get(key)
            if failing is None and known is not None:
                done = replace(known, sequence=known.sequence + 1)
                messages += self._trouble(done, What.RESOLVE, now, "")
            elif failing is not None and known is not None:
                groups[key] = known
            elif failing is not None and now - failing >= FAILING and (place := self._beside(name)):
                title = f"channel {name} has not delivered since {fmt.clock(failing)}"
                made = Group(key, "", (), f"channel-{name}", failing, (place,), sequence=1, title=title)
                groups[key] = made = replace(made, severity=Severity.WARNING, sent_at=now)
                messages += self._trouble(made, What.TRIGGER, now, said)
        return groups, messages

    def _beside(self, name: str) -> Place | None:
        """The next channel in order that is not failing itself."""
        names = list(self.couriers)
        after = [*names[names.index(name) + 1 :], *names[: names.index(name)]]
        fine = [n for n in after if self._page.channels.get(n, (None, None, ""))[1] is None]
        return Place(fine[0]) if fine else None

    def _trouble(self, group: Group, what: What, now: float, said: str) -> Iterable[Notification]:
        return self._written(Message(group, what, group.places, note=said), (), {}, now)

    # telling the screen

    def standing(self) -> tuple[ChannelState, ...]:
        """Every channel as the last look at the store found it."""
        page, found = self._page, []
        for name, way in (*self.telling.ways.items(), *self.telling.beats.items()):
            sent_at, failing, said = page.channels.get(name, (None, None, ""))
            found.append(ChannelState(name, way.kind, sent_at, page.queued.get(name, 0), failing, said))
        return tuple(found)

    async def report(self, now: float) -> NoticesReport:
        """All about who is told, as the store has it."""
        page, telling = self._page, self.telling
        steps = {
            mark: at
            for group in page.groups.values()
            if (route := next((r for r in telling.routes if r.name == group.route), None)) is not None
            and (at := next_step(group, telling.policies.get(route.escalation))) is not None
            for mark in group.said
        }
        return NoticesReport(
            now,
            self.standing(),
            telling.routes if telling.ways else (),
            await self._outbox.deliveries(SHOWN),
            page.owners,
            self._lease.holder if self._lease else "",
            self.problem,
            steps,
            self.oncall.report(now) if telling.rota.people else None,
            self._elsewhere.held,
        )


def _of_channel(group: Group) -> bool:
    return not group.route
