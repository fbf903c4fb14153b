"""Messages to people in the store: written before they are sent, so that no crash loses one or doubles it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from perftui.analysis.noticegroups import Group
from perftui.model.alerts import AlertEvent
from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.notify import Delivery, DeliveryState, Notification, Outcome, What
from perftui.runtime.alertbook import tell
from perftui.runtime.driver import Driver
from perftui.runtime.leases import Lease, stands
from perftui.runtime.store import Store

T = TypeVar("T")
log = logging.getLogger(__name__)

ROOM = 500  # messages waiting of one channel
KEPT = 30 * 86400.0  # seconds a delivery is remembered
SHOWN = 300  # deliveries a shell is told of

_HELD = "SELECT 1 FROM perftui_lease WHERE name = ? AND holder = ? AND counter = ? AND until > {now}"
_ENTER = (
    "INSERT INTO perftui_outbox "
    "(env, key, id, channel, recipient, incident, state, at, next_at, sent_at, tries, said, body) "
    "SELECT ?, ?, coalesce(max(id), 0) + 1, ?, ?, ?, ?, ?, ?, NULL, 0, ?, ? FROM perftui_outbox WHERE true "
    "ON CONFLICT (env, key) DO NOTHING"
)
# The oldest that is due, but none before an earlier one of its incident and recipient.
_DUE = (
    "SELECT key, recipient, tries, at, body FROM perftui_outbox AS one WHERE env = ? AND state = 'QUEUED' "
    "AND channel = ? AND next_at <= ? AND NOT EXISTS (SELECT 1 FROM perftui_outbox AS two "
    "WHERE two.env = one.env AND two.state = 'QUEUED' AND two.channel = one.channel "
    "AND two.incident = one.incident AND two.recipient = one.recipient AND two.id < one.id) "
    "ORDER BY next_at, id LIMIT 1"
)
_MARK = (
    "UPDATE perftui_outbox SET state = ?, tries = tries + 1, said = ?, next_at = ?, sent_at = ? "
    "WHERE env = ? AND key = ? AND state = 'QUEUED'"
)
_CHANNEL = (
    "INSERT INTO perftui_channel (env, name, sent_at, failing, said) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (env, name) DO UPDATE SET said = excluded.said, "
    "sent_at = coalesce(excluded.sent_at, perftui_channel.sent_at), "
    "failing = CASE WHEN excluded.failing IS NULL THEN NULL "
    "ELSE coalesce(perftui_channel.failing, excluded.failing) END"
)
_REF = (
    "INSERT INTO perftui_notice_ref (env, channel, incident, ref, at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (env, channel, incident) DO "
)
_FIRST, _ANEW = _REF + "NOTHING", _REF + "UPDATE SET ref = excluded.ref, at = excluded.at"
_GROUP = (
    "INSERT INTO perftui_notice_group (env, key, body) VALUES (?, ?, ?) "
    "ON CONFLICT (env, key) DO UPDATE SET body = excluded.body"
)
_FOLDABLE = (
    "SELECT key, body FROM perftui_outbox WHERE env = ? AND state = 'QUEUED' AND channel = ? "
    "AND recipient = ? ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message that is due, and what its incident's first one was called there."""

    what: Notification
    tries: int
    ref: str


