"""What happened is told once, lasts as long as it lasted, and is there after a restart."""

from __future__ import annotations

import pytest

from perftui.model.event import Event, Events
from perftui.model.finding import Finding, Severity
from perftui.model.health import Health, Link
from perftui.runtime.clock import Clock
from perftui.runtime.events import CAPACITY, GONE, EventLog, Spans
from perftui.runtime.eventstore import KEEP, EventStore
from perftui.runtime.memory import Memory
from perftui.runtime.settingswatch import MOST, changes
from tests.runtime.storelaws import postgres_url, sqlite_url, store

__all__ = ["postgres_url", "sqlite_url", "store"]

HOSTILE = "\x1b[31m\0\ud800" + "x" * 5000


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def told():
    return []


@pytest.fixture
def log(told):
    return EventLog(told.append)


def finding(evidence="p95 120 ms"):
    return Finding("api.slow", Severity.WARNING, "shop", f"slow: {evidence}", (evidence,))


def test_the_same_event_counts_once_and_order_is_by_time(log, told):
    late, early = Event(2.0, "note", "lab", "late"), Event(1.0, "note", "lab", "early")
    log.add(late)
    log.add(early, late)
    log.add(late)
    assert told == [Events((late,)), Events((early, late))]
    assert set(log.take()) == {early, late}
    assert log.take() == ()


def test_only_the_newest_stay_in_memory(log, told):
    log.add(*(Event(float(n), "note", "lab", str(n)) for n in range(CAPACITY + 5)))
    assert len(told[-1].events) == CAPACITY
    assert told[-1].events[0].at == 5.0


def test_a_link_tells_losses_and_returns(log, told):
    for link in (Link.LIVE, Link.LATE, Link.LOST, Link.LOST, Link.LIVE):
        log.link("cache", Health(link, 1.0 + len(told)))
    assert [e.title for e in told[-1].events] == ["cache lost", "cache live"]


def test_a_finding_is_one_span_though_its_figures_change_and_it_flickers(log, told):
    spans = Spans(log)
    spans.observe([finding()], 100.0)
    spans.observe([finding("p95 180 ms")], 110.0)
    spans.observe([], 115.0)
    spans.observe([finding()], 120.0)
    (event,) = told[-1].events
    assert (event.at, event.until, event.detail) == (100.0, None, "p95 120 ms")
    spans.observe([], 120.0 + GONE)
    (event,) = told[-1].events
    assert (event.kind, event.at, event.until) == ("finding", 100.0, 120.0)


def test_an_open_finding_goes_on_after_a_restart_or_ends(log, told):
    left = Event(50.0, "finding", "shop", "slow", ref="api.slow")
    other = Event(60.0, "finding", "shop", "failing", ref="api.errors")
    log.restore([left, other])
    spans = Spans(log)
    spans.resume([left, other], 100.0)
    spans.observe([finding()], 100.0 + GONE)
    assert {e.title: e.until for e in told[-1].events} == {"slow": None, "failing": 100.0}
    assert [e.title for e in log.take()] == ["failing"]


async def test_events_come_back_as_they_were(store):
    events = EventStore(store)
    action = Event(10.0, "action", "cache", "purged", "12 keys", "ada", 12.5, "run-1")
    note = Event(11.0, "note", "lab", HOSTILE)
    await events.put([action, note])
    await events.put([action])
    first, second = await events.load()
    assert first == action
    assert second.title.startswith("\x1b[31m\\x00\\ud800xxx")
    assert len(second.title) <= 2010


async def test_an_end_that_becomes_known_replaces_the_event(store):
    events = EventStore(store)
    span = Event(10.0, "finding", "shop", "slow", ref="api.slow")
    await events.put([span])
    await events.put([Event(10.0, "finding", "shop", "slow", "more", until=90.0, ref="api.slow")])
    (only,) = await events.load(since=50.0)
    assert (only.until, only.detail) == (90.0, "more")


async def test_old_events_are_let_go(store):
    events = EventStore(store)
    await events.put([Event(1.0, "note", "lab", "old"), Event(KEEP, "note", "lab", "new")])
    await events.expire(KEEP + 10.0)
    assert [e.title for e in await events.load()] == ["new"]


async def test_what_cannot_be_stored_waits(log, tmp_path):
    folder = tmp_path / "file"
    folder.write_text("no folder")
    memory = Memory(str(folder / "store.sqlite"), "lab", Clock(), 1 << 20)
    log.add(Event(1.0, "note", "lab", "kept"))
    await memory.remember_events(log)
    assert [e.title for e in log.take()] == ["kept"]
    await memory.store.close()


def test_a_changed_setting_says_before_and_after_and_hides_secrets():
    before = {"maxmemory": "0", "requirepass": "old", "masterauth": "a", "save": "60 1", "gone": "1"}
    now = {"maxmemory": "100mb", "requirepass": "new", "masterauth": "b", "save": "", "fresh": "1"}
    found = {e.ref: (e.title, e.detail) for e in changes("cache", before, now, 1.0)}
    assert found["maxmemory"] == ("maxmemory = 100mb", "was 0")
    assert found["save"] == ('save = ""', "was 60 1")
    assert found["requirepass"] == ("requirepass = •••", "was •••")
    assert set(found) == {"maxmemory", "requirepass", "masterauth", "save"}
    assert not any(word in str(found) for word in ("old", "new", "'a'", "'b'"))


def test_a_server_that_was_replaced_does_not_flood():
    names = [f"n{i:03}" for i in range(300)]
    found = list(changes("db", dict.fromkeys(names, "1"), dict.fromkeys(names, "2"), 1.0))
    assert len(found) == MOST + 1
    assert found[-1].title == f"{300 - MOST} more settings changed"
