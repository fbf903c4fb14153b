"""Two consoles on one store: what fires on one is acknowledged there, seen on the other, and ends on both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from perftui.app import Options, PerftuiApp
from perftui.config import load
from perftui.lab import Lab
from perftui.model.alerts import Alert, AlertsReport
from perftui.session import Session
from tests.console import Console, state_dir
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")

RULES = """
[env.here]
[env.here.backends.host]
kind = "host"
[alerts.rules.always]
title = "CPU there"
series = "host/cpu.busy_ratio"
above = -1.0
severity = "critical"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(RULES)
    path.chmod(0o600)
    return path


def session_at(path: Path | str, env: str) -> Session:
    loaded = load(path, env)
    return Session.open(loaded, loaded.environment, remember=True)


@asynccontextmanager
async def running(session: Session) -> AsyncIterator[Session]:
    await session.start()
    try:
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def console_at(path: Path | str, env: str, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Console]:
    app = PerftuiApp(
        lambda name: session_at(path, env),
        Options(screen="overview.alerts"),
        environment={"TERM": "xterm-256color"},
    )
    async with app.run_test(size=size) as pilot:
        yield Console(app, pilot)


def alert_of(session: Session, rule: str) -> Alert | None:
    report: Any = session.frame("alerts").report
    found = report.alerts if isinstance(report, AlertsReport) else ()
    return next((alert for alert in found if alert.rule == rule), None)


async def word(session: Session, rule: str, wanted: str, within: float) -> Alert:
    def stands() -> Alert | None:
        alert = alert_of(session, rule)
        return alert if alert is not None and alert.word == wanted else None

    found = await until(stands, within)
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_acknowledge_here_seen_there_then_a_threshold_ends_it(config: Path, size: Any) -> None:
    async with console_at(config, "here", size) as seen, running(session_at(config, "here")) as other:
        await seen.sees(r"firing .*CPU there", 20)
        await seen.sees(r"1 alert\b")
        await word(other, "always", "firing", 15)
        await seen.press("!")
        await seen.sees("a note for the others")
        await seen.types("on it")
        await seen.sees("can be undone|the alert is open again")
        await seen.press("y")
        alert = await word(other, "always", "acknowledged", 15)
        assert alert.ack is not None
        assert alert.ack.note == "on it"
        await seen.sees(r"acknowledged 1", 15)
        await seen.press("t")
        await seen.sees("CPU there >")
        await seen.press(*["backspace"] * 6)
        await seen.types("200 %")
        await seen.sees("would have fired never")
        await seen.press("y")
        await word(other, "always", "resolved", 20)
        await seen.press("v", "G")
        await seen.sees(r"always .*> 200")
        await seen.press("v")
        await seen.sees("nothing is silenced")
        await seen.press("v")
        await seen.sees("acknowledged +always")


@pytest.mark.slow
async def test_marked_alerts_are_acknowledged_together_and_for_a_while(config: Path) -> None:
    more = '[alerts.rules.also]\ntitle = "Memory there"\nseries = "host/memory.used_ratio"\nabove = -1.0\n'
    alone = "[alerts]\nshipped = false\nfindings = []\n"  # a busy machine has alerts of its own
    config.write_text(RULES + alone + more.replace("above", 'severity = "critical"\nabove'))
    async with console_at(config, "here") as seen, running(session_at(config, "here")) as other:
        await seen.sees("firing .*CPU there", 20)
        await seen.sees("firing .*Memory there", 20)
        await seen.press("g", "g", "space", "j", "space", "O")  # the cursor stays on its row
        await seen.sees("2 alerts: who sees to them")
        await seen.types("ann")
        await seen.sees("2 alerts are ann's to see to")
        await seen.press("y")
        await seen.sees("2 alerts are ann's · u undoes it")
        await seen.press("m")
        await seen.sees("2 alerts: a word for their history")
        await seen.types("looked at together")
        await seen.sees("comment on 2 alerts: looked at together")
        await seen.press("y")
        await seen.sees("2 alerts: looked at together")
        marks = {(await word(other, rule, "firing", 15)).fingerprint for rule in ("always", "also")}
        desk = other.alerts.desk
        assert {mark: who for mark, who in (await desk.notices()).owners.items() if who} == dict.fromkeys(
            marks, "ann"
        )
        words = [e.fingerprint for e in await desk.events(0.0) if e.kind == "comment"]
        assert set(words) == marks
        await seen.press("u")
        await seen.sees("undo|nobody's again")
        await seen.press("y")
        await seen.sees("2 alerts are nobody's again")
        await seen.press("!")
        await seen.sees("2 alerts: a note for the others")
        await seen.types("both mine for 2h")
        await seen.sees("acknowledge 2 alerts for 2 h")
        await seen.press("y")
        for rule in ("always", "also"):
            alert = await word(other, rule, "acknowledged", 15)
            assert alert.ack is not None
            assert alert.ack.note == "both mine"
            assert alert.ack.until is not None
            assert 7100 < alert.ack.until - alert.ack.at <= 7200


