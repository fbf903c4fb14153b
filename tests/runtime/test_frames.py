"""Frames are kept packed, thinned as they age and bounded; what is damaged or strange never comes back."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perftui.model.auditlog import AuditReport
from perftui.model.cdn import CdnReport
from perftui.model.event import Event
from perftui.model.finding import Finding, Offer, Severity
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.model.keyvalue import TOPIC as VALUES
from perftui.model.keyvalue import ValuePage
from perftui.model.profiler import ProfilerReport
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime import framecode, framelog
from perftui.runtime.clock import Clock
from perftui.runtime.eventstore import EventStore
from perftui.runtime.framelog import MICRO, FrameLog
from perftui.runtime.history import History
from perftui.runtime.patient import MOST, Patient
from perftui.runtime.rewind import LATE, PATIENCE, Rewind, lapse
from perftui.runtime.store import Store
from tests.waiting import until

T0 = 1_700_000_400.0  # the start of a ten-minute stretch
OFFER = Offer("cache.purge", "valkey", "purge", (("pattern", "a*"),))
FINDING = Finding("x.y", Severity.WARNING, "valkey", "too much", ("7 of 8",), offer=OFFER)


def frame(at: float, topic: str = "alerts", path: str = "", error: str = "") -> Frame:
    """A small frame with everything a frame has."""
    return Frame(
        topic,
        at,
        AuditReport((), path or f"/somewhere/{at}"),
        {"valkey": Health(Link.LATE, at - 5.0, "slow", seen=at)},
        (FINDING,),
        (OFFER,),
        error=error,
        seen=at,
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store.open(str(tmp_path / "store.sqlite"), "test")
    assert await opened.ready()
    yield opened
    await opened.close()


async def kept(store: Store, sql: str = "SELECT at, base, level FROM perftui_frame ORDER BY at") -> list:
    return await asyncio.wrap_future(store.read(lambda driver: driver.query(sql)))


def past_of(store: Store, log: FrameLog | None = None) -> Rewind:
    return Rewind(store, log, History(store, Clock()))


def test_a_frame_comes_back_as_it_was():
    first, second = frame(T0), frame(T0 + 1)
    text = framecode.text_of(second)
    key = framecode.text_of(first)
    packed = framecode.pack(text, key)
    assert len(packed) < len(framecode.pack(text)) / 2
    assert framecode.frame_of(framecode.unpack(packed, key)) == second


@pytest.mark.parametrize(
    "kind",
    [
        "os:PathLike",
        "subprocess:Popen",
        "auditlog:AuditReport.__init__",
        "errors:Lost",
        "auditlog:field",
        "../x:Y",
        7,
    ],
)
def test_only_values_of_the_model_are_made(kind):
    value = json.loads(framecode.text_of(frame(T0)))
    value["kind"] = kind
    with pytest.raises(ValueError, match="no report is called"):
        framecode.frame_of(json.dumps(value).encode())


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"topic": 1}', b'{"topic":"a","health":{"a":{}}}'],
)
def test_what_is_no_frame_is_refused(text):
    value = None
    try:
        value = framecode.frame_of(text)
    except ValueError:
        return
    assert value.report is None
    assert value.topic == ""


def test_unknown_fields_are_ignored():
    value = json.loads(framecode.text_of(frame(T0)))
    value["later"] = 1
    value["report"]["later"] = {"a": []}
    assert framecode.frame_of(json.dumps(value).encode()) == frame(T0)


def test_a_bomb_does_not_unfold():
    bomb = zlib.compress(b"0" * (framecode.MOST * 50), 9)
    assert len(bomb) < 200_000
    with pytest.raises(ValueError, match="too large"):
        framecode.unpack(bomb)
    with pytest.raises(ValueError, match="damaged"):
        framecode.unpack(b"\x00garbage")
    with pytest.raises(ValueError, match="damaged"):
        framecode.unpack(framecode.pack(b"abc" * 100)[:-4])


async def test_values_of_keys_are_kept_nowhere(store: Store) -> None:
    log = FrameLog(store, Clock(), 1 << 30)
    log.record(Frame(VALUES, T0, ValuePage(b"session:1", "string", T0, data=b"secret"), {}, seen=T0))
    log.record(frame(T0))
    assert [kept.topic for kept in log.pending] == ["alerts"]


async def test_the_first_of_ten_seconds_a_minute_and_ten_minutes_are_marked(store):
    log = FrameLog(store, Clock(), 1 << 30)
    for second in range(0, 130, 5):
        log.record(frame(T0 + second))
    await log.flush()
    rows = await kept(store)
    levels = {at // MICRO - int(T0): level for at, _, level in rows}
    assert levels[0] == 3
    assert levels[60] == levels[120] == 2
    assert levels[5] == 0
    assert levels[10] == levels[110] == 1
    assert {base // MICRO - int(T0) for _, base, _ in rows} == {0, 60, 120}


async def test_what_is_old_is_thinned_and_the_rest_can_still_be_read(store):
    log = FrameLog(store, Clock(), 1 << 30)
    for second in range(0, 1300, 5):
        log.record(frame(T0 + second))
        if not second % 500:
            await log.flush()
    await log.flush()
    await asyncio.wrap_future(store.write(lambda driver: log.expire(driver, T0 + 1300 + framelog.KEEP[1])))
    rows = await kept(store)
    assert {level for *_, level in rows} == {2, 3}
    assert len(rows) == 22
    past = past_of(store)
    assert past.frame("alerts", T0 + 61).report.path == f"/somewhere/{T0 + 60}"
    await asyncio.wrap_future(store.write(lambda driver: log.expire(driver, T0 + 1300 + framelog.KEEP[3])))
    assert await kept(store) == []
    figure = "SELECT value FROM perftui_figure WHERE name = 'frame_bytes'"
    assert await kept(store, figure) == [(0,)]


async def test_too_much_goes_oldest_and_finest_first(store):
    log = FrameLog(store, Clock(), 2000)
    for second in range(0, 4000, 20):
        log.record(frame(T0 + second))
    await log.flush()
    await asyncio.wrap_future(store.write(lambda driver: log.expire(driver, T0 + 4000)))
    rows = await kept(store)
    early = [level for at, _, level in rows if at < (T0 + 1000) * MICRO]
    assert 0 not in early
    for _ in range(40):
        await asyncio.wrap_future(store.write(lambda driver: log.expire(driver, T0 + 4000)))
    [(size,)] = await kept(store, "SELECT value FROM perftui_figure WHERE name = 'frame_bytes'")
    assert size <= 1000


async def test_a_report_that_would_come_back_changed_is_not_kept(store):
    log = FrameLog(store, Clock(), 1 << 30)
    log.record(Frame("one", T0, object(), {}, seen=T0))
    log.record(Frame("two", T0, {"a": 1}, {}, seen=T0))
    log.record(Frame("events", T0, None, {}, seen=T0))
    await log.flush()
    assert await kept(store) == []


async def test_nan_and_empty_reports_are_kept(store):
    log = FrameLog(store, Clock(), 1 << 30)
    log.record(Frame("cdn", T0, CdnReport(math.nan, ()), {}, seen=T0))
    log.record(
        Frame(
            "profiler", T0, ProfilerReport("p", "py-spy"), {"p": Health(Link.LOST, T0)}, error="gone", seen=T0
        )
    )
    await log.flush()
    past = past_of(store)
    assert math.isnan(past.frame("cdn", T0).report.at)
    assert past.frame("profiler", T0).error == "gone"
    assert past.frame("health", T0).health["p"].link is Link.LOST


async def test_frames_wait_while_the_store_cannot_be_written(store):
    log = FrameLog(store, Clock(), 1 << 30)
    await asyncio.wrap_future(store.write(lambda d: d.execute("ALTER TABLE perftui_frame RENAME TO away")))
    log.record(frame(T0))
    await log.tick()
    assert len(log.pending) == 1
    assert past_of(store, log).frame("alerts", T0).report == frame(T0).report  # from memory meanwhile
    await asyncio.wrap_future(store.write(lambda d: d.execute("ALTER TABLE away RENAME TO perftui_frame")))
    log.record(frame(T0 + 1))
    await log.tick()
    assert not log.pending
    assert past_of(store).frame("alerts", T0 + 1).report == frame(T0 + 1).report


async def test_the_past_is_found_by_instant_and_says_what_was_not_recorded(store):
    log = FrameLog(store, Clock(), 1 << 30)
    times = [T0 + s for s in (0, 1, 2, 3, 300, 301)]
    for at in times:
        log.record(frame(at))
    await log.flush()
    past = past_of(store, log)
    assert past.frame("alerts", T0 + 2.5).report == frame(T0 + 2).report
    assert past.frame("alerts", T0 + 2.5).findings == (FINDING,)
    nothing = past.frame("alerts", T0 + 150)
    assert nothing.report is None
    assert nothing.error == "no data 22:20:03–22:25:00: console not running"
    assert past.frame("alerts", T0 - 5).error == "no data before 22:20:00: console not running"
    assert past.frame("cache.keys", T0 + 2).error.startswith("not recorded")
    assert past.around(T0 + 150) == (T0 + 3, T0 + 300)
    assert past.step(["unknown", "alerts"], T0 + 2, -1) == T0 + 1
    assert past.step(["alerts"], T0 + 2, 10) == T0 + 301
    assert past.step(["alerts"], T0, -1) is None


async def test_a_recording_of_long_ago_is_as_fine_as_it_was(store):
    log = FrameLog(store, Clock(), 1 << 30)
    log.record(frame(T0))
    log.record(frame(T0 + 25))
    await log.flush()
    assert (
        past_of(store).frame("alerts", T0 + 24).report is None
    )  # 24 s of nothing in what was read each second
    assert lapse(3600.0) == 20.0
    assert lapse(3 * 86400.0) == 90.0


async def test_what_had_happened_by_then(store):
    events = EventStore(store)
    await events.put(
        [
            Event(T0, "finding", "a", "lasted", until=T0 + 100),
            Event(T0 + 5, "note", "a", "said"),
            Event(T0 + 60, "alert", "a", "fires"),
        ]
    )
    past = past_of(store)
    assert [(e.title, e.until) for e in past.frame("events", T0 + 50).report.events] == [
        ("lasted", None),
        ("said", None),
    ]
    assert past.frame("events", T0 + 200).report.events[0].until == T0 + 100
    assert past.next_event("alert", T0 + 50) == T0 + 60
    assert past.next_event("alert", T0 + 60) is None


async def test_charts_of_the_past_end_there(store):
    history = History(store, Clock())
    key = SeriesKey("valkey", "load")
    for second in range(100):
        history.record(Reading("valkey", T0 + second, 0.0, (Measure(key, float(second)),), None))
    past = Rewind(store, None, history)
    log = FrameLog(store, Clock(), 1 << 30)
    log.record(frame(T0 + 50))
    await log.flush()
    shown = past.frame("alerts", T0 + 50.2).window(key, 20.0)
    assert shown.last.at == T0 + 50
    assert len(shown) == 21


async def test_what_a_slow_store_tells_late_is_shown_then(store):
    log = FrameLog(store, Clock(), 1 << 30)
    log.record(frame(T0))
    await log.flush()
    past, gate = past_of(store), threading.Event()
    held = store.read(lambda _driver: gate.wait(30))  # whatever is asked waits behind this
    try:
        began = time.monotonic()
        shown = [past.frame(topic, T0 + 0.5) for topic in ("alerts", "cache", "events", "health")]
        assert time.monotonic() - began < 2 * PATIENCE  # the first waits, the others do not wait again
        assert past.late
        assert (shown[0].report, shown[0].error) == (None, LATE)
        assert past.step(("alerts",), T0 + 1.0, -1) is None
        assert past.late
        assert not past.answered()
    finally:
        gate.set()
    await asyncio.wrap_future(held)
    past.frame("alerts", T0 + 0.5)  # somebody else may look first: it is news all the same
    await until(past.answered)
    await until(lambda: past.frame("alerts", T0 + 0.5).report is not None)
    assert past.frame("alerts", T0 + 0.5).report == frame(T0).report
    await until(lambda: past.step(("alerts",), T0 + 1.0, -1) == T0)
    assert not past.late


async def test_charts_that_a_slow_store_tells_late_are_whole_then(store):
    history, key = History(store, Clock()), SeriesKey("valkey", "load")
    for second in range(60):
        history.record(Reading("valkey", T0 + second, 0.0, (Measure(key, float(second)),), None))
    await history.flush()
    past, gate = past_of(store), threading.Event()
    await past.history._reader.known()
    shown = Frame("alerts", T0 + 50, None, {}, history=past.history)
    held = store.read(lambda _driver: gate.wait(30))  # whatever is asked waits behind this
    try:
        assert len(shown.window(key, 20.0)) == 0
        assert past.waits
    finally:
        gate.set()
    await asyncio.wrap_future(held)
    await until(past.answered)
    assert len(shown.window(key, 20.0)) == 21
    assert not past.waits


async def test_answers_nobody_asks_for_again_are_let_go(store):
    patient, gate = Patient(store, 0.0), threading.Event()
    held = store.read(lambda _driver: gate.wait(30))
    for number in range(MOST * 2):
        assert patient.ask(number, lambda _driver, n=number: n, -1) == -1
    assert len(patient._awaited) == MOST
    gate.set()
    await asyncio.wrap_future(held)
    await until(lambda: patient.arrived() or not patient._awaited)
    await until(lambda: not patient._awaited or patient.arrived())
    assert len(patient._come) <= MOST
    await until(lambda: patient.ask(MOST * 2 - 1, lambda _driver: -2, -1) == MOST * 2 - 1)
    broken = patient.ask("broken", lambda driver: driver.query("SELECT nothing", ()), [])
    assert broken == []


def test_a_report_of_analysis_comes_back_too():
    from perftui.analysis.budget import TargetsReport

    kind = framecode.kind_of(TargetsReport.__new__(TargetsReport))
    assert kind == "analysis.budget:TargetsReport"
    assert framecode.type_of(kind) is TargetsReport
    with pytest.raises(ValueError, match="no report"):
        framecode.type_of("analysis.os:Path")


def test_a_word_of_a_few_comes_back_and_no_other():
    from perftui.model.business import BusinessReport, Metric, MetricView

    report = BusinessReport((MetricView(Metric("orders", "Orders", "counter", "shop", "orders_total"), T0),))
    text = framecode.text_of(Frame("business", T0, report, {}, seen=T0))
    assert framecode.frame_of(text).report == report
    with pytest.raises(ValueError, match="none of the known"):
        framecode.frame_of(text.replace(b'"counter"', b'"other"'))
