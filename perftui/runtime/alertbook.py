"""Alerts in the store: shared by every console on it, and still there after a restart."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from perftui.analysis.matchers import parse_matchers
from perftui.model.alerts import Ack, Alert, AlertEvent, Maintenance, Silence
from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.errors import ConfigError
from perftui.runtime.driver import Driver
from perftui.runtime.leases import Lease, stands
from perftui.runtime.store import Store

T = TypeVar("T")
log = logging.getLogger(__name__)

KEPT = 400 * 86400.0  # seconds of history
MOST_EVENTS = 5000  # read back at once

Mark = tuple[str, float]  # fingerprint and beginning: one occurrence

_PUT = (
    "INSERT INTO perftui_alert (env, fingerprint, rule, body) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (env, fingerprint) DO UPDATE SET rule = excluded.rule, body = excluded.body"
)
# The first acknowledgement stands; only one that has run out gives way.
_ACK = (
    "INSERT INTO perftui_alert_ack (env, fingerprint, began, who, at, note, until) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (env, fingerprint, began) DO UPDATE SET who = excluded.who, at = excluded.at, "
    "note = excluded.note, until = excluded.until "
    "WHERE perftui_alert_ack.until IS NOT NULL AND perftui_alert_ack.until <= excluded.at"
)
_EVENT = (
    "INSERT INTO perftui_alert_event (id, env, at, kind, rule, body) "
    "SELECT coalesce(max(id), 0) + 1, ?, ?, ?, ?, ? FROM perftui_alert_event WHERE true"
)
_WATCH = (
    "INSERT INTO perftui_watch (env, at, holder) VALUES (?, ?, ?) "
    "ON CONFLICT (env) DO UPDATE SET at = excluded.at, holder = excluded.holder"
)
_THRESHOLD = (
    "INSERT INTO perftui_threshold (env, rule, threshold) VALUES (?, ?, ?) "
    "ON CONFLICT (env, rule) DO UPDATE SET threshold = excluded.threshold"
)
_SILENCE = (
    "INSERT INTO perftui_silence (env, id, matchers, starts, until, who, note) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (env, id) DO UPDATE SET starts = excluded.starts, until = excluded.until"
)
_GONE = (
    "DELETE FROM perftui_alert WHERE env = ? AND fingerprint = ?",
    "DELETE FROM perftui_alert_ack WHERE env = ? AND fingerprint = ?",
)
_STANDS = "SELECT who, at, note, until FROM perftui_alert_ack WHERE env = ? AND fingerprint = ? AND began = ?"


@dataclass(frozen=True, slots=True)
class Page:
    """All that the store knows of one environment's alerts, but for their history."""

    alerts: Mapping[str, Alert] = field(default_factory=dict)
    acks: Mapping[Mark, Ack] = field(default_factory=dict)
    silences: tuple[Silence, ...] = ()
    windows: tuple[Maintenance, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    evaluated: float = 0.0
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an evaluation writes: alerts as they are now, those that are gone, what happened."""

    at: float
    holder: str
    alerts: tuple[Alert, ...] = ()
    gone: tuple[str, ...] = ()
    events: tuple[AlertEvent, ...] = ()


class Book:
    """The alerts of one environment; every method raises StoreError when the store cannot do it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._env = store.env

    async def page(self) -> Page:
        """All but history."""
        return await asyncio.wrap_future(self._store.read(self._page))

    async def write(self, entry: Entry, lease: Lease) -> bool:
        """Put an evaluation in; False (and nothing written) when somebody else has taken over since."""

        def work(driver: Driver) -> bool:
            with driver.transaction():
                if not stands(driver, lease):
                    return False
                self._put(driver, entry)
                return True

        return await self._write(work)

    async def acknowledge(self, alert: Alert, ack: Ack) -> tuple[Ack, bool]:
        """Enter an acknowledgement; the one that stands, and whether that is this one or an earlier."""
        mark = (self._env, alert.fingerprint, alert.began)

        def work(driver: Driver) -> tuple[Ack, bool]:
            with driver.transaction():
                mine = driver.execute(_ACK, (*mark, ack.who, ack.at, ack.note, ack.until)) == 1
                if mine:
                    self._tell(driver, (event_of(alert, "acknowledged", ack.at, ack.who, ack.note),))
                return Ack(*driver.query(_STANDS, mark)[0]), mine

        return await self._write(work)

    async def forget_ack(self, alert: Alert, who: str, at: float) -> None:
        """Take an acknowledgement back, when it is still `who`'s."""
        sql = "DELETE FROM perftui_alert_ack WHERE env = ? AND fingerprint = ? AND began = ? AND who = ?"

        def work(driver: Driver) -> None:
            with driver.transaction():
                if driver.execute(sql, (self._env, alert.fingerprint, alert.began, who)):
                    self._tell(driver, (event_of(alert, "unacknowledged", at, who),))

        await self._write(work)

    async def silence(self, silence: Silence, event: AlertEvent) -> None:
        """Enter a silence, or move the end of one that is there."""
        matchers = ", ".join(map(str, silence.matchers))
        row = (silence.id, matchers, silence.starts, silence.until, silence.who, silence.note)

        def work(driver: Driver) -> None:
            with driver.transaction():
                driver.execute(_SILENCE, (self._env, *row))
                self._tell(driver, (event,))

        await self._write(work)

    async def maintain(self, name: str, window: Maintenance | None, event: AlertEvent) -> None:
        """Enter a maintenance window, over one of its name; None takes it away."""
        keys = (self._env, name)

        def work(driver: Driver) -> None:
            with driver.transaction():
                driver.execute("DELETE FROM perftui_maintenance WHERE env = ? AND name = ?", keys)
                if window is not None:
                    sql = "INSERT INTO perftui_maintenance (env, name, body) VALUES (?, ?, ?)"
                    driver.execute(sql, (*keys, _text(window)))
                self._tell(driver, (event,))

        await self._write(work)

    async def resume(self, silence: str, event: AlertEvent) -> None:
        """Let an occurrence that was ended early go on."""

        def work(driver: Driver) -> None:
            with driver.transaction():
                driver.execute("DELETE FROM perftui_silence WHERE env = ? AND id = ?", (self._env, silence))
                self._tell(driver, (event,))

        await self._write(work)

    async def set_threshold(self, rule: str, threshold: float | None, event: AlertEvent) -> None:
        """Override a rule's threshold for every console on this store; None takes the override away."""

        def work(driver: Driver) -> None:
            with driver.transaction():
                if threshold is None:
                    sql = "DELETE FROM perftui_threshold WHERE env = ? AND rule = ?"
                    driver.execute(sql, (self._env, rule))
                else:
                    driver.execute(_THRESHOLD, (self._env, rule, threshold))
                self._tell(driver, (event,))

        await self._write(work)

    async def events(self, since: float, most: int = MOST_EVENTS) -> tuple[AlertEvent, ...]:
        """The newest `most` lines of history at or after `since`, oldest first."""
        sql = (
            "SELECT body FROM perftui_alert_event WHERE env = ? AND at >= ? ORDER BY at DESC, id DESC LIMIT ?"
        )

        def work(driver: Driver) -> tuple[AlertEvent, ...]:
            rows = driver.query(sql, (self._env, since, most))
            return tuple(reversed(_read(AlertEvent, (body for (body,) in rows))))

        return await asyncio.wrap_future(self._store.read(work))

    async def _write(self, work: Callable[[Driver], T]) -> T:
        return await asyncio.wrap_future(self._store.write(work))

    def _page(self, driver: Driver) -> Page:
        env = (self._env,)
        bodies = driver.query("SELECT body FROM perftui_alert WHERE env = ?", env)
        acks = driver.query(
            "SELECT fingerprint, began, who, at, note, until FROM perftui_alert_ack WHERE env = ?", env
        )
        silences = driver.query(
            "SELECT id, matchers, starts, until, who, note FROM perftui_silence "
            "WHERE env = ? ORDER BY starts",
            env,
        )
        windows = driver.query("SELECT body FROM perftui_maintenance WHERE env = ? ORDER BY name", env)
        watch = driver.query("SELECT at, holder FROM perftui_watch WHERE env = ?", env)
        thresholds = driver.query("SELECT rule, threshold FROM perftui_threshold WHERE env = ?", env)
        return Page(
            {alert.fingerprint: alert for alert in _read(Alert, (body for (body,) in bodies))},
            {(mark, began): Ack(*rest) for mark, began, *rest in acks},
            tuple(_silences(silences)),
            tuple(_read(Maintenance, (body for (body,) in windows))),
            dict(thresholds),
            *(watch[0] if watch else (0.0, "")),
        )

    def _put(self, driver: Driver, entry: Entry) -> None:
        env = self._env
        rows = [(env, a.fingerprint, a.rule, _text(a.bare())) for a in entry.alerts]
        driver.executemany(_PUT, rows)
        gone = [(env, mark) for mark in entry.gone]
        for sql in _GONE:
            driver.executemany(sql, gone)
        if entry.events:
            self._tell(driver, entry.events)
            old = (env, entry.at - KEPT)
            driver.execute("DELETE FROM perftui_alert_event WHERE env = ? AND at < ?", old)
            driver.execute("DELETE FROM perftui_silence WHERE env = ? AND until < ?", old)
        driver.execute(_WATCH, (env, entry.at, entry.holder))

    def _tell(self, driver: Driver, events: Iterable[AlertEvent]) -> None:
        tell(driver, self._env, events)


def tell(driver: Driver, env: str, events: Iterable[AlertEvent]) -> None:
    """Add lines to history, inside a transaction of the caller."""
    for event in events:
        driver.execute(_EVENT, (env, event.at, event.kind, event.rule, _text(event)))


def event_of(alert: Alert, kind: str, at: float, who: str = "", note: str = "") -> AlertEvent:
    """A line of history about an alert."""
    return AlertEvent(
        at,
        kind,
        alert.rule,
        alert.fingerprint,
        alert.source,
        alert.title,
        alert.severity,
        alert.value,
        who,
        note,
        alert.began,
        alert.labels,
    )


def _text(value: object) -> str:
    return json.dumps(to_jsonable(value), separators=(",", ":"))


def _read(kind: type[T], bodies: Iterable[str]) -> list[T]:
    found: list[T] = []
    for body in bodies:
        try:
            found.append(from_jsonable(kind, json.loads(body)))
        except ValueError as error:
            log.warning("a stored %s is not used: %s", kind.__name__, error)
    return found


def _silences(rows: Sequence[tuple[str, str, float, float, str, str]]) -> Iterable[Silence]:
    for id_, matchers, starts, until, who, note in rows:
        try:
            yield Silence(id_, parse_matchers(matchers), starts, until, who, note)
        except ConfigError as error:
            log.warning("the silence %s is not used: %s", id_, error)