@pytest.mark.slow
async def test_silence_from_the_screen(config: Path) -> None:
    async with console_at(config, "here") as seen:
        await seen.sees(r"firing .*CPU there", 20)
        await seen.press("z")
        await seen.sees('rule="always", source="host"')
        await seen.press("enter")
        await seen.sees("for how long")
        await seen.press("enter")
        await seen.sees("firing CPU there of host")
        await seen.press("y")
        await seen.sees("silenced 1", 15)
        await seen.press("u")
        await seen.sees("ends the silence|undo")
        await seen.press("y")
        await seen.sees("silenced 0", 15)


@pytest.mark.slow
async def test_a_maintenance_window_from_the_screen(config: Path) -> None:
    async with console_at(config, "here") as seen:
        await seen.sees(r"firing .*CPU there", 20)
        await seen.press("v", "v")
        await seen.sees("nothing is silenced")
        await seen.press("c")
        await seen.sees("its name, such as")
        await seen.types("weekly")
        await seen.sees("alerts that match")
        await seen.types('source="host"')
        await seen.sees("in which zone")
        await seen.types("noo 02:00")
        await seen.sees("'noo' is no day")
        await seen.press(*["backspace"] * 9)
        await seen.types("* * * * * 2h Europe/Berlin")
        await seen.sees("next: 20")
        await seen.press("y")
        await seen.sees(r"weekly +running .*\* \* \* \* \* Europe/Berlin", 15)
        await seen.sees("silenced 1", 15)
        await seen.press("D")
        await seen.sees("remove maintenance window weekly")
        await seen.press("y")
        await seen.sees("nothing is silenced", 15)


@pytest.mark.slow
async def test_a_new_rule_from_the_screen(config: Path) -> None:
    async with console_at(config, "here") as seen:
        await seen.sees(r"firing .*CPU there", 20)
        await seen.press("v", "c")
        await seen.sees("its name, such as")
        await seen.types("Mine")
        await seen.sees("metric, operator, threshold")
        await seen.types("host/cpu.busy_ratio")
        await seen.sees("write METRIC > THRESHOLD")
        await seen.types(" above -1 info")
        await seen.sees("would have fired")
        await seen.sees("severity: info")
        await seen.press("y")
        await seen.sees("1 rules are in", 20)
        await seen.sees(r"firing 1 +Mine", 20)
        assert "perftui_host_cpu_busy_ratio{source=" in config.with_name("rules.yml").read_text()


@pytest.mark.slow
async def test_an_incident_of_the_lab_fires_is_acknowledged_and_resolves(lab: Lab) -> None:
    async with running(session_at(lab.config_path(), "lab")) as here:
        await until(lambda: here.frame("alerts").report, 30)
        async with running(session_at(lab.config_path(), "lab")) as there:
            await lab.incidents.start("error-burst")
            try:
                alert = await word(here, "finding:api.error-rate-high", "firing", 60)
                assert alert.evidence
                assert here.alerts is not None
                _, mine = await here.alerts.desk.acknowledge(alert, "seen", None)
                assert mine
                await word(there, alert.rule, "acknowledged", 20)
            finally:
                await lab.incidents.stop("error-burst")
            await word(there, alert.rule, "resolved", 120)


