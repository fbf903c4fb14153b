"""A session file opens anywhere; one from a stranger, a newer version or cut short does no harm."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from perftui.model.auditlog import AuditReport
from perftui.model.errors import StoreError
from perftui.model.event import Event, Events
from perftui.model.frame import Frame
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime import rewind
from perftui.runtime.audit import Audit
from perftui.runtime.clock import Clock, ReplayClock
from perftui.runtime.memory import Memory
from perftui.runtime.recorder import Recorder
from perftui.runtime.recording import Recording, is_whole
from perftui.runtime.rings import Rings
from perftui.runtime.schema import MIGRATIONS
from perftui.runtime.topic import Topic

T0 = 1_700_000_400.0
KEY = SeriesKey("valkey", "load")
FRAMES = 400


class Seen:
    """What a recorder needs of a session."""

    def __init__(self) -> None:
        self.keeping: list[Memory] = []
        self.clock = Clock(wall=lambda: T0)
        self.rings = Rings()
        self.past = None
        self.topics: dict[str, Topic[Frame]] = {}

    def topic(self, name: str) -> Topic[Frame]:
        return self.topics.setdefault(name, Topic(name))

    def frame(self, topic: str) -> Frame:
        return self.topic(topic).value or Frame(topic, T0, None, {})

    def powers(self, source: str) -> tuple[str, ...]:
        return ("KeyPurger",)


def frame(second: float) -> Frame:
    noise = "".join(hashlib.sha256(f"{second:g} {n}".encode()).hexdigest() for n in range(20))
    return Frame(
        "alerts", T0 + second, AuditReport((), f"/somewhere/{second:g}/{noise}"), {}, seen=T0 + second
    )


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A recording of some minutes."""
    session, made = Seen(), tmp_path / "one.session"
    session.rings.record(Reading("valkey", T0 - 5.0, 0.0, (Measure(KEY, 5.0),), None))
    session.topic("events").publish(Frame("events", T0, Events((Event(T0 + 3, "alert", "a", "fires"),)), {}))
    about = {"name": "shop", "kind": "staging", "tz": "UTC", "settings": "x = 1", "sources": ["valkey"]}
    recorder = Recorder(made, session, about, Audit(tmp_path / "audit.jsonl"), 1 << 30)
    await recorder.begin()
    for second in range(FRAMES):
        recorder.frames.record(frame(second))
        recorder.history.record(Reading("valkey", T0 + second, 0.0, (Measure(KEY, float(second)),), None))
        if not second % 100:
            await recorder.frames.flush()
    await recorder.close({}, 5.0)
    assert session.keeping == []
    return made


async def test_it_holds_everything_and_is_one_private_file(path: Path) -> None:
    assert [p.name for p in path.parent.glob("one*")] == ["one.session"]
    assert path.stat().st_mode & 0o777 == 0o600
    recording = Recording(path)
    assert (recording.env, recording.kind, recording.truncated) == ("shop", "staging", False)
    assert recording.sources == {"valkey": ("KeyPurger",)}
    assert (recording.start, recording.end) == (T0, T0 + FRAMES - 1)
    shown = recording.past.frame("alerts", T0 + 77.5)
    assert shown.report == frame(77).report
    chart = shown.window(KEY, 100.0)
    assert (len(chart), chart.last.value) == (79, 77.0)  # and what was in memory before it began
    assert recording.past.frame("events", T0 + 10).report.events[0].title == "fires"
    assert recording.past.next_event("alert", T0) == T0 + 3
    assert recording.past.frame("overview.audit", T0 + 10).report is not None
    await recording.close()


async def test_a_slow_disk_delays_opening_and_loses_nothing(path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(rewind, "PATIENCE", 0.0)  # whatever is asked for later is late
    recording = Recording(path)
    assert recording.end == T0 + FRAMES - 1
    assert recording.start == T0
    assert not recording.past.late
    await recording.close()


async def test_a_file_is_never_written_over(path: Path, tmp_path: Path) -> None:
    about = {"name": "shop", "kind": "lab", "sources": []}
    with pytest.raises(StoreError, match="exists"):
        Recorder(path, Seen(), about, Audit(tmp_path / "a.jsonl"), 1 << 20)


async def test_reading_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    recording = Recording(path)
    recording.past.frame("alerts", T0 + 5)
    with pytest.raises(StoreError, match="nothing is written"):
        recording.store.write(lambda driver: driver.execute("DELETE FROM perftui_frame")).result(5.0)
    await recording.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.03, 0.2, 0.6, 0.8, 0.97])
