"""`:grafana push`: dashboards and what happened, through the door every change goes through, and back."""

from __future__ import annotations

import time
from typing import Any

import pytest

from perftui.app import Options, PerftuiApp
from perftui.config import load
from perftui.model.event import Event
from perftui.session import Session
from tests.agents import written
from tests.cli.test_grafana import TOKEN, grafana
from tests.console import Console, state_dir
from tests.waiting import until

__all__ = ["grafana", "state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")
CONFIG = """
[grafana]
url = "{url}"
token = "env:GRAFANA_TOKEN"
[env.here]
kind = "test"
[env.here.backends.host]
"""


def app_on(path: Any, **flags: Any) -> PerftuiApp:
    config = load(path, "here", flags)
    return PerftuiApp(
        lambda env: Session.open(config, config.environment, read_only=config.read_only),
        Options(screen="overview.timeline"),
        environment={"TERM": "xterm-256color"},
    )


async def test_it_is_planned_confirmed_done_audited_and_undone(
    grafana: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    receiver, url = grafana
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    app = app_on(written(tmp_path / "c.toml", CONFIG.format(url=url)))
    async with app.run_test(size=(120, 40)) as pilot:
        seen = Console(app, pilot)
        await until(lambda: app.started and app.session.sources("DashboardHost"), 20)
        app.session.note("release 42")
        app.session.events.add(Event(time.time() - 7200, "note", "x", "long ago"))
        app.verbs.say("grafana push")
        await seen.sees(r"write \d+ new dashboards, 0 over older ones, and\s+add 1 annotations")
        assert receiver.dashboards == {}
        await seen.press("y")
        await until(lambda: receiver.annotations, 20)
        assert [a["text"].split("\n")[0] for a in receiver.annotations.values()] == ["here: release 42"]
        assert "perftui-cache" in receiver.dashboards
        await until(lambda: not app.running())
        report = app.session.conductor.audit.report()
        assert any(entry.action == "grafana.push" for entry in report.entries)
        assert TOKEN not in str(report)
        await seen.press("u")
        await seen.sees("takes new ones|puts the older|Undo|undo")
        await seen.press("y")
        await until(lambda: not receiver.dashboards and not receiver.annotations, 20)


async def test_without_one_and_read_only_nothing_is_written(
    grafana: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    receiver, url = grafana
    app = app_on(written(tmp_path / "none.toml", '[env.here]\nkind = "test"\n[env.here.backends.host]\n'))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: app.started)
        app.verbs.say("grafana push")
        await Console(app, pilot).sees("no Grafana to push to")
    path = written(tmp_path / "c.toml", CONFIG.format(url=url))
    app = app_on(path)  # the token is nowhere: the console is there all the same
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: "GRAFANA_TOKEN is not set" in str(app.session.frame("events").report), 20)
        await Console(app, pilot).sees("grafana refused")
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    app = app_on(path, read_only=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: app.started and app.session.sources("DashboardHost"), 20)
        app.verbs.say("grafana push")
        await Console(app, pilot).sees("read-only")
    assert not [asked for asked in receiver.asked if asked.startswith("POST")]
