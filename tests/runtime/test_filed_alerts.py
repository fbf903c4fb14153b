"""Rules of a file in the ruler: beside our own, in the store, over a restart."""

from __future__ import annotations

import asyncio

import pytest

from perftui.analysis.promql import Shelf
from perftui.analysis.ruleexport import exported
from perftui.backends.prometheus import Prometheus, PrometheusOptions
from perftui.draw.ruletext import rule_text
from perftui.model.alerts import AlertState
from perftui.model.health import Link
from perftui.runtime import distant
from perftui.runtime.alertbook import Book
from perftui.runtime.alerts import Ruler
from perftui.runtime.clock import Clock
from perftui.runtime.groupruler import GroupRuler
from perftui.runtime.leases import Leases
from perftui.runtime.localseries import LocalSeries
from perftui.runtime.rulefiles import RuleShelf
from tests.runtime.test_alerts import KINDS, Seat, Time

RULES = """\
groups:
- name: g
  interval: 5s
  rules:
  - record: 'busy:max'
    expr: max(perftui_host_cpu)
  - alert: Filed
    expr: busy:max > 0.8
    for: 10s
    labels: {severity: critical}
    annotations: {summary: 'busy {{ $value | humanizePercentage }}', description: long}
"""


class FiledSeat(Seat):
    """A console whose ruler has a rule file beside the rules of the configuration."""

    def file(self, path, servers=None):
        clock, written = Clock(self.time, self.time), Shelf()
        self.rings._began = self.time.now - 3600
        local = LocalSeries(
            KINDS, history=self.history, rings=self.rings, looks=lambda: self.looks, written=written
        )
        self.files = GroupRuler(
            RuleShelf(str(path)), written, lambda source: (servers or {}).get(source, local)
        )
        self.ruler = Ruler(
            self.ruler.group,
            self.ruler._sights,
            clock,
            Book(self.store),
            Leases(self.store),
            env="lab",
            told=self.reports.append,
            note=self.events.append,
            files=self.files,
        )
        return self


@pytest.fixture
async def url(sqlite_url):
    return sqlite_url


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return path


@pytest.fixture
async def seat(store, path):
    start = Time()
    start.now -= start.now % 5
    return FiledSeat(store, start).file(path)


async def test_beside_our_own(seat, path):
    for _ in range(3):
        await seat.after(cpu=0.9)
    assert seat.words() == {"Filed": "firing", "busy": "firing"}
    report = seat.reports[-1]
    (alert,) = [alert for alert in report.alerts if alert.rule == "Filed"]
    assert (alert.title, alert.evidence, alert.severity.name) == ("busy 90%", ("long",), "CRITICAL")
    assert dict(alert.annotations)["summary"] == "busy 90%"
    (status,) = [status for status in report.rules if status.rule.name == "Filed"]
    assert (status.firing, status.value, status.evaluated) == (1, 0.9, seat.time.now)
    assert rule_text(status.rule) == "busy:max > 0.8 for 10 s"
    assert ("firing", "Filed") in [(event.kind, event.rule) for event in report.history]
    path.write_text("groups: []")
    report = await seat.after(cpu=0.9)
    assert {a.rule: a.word for a in report.alerts}["Filed"] == "resolved"


async def test_a_file_that_is_wrong_is_told_and_changes_nothing(seat, path):
    await seat.after(cpu=0.9)
    path.write_text("groups: [")
    report = await seat.after(cpu=0.9)
    assert report.problem.startswith("rules.yml:1:")
    assert seat.words()["Filed"] == "pending"


async def test_after_a_restart_the_time_nobody_watched_does_not_count(seat, store, path):
    await seat.after(cpu=0.9)
    await seat.after(cpu=0.9)
    await seat.ruler.close()
    assert seat.words()["Filed"] == "pending"
    seat.time.now += 300
    again = FiledSeat(store, seat.time).file(path)
    await again.after(cpu=0.9)
    assert again.words()["Filed"] == "pending"
    await again.after(cpu=0.9)
    assert again.words()["Filed"] == "firing"


async def test_rules_on_a_server_that_never_answers_leave_ours_and_the_lease_alone(store, path, monkeypatch):
    monkeypatch.setattr(distant, "BUDGET", 0.2)
    open_ = []
    async with await asyncio.start_server(lambda reader, writer: open_.append(writer), "127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        prom = Prometheus("prom", PrometheusOptions(url=url, timeout=5.0))
        await prom.open()

        async def ask(expression, at):
            return (await prom.instant(expression, at)).vector

        far = "  - {{alert: Far{}, expr: up == 0, annotations: {{perftui_source: prom}}}}\n"
        path.write_text(RULES.rstrip() + "\n" + "".join(map(far.format, range(4))))
        start = Time()
        start.now -= start.now % 5
        seat = FiledSeat(store, start).file(path, {"prom": ask})
        for _ in range(3):
            report = await seat.after(cpu=0.9)
        await prom.close()
        for writer in open_:
            writer.close()
    assert len(open_) == 4
    assert seat.words() == {"Filed": "firing", "busy": "firing"}
    assert {alert.rule for alert in (await Book(store).page()).alerts.values()} == {"Filed", "busy"}
    assert report.holder
    assert [bool(status.error) for status in report.rules if status.rule.name.startswith("Far")] == [True] * 4


async def test_rules_that_were_exported_and_imported_hold_instead_of_our_own(seat, path):
    """One alert each, and one line of history a change; without them our own hold again."""
    text, _ = exported(seat.rules, 5.0, KINDS)
    path.write_text(text)
    for cpu in (0.5, 0.9, 0.9, 0.9):
        seat.read("db", link=Link.LOST)
        report = await seat.after(cpu=cpu)
    assert seat.words() == {"busy": "firing", "down": "firing"}
    assert [len(alert.annotations) for alert in report.alerts] == [3, 3]  # they are the file's
    assert sorted(rule.rule.name for rule in report.rules) == sorted(rule.name for rule in seat.rules)
    assert {(status.rule.name, status.firing) for status in report.rules if status.replaces} == {
        ("busy", 1), ("hot", 0), ("hits", 0), ("down", 1),
    }  # fmt: skip
    for _ in range(3):
        report = await seat.after(cpu=0.5)
    assert seat.words() == {"busy": "resolved", "down": "firing"}
    told = [("down", "firing"), ("busy", "firing"), ("busy", "resolved")]
    assert [(event.rule, event.kind) for event in report.history] == told
    path.write_text("groups: []")
    for _ in range(4):
        report = await seat.after(cpu=0.9)
    assert [alert.annotations for alert in report.alerts if alert.state is AlertState.FIRING] == [()] * 2


async def test_a_recording_rule_of_the_name_of_a_rule_of_ours_replaces_nothing(seat, path):
    path.write_text("groups:\n- name: g\n  rules:\n  - {record: busy, expr: max(perftui_host_cpu)}\n")
    for _ in range(4):
        await seat.after(cpu=0.9)
    assert seat.words() == {"busy": "firing"}