async def test_a_truncated_one_opens_up_to_the_last_whole_frame(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    if share <= 0.2:  # so little of this small file that not one frame is whole
        with pytest.raises(StoreError, match=r"whole frame|no recording"):
            Recording(path)
        return
    recording = Recording(path)
    assert recording.truncated
    assert T0 <= recording.end <= T0 + FRAMES - 1
    last = recording.past.frame("alerts", recording.end)
    assert last.report == frame(round(recording.end - T0)).report
    await recording.close()


def changed(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"UPDATE perftui_schema SET version = {len(MIGRATIONS) + 3}", f"reads schema {len(MIGRATIONS) + 3}"),
        ("CREATE VIEW other AS SELECT 1", "it holds a view"),
        ("CREATE TRIGGER other AFTER INSERT ON perftui_frame BEGIN SELECT 1; END", "it holds a trigger"),
        ("CREATE VIRTUAL TABLE other USING fts5(x)", "is no recording|it holds a"),
        ("DROP TABLE perftui_session", "is no recording"),
        ("UPDATE perftui_schema SET version = 'x'", "is no recording"),
        ("DELETE FROM perftui_frame", "no whole frame"),
    ],
)
async def test_what_is_no_recording_of_ours_is_refused_with_a_sentence(
    path: Path, statement: str, said: str
) -> None:
    changed(path, statement)
    with pytest.raises(StoreError, match=said):
        Recording(path)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04" * 50, b"SQLite format 3\x00" + b"\xff" * 200, b"\x80\x04." * 40]
)
async def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.session"
    path.write_bytes(content)
    with pytest.raises(StoreError):
        Recording(path)


async def test_hostile_rows_are_as_if_they_were_not_there(path: Path) -> None:
    evil: list[tuple[Any, ...]] = [
        ("shop", "alerts", int((T0 + 1000) * 1e6), int((T0 + 1000) * 1e6), 3, b"\x80\x04\x95pickle"),
        ("shop", "cache", int((T0 + 1000) * 1e6), int((T0 + 1000) * 1e6), 3, "text, not bytes"),
        ("shop", "cdn", int((T0 + 1000) * 1e6), 5, 3, b"based on nothing"),
    ]
    connection = sqlite3.connect(path)
    connection.executemany("INSERT INTO perftui_frame VALUES (?, ?, ?, ?, ?, ?)", evil)
    connection.execute("UPDATE perftui_session SET body = ? WHERE name = 'sources'", (json.dumps([1, 2]),))
    connection.execute(
        "UPDATE perftui_session SET body = ? WHERE name = 'audit'", (json.dumps({"a": "[" * 99}),)
    )
    connection.execute("INSERT INTO perftui_session VALUES ('later', '[[[')")
    connection.commit()
    connection.close()
    recording = Recording(path)
    for topic in ("alerts", "cache", "cdn", "overview.audit"):
        assert recording.past.frame(topic, T0 + 1000).report is None
    assert recording.sources == {}
    await recording.close()


def test_is_whole_counts_pages(path: Path) -> None:
    assert is_whole(path)


def test_a_recording_plays_pauses_and_ends() -> None:
    now = [0.0]
    clock = ReplayClock(100.0, 200.0, 10.0)
    clock._monotonic = lambda: now[0]
    assert clock.now().at == 100.0
    clock.toggle()
    now[0] = 3.0
    assert clock.now().at == 130.0
    assert (clock.playing, clock.manner) == (True, "×10")
    clock.travel(190.0)
    now[0] = 3.5
    assert clock.now().at == 195.0
    now[0] = 9.0
    assert clock.now().at == 200.0
    assert (clock.playing, clock.manner) == (False, "paused")
    clock.loop = True
    clock.toggle()  # from the beginning again
    now[0] = 20.0
    assert clock.now().at == 100.0
    assert clock.playing
    assert clock.travel(5000.0).at == 200.0