@dataclass(frozen=True, slots=True)
class Page:
    """All but the messages' own words."""

    groups: Mapping[str, Group] = field(default_factory=dict)
    channels: Mapping[str, tuple[float | None, float | None, str]] = field(default_factory=dict)
    queued: Mapping[str, int] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one look at the alerts writes, all or nothing."""

    groups: tuple[Group, ...] = ()
    gone: tuple[str, ...] = ()
    messages: tuple[Notification, ...] = ()
    events: tuple[AlertEvent, ...] = ()


class Outbox:
    """The messages of one environment; every method raises StoreError when the store cannot do it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._env = store.env

    async def page(self) -> Page:
        """Groups, channels, owners."""
        return await self._read(self._page)

    async def enter(self, entry: Entry, lease: Lease, now: float) -> bool:
        """Put it in; False (and nothing written) when somebody else holds the lease by now."""

        def work(driver: Driver) -> bool:
            with driver.transaction():
                if not stands(driver, lease):
                    return False
                rows = [(self._env, group.key, _text(group)) for group in entry.groups]
                driver.executemany(_GROUP, rows)
                gone = [(self._env, key) for key in entry.gone]
                driver.executemany("DELETE FROM perftui_notice_group WHERE env = ? AND key = ?", gone)
                self._put(driver, entry.messages)
                tell(driver, self._env, entry.events)
                if entry.gone:
                    self._expire(driver, now)
                return True

        return await self._write(work)

    async def put(self, message: Notification) -> None:
        """Enter one message that no look at the alerts caused, such as a test."""

        def work(driver: Driver) -> None:
            with driver.transaction():
                self._put(driver, (message,))

        await self._write(work)

    def _put(self, driver: Driver, messages: Sequence[Notification]) -> None:
        room = {name: ROOM - waiting for name, waiting in self._queued(driver).items()}
        for one in messages:
            left = room.get(one.channel, ROOM)
            full = left <= 0
            state = DeliveryState.GIVEN_UP if full else DeliveryState.QUEUED
            said = f"{ROOM} messages were waiting already" if full else ""
            row = (self._env, one.key, one.channel, one.to, one.incident, state.name, one.at, one.at, said)
            room[one.channel] = left - driver.execute(_ENTER, (*row, _text(one)))

    async def due(self, channel: str, now: float, lease: Lease) -> Waiting | None:
        """The next message of a channel; None when there is none, or somebody else sends now."""

        def work(driver: Driver) -> Waiting | None:
            if not _holds(driver, lease):
                return None
            for _key, _recipient, tries, _at, body in driver.query(_DUE, (self._env, channel, now)):
                for what in _values(Notification, (body,)):
                    return Waiting(what, tries, self._ref(driver, channel, what.incident))
            return None

        return await self._read(work)

    def _ref(self, driver: Driver, channel: str, incident: str) -> str:
        sql = "SELECT ref FROM perftui_notice_ref WHERE env = ? AND channel = ? AND incident = ?"
        rows = driver.query(sql, (self._env, channel, incident))
        return rows[0][0] if rows else ""

    async def mark(
        self, what: Notification, state: DeliveryState, outcome: Outcome, now: float, next_at: float = 0.0
    ) -> None:
        """How an attempt went: for the message, its channel, its incident's name there, and history."""

        def work(driver: Driver) -> None:
            sent = state is DeliveryState.SENT
            with driver.transaction():
                values = (state.name, outcome.said, next_at, now if sent else None, self._env, what.key)
                changed = driver.execute(_MARK, values)
                failing = None if sent else now
                driver.execute(
                    _CHANNEL, (self._env, what.channel, now if sent else None, failing, outcome.said)
                )
                if outcome.ref:
                    named = (self._env, what.channel, what.incident, outcome.ref, now)
                    driver.execute(_ANEW if outcome.anew else _FIRST, named)
                if changed == 1 and state is not DeliveryState.QUEUED:
                    tell(driver, self._env, (_line(what, state, outcome, now),))

        await self._write(work)

    async def record(self, what: Notification, outcome: Outcome, now: float) -> None:
        """Enter a message that was sent at once, such as a test."""
        await self.put(what)
        state = DeliveryState.SENT if outcome.sent else DeliveryState.REFUSED
        await self.mark(what, state, outcome, now)

    async def put_off(self, channel: str, recipient: str, until: float) -> None:
        """Let what waits for a recipient wait until then."""
        sql = (
            "UPDATE perftui_outbox SET next_at = ? WHERE env = ? AND state = 'QUEUED' "
            "AND channel = ? AND recipient = ?"
        )
        await self._write(lambda driver: driver.execute(sql, (until, self._env, channel, recipient)))

    async def fold(self, channel: str, recipient: str, now: float) -> None:
        """Make one digest of all that waits for a recipient of a channel, when that is more than one."""

        def work(driver: Driver) -> None:
            with driver.transaction():
                rows = driver.query(_FOLDABLE, (self._env, channel, recipient))
                found = _values(Notification, (body for _, body in rows))
                if len(found) < 2:
                    return
                sql = "UPDATE perftui_outbox SET state = 'FOLDED' WHERE env = ? AND key = ?"
                driver.executemany(sql, [(self._env, one.key) for one in found])
                self._put(driver, (digest(found, now),))

        await self._write(work)

    async def sent_since(self, channel: str, recipient: str, since: float) -> tuple[float, ...]:
        """When messages went to a recipient, oldest first."""
        sql = (
            "SELECT sent_at FROM perftui_outbox WHERE env = ? AND state = 'SENT' AND channel = ? "
            "AND recipient = ? AND sent_at >= ? ORDER BY sent_at"
        )
        rows = await self._read(lambda d: d.query(sql, (self._env, channel, recipient, since)))
        return tuple(at for (at,) in rows)

    async def next_at(self, channel: str) -> float | None:
        """When the first of a channel's waiting messages may go."""
        sql = "SELECT min(next_at) FROM perftui_outbox WHERE env = ? AND state = 'QUEUED' AND channel = ?"
        rows = await self._read(lambda driver: driver.query(sql, (self._env, channel)))
        return rows[0][0] if rows else None

    async def deliveries(self, most: int = SHOWN) -> tuple[Delivery, ...]:
        """The newest messages, newest first."""
        sql = (
            "SELECT state, tries, said, sent_at, next_at, body FROM perftui_outbox "
            "WHERE env = ? ORDER BY id DESC LIMIT ?"
        )

        def work(driver: Driver) -> tuple[Delivery, ...]:
            rows = driver.query(sql, (self._env, most))
            return tuple(one for row in rows for one in _delivery(*row))

        return await self._read(work)

    async def assign(self, fingerprint: str, began: float, who: str, event: AlertEvent) -> None:
        """Enter who sees to an alert; "" for nobody."""
        put = (
            "INSERT INTO perftui_alert_owner (env, fingerprint, began, who) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (env, fingerprint) DO UPDATE SET began = excluded.began, who = excluded.who"
        )

        def work(driver: Driver) -> None:
            with driver.transaction():
                driver.execute(put, (self._env, fingerprint, began, who))
                tell(driver, self._env, (event,))

        await self._write(work)

    async def note(self, event: AlertEvent) -> None:
        """Enter a line of history."""

        def work(driver: Driver) -> None:
            with driver.transaction():
                tell(driver, self._env, (event,))

        await self._write(work)

    def _page(self, driver: Driver) -> Page:
        env = (self._env,)
        bodies = driver.query("SELECT body FROM perftui_notice_group WHERE env = ?", env)
        states = driver.query("SELECT name, sent_at, failing, said FROM perftui_channel WHERE env = ?", env)
        owners = driver.query("SELECT fingerprint, who FROM perftui_alert_owner WHERE env = ?", env)
        return Page(
            {group.key: group for group in _values(Group, (body for (body,) in bodies))},
            {name: (sent_at, failing, said) for name, sent_at, failing, said in states},
            self._queued(driver),
            {fingerprint: who for fingerprint, who in owners if who},
        )

    def _queued(self, driver: Driver) -> dict[str, int]:
        sql = (
            "SELECT channel, count(*) FROM perftui_outbox WHERE env = ? AND state = 'QUEUED' GROUP BY channel"
        )
        return dict(driver.query(sql, (self._env,)))

    def _expire(self, driver: Driver, now: float) -> None:
        old = (self._env, now - KEPT)
        driver.execute("DELETE FROM perftui_outbox WHERE env = ? AND at < ? AND state <> 'QUEUED'", old)
        driver.execute("DELETE FROM perftui_notice_ref WHERE env = ? AND at < ?", old)

    async def _write(self, work: Callable[[Driver], T]) -> T:
        return await asyncio.wrap_future(self._store.write(work))

    async def _read(self, work: Callable[[Driver], T]) -> T:
        return await asyncio.wrap_future(self._store.read(work))


