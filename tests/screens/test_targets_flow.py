"""One entry, several hosts: the same screens, rules and words as for entries of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from perftui.app import Options, PerftuiApp
from perftui.cli import main
from perftui.lab.ports import free_port
from perftui.model.alerts import AlertState
from perftui.screens import chrome
from tests.console import Console, state_dir
from tests.needs import needs
from tests.nodes import PROGRAM, Exporter
from tests.screens.test_alerts_flow import session_at
from tests.waiting import until

__all__ = ["state_dir"]


@pytest.fixture(scope="module")
def exporters() -> Iterator[tuple[Exporter, Exporter]]:
    needs("prometheus-node-exporter", PROGRAM is not None, "install the package prometheus-node-exporter")
    made = Exporter(), Exporter()
    yield made
    for one in made:
        one.stop()


@pytest.fixture
def places(exporters: tuple[Exporter, Exporter]) -> list[str]:
    return [f"127.0.0.1:{port}" for port in (exporters[0].port, exporters[1].port, free_port())]


@pytest.fixture
def config(tmp_path: Path, state_dir: Path, places: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "perftui.toml"
    path.write_text(
        f"[env.here.backends.web]\nkind = 'targets'\ntargets = {places!r}\nevery = 1.0\n"
        "[alerts.rules.gone]\nseries = '*/up'\nbelow = 1.0\nseverity = 'critical'\n"
        "[alerts.rules.busy]\nseries = '@scrape/memory.used_ratio'\nabove = -1.0\nseverity = 'info'\n"
    )
    path.chmod(0o600)
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))
    return path


async def test_they_are_listed_chosen_and_watched_each_by_its_name(config: Path, places: list[str]) -> None:
    app = PerftuiApp(
        lambda env: session_at(config, "here"),
        Options(screen="overview.hosts"),
        environment={"TERM": "xterm-256color"},
    )
    sources = [f"web:{place}" for place in places]
    async with app.run_test(size=(120, 40)) as pilot:
        seen = Console(app, pilot)
        await until(lambda: app.base.has_news() and app.base.tab is not None, 20)
        tab = app.base.tab
        await until(lambda: {rank.source for rank in tab.ranks} == set(sources), 20)
        await until(lambda: tab.ranks[0].source == sources[2] and tab.ranks[0].link == "lost", 20)
        assert "cannot reach" in tab.ranks[0].why
        await seen.sees("never")
        hosts = tab.query_one("#hosts")
        hosts.focus()
        await until(lambda: app.base.focused is hosts)
        for source in sources[:2]:
            hosts.cursor_to(source)
            await until(lambda source=source: tab._shown == source, 20)
            await seen.sees("an exporter tells no processes")
            await seen.sees(r"tasks waited for|memory")
        gone = await until(lambda: [a for a in chrome.open_alerts(app) if a.rule == "gone"], 20)
        assert [alert.source for alert in gone] == sources[2:]
        await seen.sees(rf"^ ■ critical: gone · {sources[2][:16]}")
        report = app.session.frame("alerts").report
        busy = [a for a in report.alerts if a.rule == "busy" and a.state is AlertState.FIRING]
        assert {alert.source for alert in busy} == set(sources[:2])
        app.go("overview.summary")
        await seen.sees(r"\d% CPU busy")


@pytest.mark.slow
def test_the_command_line_knows_them_by_name(
    config: Path, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["monitor", "hosts", "--json"]) == 1
    told = {rank["source"]: rank for rank in json.loads(capsys.readouterr().out)}
    assert set(told) == {f"web:{place}" for place in places}
    assert told[f"web:{places[2]}"]["link"] == "lost"
    assert told[f"web:{places[0]}"]["cpu"] >= 0
    assert main(["monitor", "top", "--once", "--json", "--source", f"web:{places[1]}"]) == 0
    assert json.loads(capsys.readouterr().out)["host"]["memory"]["total"] > 0
    assert main(["monitor", "top", "--once", "--source", "web:nobody"]) != 0
    assert "no host of that name" in capsys.readouterr().err
