"""Several hosts on the hosts tab: real exporters beside this machine, one of which goes away."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import pytest

from perftui.cli import main
from perftui.config import load
from perftui.draw.clean import cell_width
from perftui.draw.table import body_row, fit_columns
from perftui.engines.resources import ResourcesEngine
from perftui.lab.ports import free_port
from perftui.model.health import Health, Link
from perftui.model.resources import HostRank
from perftui.runtime.rings import Rings
from perftui.screens.overview import hostlist
from perftui.session import Session
from tests.analysis.test_hostrank import view
from tests.needs import needs
from tests.nodes import PROGRAM, Exporter
from tests.screens.shell import shown
from tests.waiting import until


@pytest.fixture
def exporter():
    needs("prometheus-node-exporter", PROGRAM is not None, "install the package prometheus-node-exporter")
    made = Exporter()
    yield made
    made.stop()


@pytest.fixture
def config(tmp_path, monkeypatch, exporter):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "perftui.toml"
    path.write_text(
        '[env.many]\nkind = "lab"\n[env.many.backends.here]\nkind = "host"\n'
        f'[env.many.backends.web1]\nkind = "scrape"\nurl = "{exporter.url}"\n'
        f'[env.many.backends.dead]\nkind = "scrape"\nurl = "http://127.0.0.1:{free_port()}/metrics"\n'
    )
    path.chmod(0o600)
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))


@pytest.fixture
def session(config):
    made = load()
    return Session.open(made, made.environment)


def answered(tab):
    """Whether all that can answer have: one that has not yet shows nothing."""
    return {rank.source for rank in tab.ranks if rank.at} == {"here", "web1"} and len(tab.ranks) == 3


async def test_hosts_stand_at_the_left_and_the_chosen_one_is_shown(session, exporter):
    async with shown("overview.hosts", session, (120, 40)) as (app, _pilot):
        tab = app.base.tab
        await until(lambda: tab.selection and tab.ranks[0].source == "dead", 30)
        await until(lambda: answered(tab) and "never" in app.text(), 30)
        assert tab._shown == "here"  # the one whose processes are told
        hosts = tab.query_one("#hosts")
        hosts.focus()
        await until(lambda: app.base.focused is hosts)
        hosts.cursor_to("web1")
        await until(lambda: tab._shown == "web1", 20)
        await until(lambda: "an exporter tells no processes" in app.text(), 20)
        assert tab.selection is None
        await until(lambda: "tasks waited for" in app.text(), 20)
        exporter.stop()
        await until(lambda: "LOST" in app.text() and tab.ranks[0].source in ("dead", "web1"), 30)
        await until(lambda: {r.source for r in tab.ranks[:2]} == {"dead", "web1"}, 30)
        assert tab._shown == "web1"  # its last figures stay, with their age
        hosts.cursor_to("dead")
        await until(lambda: "never answered" in app.text(), 20)
        assert tab._shown == "web1"
        hosts.cursor_to("here")
        await until(lambda: tab.selection and tab.selection["source"] == "here", 20)
        assert any(pid == os.getpid() for pid, _ in tab.query_one("#processes").view.order)


async def test_a_small_terminal_chooses_with_a_key(config, monkeypatch):
    told = os.uname()
    long = os.uname_result((told.sysname, "a-rather-long.name-of-a.machine.example", *tuple(told)[2:]))
    monkeypatch.setattr(os, "uname", lambda: long)
    made = load()
    session = Session.open(made, made.environment)
    async with shown("overview.hosts", session, (80, 24)) as (app, pilot):
        tab = app.base.tab
        await until(lambda: answered(tab) and tab.ranks[0].source == "dead" and tab.selection, 30)
        await until(lambda: "one of 3" in app.text(), 20)
        assert not tab.query_one("#hosts").display
        await pilot.press("t")
        await until(lambda: "Which host" in app.text(), 20)
        assert "never answered" in app.text()
        place = [source for source, _ in app.screen.options].index("web1")
        await pilot.press(*["down"] * place, "enter")
        await until(lambda: tab._shown == "web1", 20)


@pytest.mark.slow
def test_the_command_line_lists_them_worst_first(config, capsys):
    assert main(["monitor", "hosts", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told[0]["source"] == "dead"
    assert {rank["source"] for rank in told} == {"dead", "here", "web1"}
    assert all(rank["cpu"] > 0 for rank in told[1:])
    assert main(["monitor", "hosts"]) == 1
    assert "LOST never answered" in capsys.readouterr().out
    assert main(["monitor", "top", "--once", "--json", "--source", "web1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["host"]["memory"]["total"] > 0
    assert told["processes"]["rows"] == []


def test_a_row_says_what_a_host_does_or_since_when_it_is_lost():
    live = HostRank("a", "web\x1b1", 0.5, "CPU 97%", "live", 90.0, 0.97, 0.5, 1.0, 0.2)
    fitted = fit_columns(hostlist.columns(lambda: 130.0), 30)

    def text(rank):
        return "".join(span.text for span in body_row(fitted, rank, 30))

    assert "97.0%" in text(live)
    assert "\x1b" not in text(live)
    lost = replace(live, link="lost", why="no answer")
    assert "LOST" in text(lost)
    assert "40" in text(lost)
    assert cell_width(text(lost)) == 30
    assert "no answer" in hostlist.words(lost, 130.0)


class Still:
    """A look that does not change."""

    def __init__(self, name, shown_view):
        self.name, self.kind = name, "scrape"
        self.reading = type("R", (), {"at": shown_view.at, "facts": shown_view.reading})()


def test_fifty_hosts_are_looked_into_once_a_reading():
    """A frame after one of fifty was read costs little more than that one."""
    engine, rings = ResourcesEngine(), Rings()
    looks = {f"h{i}": Still(f"h{i}", view(f"h{i}", i / 60)) for i in range(50)}
    first = engine.observe(100.0, looks, rings)
    looks["h7"] = Still("h7", view("h7", 0.99, at=101.0))
    second = engine.observe(101.0, looks, rings)
    same = [a is b for a, b in zip(first.hosts, second.hosts, strict=True)]
    assert same.count(False) == 1
    health = {name: Health(Link.LIVE, 0.0) for name in looks}
    began = time.process_time()
    for _ in range(20):
        ranks = hostlist.ranked(second, health, engine.findings(second))
    assert (time.process_time() - began) / 20 < 0.05
    assert ranks[0].source == "h7"