def digest(missed: Sequence[Notification], now: float) -> Notification:
    """One message in place of many: each incident as it was last told."""
    last: dict[str, Notification] = {}
    for one in missed:
        last[one.incident] = one
    lines = {line.fingerprint: line for one in missed for line in one.lines}
    first = missed[0]
    open_ = sum(one.what is not What.RESOLVE for one in last.values())
    words = f"{len(missed)} messages, {len(last)} incidents, {open_} of them still open"
    return Notification(
        f"digest:{first.key}"[:240],
        first.channel,
        What.DIGEST,
        "digest",
        f"digest@{now:.3f}",
        now,
        first.env,
        max(one.severity for one in missed),
        words,
        tuple(lines.values())[-20:],
        len(lines),
        to=first.to,
        since=first.at,
    )


def _line(what: Notification, state: DeliveryState, outcome: Outcome, now: float) -> AlertEvent:
    first = what.lines[0] if what.lines else None
    kind = "escalated" if what.what is What.ESCALATE and outcome.sent else state.value
    said = " ".join(text for text in (what.channel, what.to, what.what.value, outcome.said) if text)
    return AlertEvent(
        now,
        kind,
        first.rule if first else "",
        first.fingerprint if first else "",
        first.source if first else "",
        what.title,
        what.severity,
        note=said,
    )


def _holds(driver: Driver, lease: Lease) -> bool:
    return bool(driver.query(_HELD.format(now=driver.now), (lease.name, lease.holder, lease.counter)))


def _text(value: object) -> str:
    return json.dumps(to_jsonable(value), separators=(",", ":"))


def _values(kind: type[T], bodies: Iterable[str]) -> list[T]:
    found: list[T] = []
    for body in bodies:
        try:
            found.append(from_jsonable(kind, json.loads(body)))
        except ValueError as error:
            log.warning("a stored %s is not used: %s", kind.__name__, error)
    return found


def _delivery(
    state: str, tries: int, said: str, sent_at: float | None, next_at: float, body: str
) -> Iterable[Delivery]:
    for what in _values(Notification, (body,)):
        waiting: Any = next_at if state == "QUEUED" else None
        yield Delivery(
            what.key,
            what.channel,
            what.what,
            what.incident,
            what.title,
            DeliveryState[state],
            what.at,
            tries,
            said,
            sent_at,
            waiting,
            what.to,
            tuple(line.fingerprint for line in what.lines),
        )
