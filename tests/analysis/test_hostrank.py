"""Which host somebody should look at first."""

from __future__ import annotations

from perftui.analysis.hostrank import ranked
from perftui.model.finding import Finding, Severity
from perftui.model.health import Health, Link
from perftui.model.resources import CpuUse, HostReading, HostView, MemoryUse, MountUse, ResourcesReport


def view(source, busy=0.1, memory=0.1, *, host="", full=0.0, at=100.0):
    used = int(memory * 1000)
    mounts = (MountUse("/", "d", "ext4", 1000, int(1000 - full * 1000), int(full * 1000)),) if full else ()
    cpu = CpuUse("all", busy)
    reading = HostReading(
        host or source, 1.0, cpu, (cpu,), (1.0, 0, 0), MemoryUse(1000, 1000 - used), mounts=mounts
    )
    return HostView(source, at, reading)


def order(views, health=None, findings=(), silent=()):
    links = {v.source: Health(Link.LIVE, 0.0) for v in views} | (health or {})
    return ranked(ResourcesReport(tuple(views), silent=silent), links, findings)


def test_lost_ones_then_findings_then_what_is_fullest():
    views = [
        view("calm"),
        view("busy", 0.9),
        view("full", full=0.97),
        view("found"),
        view("gone"),
        view("bad"),
    ]
    findings = (
        Finding("a", Severity.WARNING, "found", "a warning", ("e",)),
        Finding("b", Severity.INFO, "found", "less", ("e",)),
        Finding("c", Severity.CRITICAL, "bad", "all is lost", ("e",)),
    )
    found = order(views, {"gone": Health(Link.LOST, 0.0, "no answer")}, findings)
    assert [rank.source for rank in found] == ["gone", "bad", "found", "full", "busy", "calm"]
    assert [rank.why for rank in found[:4]] == ["no answer", "all is lost", "a warning", "file system 97%"]
    assert found[0].at == 100.0


def test_small_differences_do_not_change_the_order():
    assert [r.source for r in order([view("b", 0.50), view("a", 0.51)])] == ["a", "b"]
    assert [r.source for r in order([view("b", 0.51), view("a", 0.50)])] == ["a", "b"]


def test_hosts_of_one_name_go_by_their_backends():
    assert {r.host for r in order([view("x", host="vm"), view("y", host="vm"), view("z", host="db")])} == {
        "x",
        "y",
        "db",
    }


def test_a_target_that_never_answered_is_there_without_figures():
    health = {"new": Health(Link.WAITING, 0.0), "dead": Health(Link.LOST, 0.0, "refused")}
    found = order([view("a")], health, silent=("dead", "new"))
    assert [(r.source, r.at) for r in found] == [("dead", 0.0), ("a", 100.0), ("new", 0.0)]
    assert found[2].why == "not answered yet"
    assert found[2].cpu is None
