"""The console without a picture: what changes on a real server, as lines that a screen reader can read."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import asynccontextmanager

import pytest

from perftui.cli import main
from perftui.export.plain import News
from perftui.model.alerts import Ack, Alert, AlertsReport, AlertState
from perftui.model.event import Event, Events
from perftui.model.finding import Finding, Severity
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from tests.agents import AgentProcess, written
from tests.waiting import until

CONFIG = """
[env.shop]
kind = "test"
[env.shop.backends.sessions]
kind = "valkey"
url = "redis://127.0.0.1:{port}/0"
password = "env:PERFTUI_TEST_PW"
[alerts.rules.asked]
series = "sessions/clients"
above = 0
lasting = 1
"""
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (link|alert|finding|action|config|note|problem) \S.*")


class PlainProcess(AgentProcess):
    """`perftui run --plain`: its stdout as lines."""

    async def _read(self) -> None:
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))


@asynccontextmanager
async def plain(config, folder, **environment):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perftui", "run", "--plain", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PERFTUI_STATE_DIR": str(folder), **environment},
    )
    one = PlainProcess(process)
    try:
        yield one
    finally:
        if process.returncode is None:
            await one.end(signal.SIGKILL)


@pytest.mark.slow
async def test_links_alerts_and_findings_are_said_as_they_come_and_go(valkey, tmp_path):
    config = written(tmp_path / "c.toml", CONFIG.format(port=valkey.port))
    async with plain(config, tmp_path / "state", PERFTUI_TEST_PW=valkey.password) as one:
        await one.says("link sessions: live")
        await one.says("alert sessions: firing, warning: asked")
        await valkey.kill()
        try:
            await one.says("link sessions: lost: ")
        finally:
            await valkey.restart()
        await until(lambda: sum("link sessions: live" in line for line in one.lines) == 2, 30)
        assert await one.end(signal.SIGTERM) == 128 + signal.SIGTERM
        assert one.lines
        assert all(LINE.fullmatch(line) for line in one.lines), one.lines
        assert valkey.password not in "\n".join(one.lines)
        assert sum("firing, warning: asked" in line for line in one.lines) == 1


async def test_a_reader_that_goes_away_ends_it(valkey, tmp_path):
    config = written(tmp_path / "c.toml", CONFIG.format(port=valkey.port))
    async with plain(config, tmp_path / "state", PERFTUI_TEST_PW=valkey.password) as one:
        await one.says("link sessions: live")
        one.process._transport.get_pipe_transport(1).close()
        await valkey.kill()  # the next thing to say finds nobody
        try:
            async with asyncio.timeout(30):
                assert await one.process.wait() == 141
        finally:
            await valkey.restart()


def test_a_screen_and_no_picture_contradict(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PERFTUI_CONFIG", str(written(tmp_path / "c.toml", '[env.a]\nkind = "test"\n')))
    assert main(["run", "--plain", "--screen", "cache"]) == 2
    assert "leave --screen out" in capsys.readouterr().err


def alert(**more):
    base = {"state": AlertState.FIRING, "active_at": 1.0, "began": 1.0}
    labels = (("source", "db"),)
    return Alert("f1", "slow", "queries are slow", Severity.CRITICAL, labels, 2.0, **{**base, **more})


@pytest.fixture
def news():
    return News(1000.0)


def test_an_alert_is_said_at_each_of_its_states_once(news):
    def said(*alerts):
        return [line[20:] for line in news.alerts(AlertsReport(1.0, alerts), 1000.0)]

    assert said(alert(state=AlertState.PENDING)) == []
    assert said(alert(evidence=("p95 2 s",))) == ["alert db: firing, critical: queries are slow: p95 2 s"]
    assert said(alert()) == []
    acked = alert(ack=Ack("ann", 1.0))
    assert said(acked) == ["alert db: acknowledged, critical: queries are slow, by ann"]
    assert said(alert(state=AlertState.RESOLVED)) == ["alert db: resolved, critical: queries are slow"]
    assert list(News(0.0).alerts(AlertsReport(1.0, (alert(state=AlertState.RESOLVED),)), 1.0)) == []


def test_a_finding_is_said_when_it_comes_and_when_it_is_gone(news):
    event = Event(900.0, "finding", "db", "vacuum is late", "2 M dead rows", ref="db.vacuum")
    grave = [Finding("db.vacuum", Severity.WARNING, "db", "vacuum is late", ("x",))]

    def said(*events):
        return [line[11:] for line in news.events(Frame("events", 1000.0, Events(events), {}), grave)]

    assert said(event) == ["00:15:00 finding db: warning: vacuum is late: 2 M dead rows"]
    ended = Event(900.0, "finding", "db", "vacuum is late", ref="db.vacuum", until=1020.0)
    assert said(event, ended) == ["00:17:00 finding db: gone after 2 m 00 s: vacuum is late"]
    assert said(ended) == []
    old = Event(10.0, "finding", "db", "long ago", until=20.0)
    assert said(old) == []


def test_what_strangers_wrote_cannot_move_the_cursor(news):
    evil = Event(2000.0, "note", "x\x1b[2J", "a\nb\u202e", actor="\x07bell")
    (line,) = news.events(Frame("events", 2000.0, Events((evil,)), {}))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", line)
    assert list(news.events(Frame("events", 2000.0, Events((evil,)), {}))) == []
    earlier = Event(999.0, "action", "db", "vacuumed")
    assert list(news.events(Frame("events", 2000.0, Events((earlier,)), {}))) == []


def test_links_on_their_way_are_no_news(news):
    def said(link, error=""):
        return [line[20:] for line in news.links({"db": Health(link, 1.0, error)}, 1000.0)]

    states = (Link.WAITING, Link.LIVE, Link.LATE, Link.LIVE, Link.LOST)
    assert [said(state) for state in states] == [[], ["link db: live"], [], [], ["link db: lost"]]


def test_a_store_that_fails_is_said_and_so_is_its_end(news):
    assert [x[20:] for x in news.problem("disk full", 1.0)] == ["problem perftui: disk full"]
    assert list(news.problem("disk full", 2.0)) == []
    assert [x[20:] for x in news.problem("", 3.0)] == ["problem perftui: over"]