@pytest.mark.slow
async def test_why_from_the_screen(config: Path) -> None:
    async with console_at(config, "here") as seen:
        await seen.sees(r"firing .*CPU there", 20)
        await seen.press("w")
        await seen.sees(r"Why always")
        await seen.sees(r"avg_over_time|perftui_host_cpu_busy_ratio")
        await seen.sees(r"firing since .*source=host")
        await seen.sees("nobody is told: no channel is configured")
        await seen.sees(r"host/cpu\.busy_ratio +│\n.*┤")  # and the value around the firing
        await seen.press("escape")
        await seen.sees("acknowledged 0")


@pytest.mark.slow
async def test_a_rule_of_the_file_is_edited_with_a_backtest_beside(config: Path) -> None:
    config.write_text('[env.here]\n[env.here.backends.host]\nkind = "host"\n')
    rules = config.with_name("rules.yml")
    rules.write_text(
        "groups:\n- name: g\n  interval: 5s\n  rules:\n"
        "  - alert: Filed  # ours\n    expr: perftui_host_cpu_busy_ratio > -1\n    labels: {severity: critical}\n"
    )
    async with console_at(config, "here") as seen:
        await seen.sees(r"firing .*Filed", 30)
        await seen.press("i")
        await seen.sees(r"Filed in rules.yml:5: the expression")
        await seen.types(" + 0")
        await seen.sees(r"as it will be: would have fired", 20)
        await seen.press("y")
        await seen.sees("1 rules are in", 20)
        assert "expr: 'perftui_host_cpu_busy_ratio > -1 + 0'\n    labels" in rules.read_text()
        assert "# ours" in rules.read_text()


@pytest.mark.slow
async def test_a_rule_says_while_it_is_typed_what_it_would_have_done(config: Path) -> None:
    async with console_at(config, "here", (80, 24)) as seen:
        await seen.sees(r"firing .*CPU there", 20)
        await seen.press("v", "c")
        await seen.types("Mine")
        await seen.press(*"rate(perftui_x[5m) > 1")
        await seen.sees(r"1:\d+: parse error", 20)
        await seen.sees(r"rate\(perftui_x\[5m\)[^^]*\^", 20)
        await seen.press("enter")  # a line that makes no rule is not taken
        await seen.sees(r"New rule[^?]*parse error")
        await seen.press(*["backspace"] * 22, *"host/cpu.busy_ratio above 7")
        await seen.sees("never fired in|nothing it looks at was recorded", 20)
        await seen.press(*["backspace"], *"-1")
        await seen.sees("would have fired|still firing|never fired", 20)
        await seen.press("escape", "G")
        await seen.sees(r"always +")


@pytest.mark.slow
async def test_rules_of_others_over_a_host_need_no_server(config: Path) -> None:
    """As they are published for node_exporter; what they ask for is kept from the first look on."""
    config.write_text('[env.here]\n[env.here.backends.host]\nkind = "host"\n')
    config.with_name("rules.yml").write_text(
        "groups:\n- name: node\n  interval: 5s\n  rules:\n"
        "  - alert: Idle\n    expr: 'sum by (instance) (rate(node_cpu_seconds_total[1m])) > 0.5'\n"
        "  - alert: Memory\n    expr: node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < 1.1\n"
        '  - alert: Disk\n    expr: (node_filesystem_avail_bytes{mountpoint="/"} * 100)'
        ' / node_filesystem_size_bytes{mountpoint="/"} < 101\n'
    )
    async with running(session_at(config, "here")) as here:
        for rule in ("Idle", "Memory", "Disk"):
            alert = await word(here, rule, "firing", 40)
            assert dict(alert.labels)["instance"], alert
        names = {key.name for key in here.rings.recent_keys() if key.name.startswith("metric:node_")}
        assert "metric:node_load1" not in names
