"""What the resources engine concludes from looks and their history, with the evidence it gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.analysis.hostmeasures import measures
from perftui.engines.resources import ResourcesEngine
from perftui.model.endpoint import ApiReading, Endpoint
from perftui.model.finding import Severity
from perftui.model.health import Health, Link
from perftui.model.reading import Look, Reading
from perftui.model.resources import (
    CpuUse,
    DiskUse,
    GroupLimit,
    HostReading,
    MemoryUse,
    MountUse,
    Pressure,
    ProcessRow,
    TcpUse,
)
from perftui.runtime.rings import Rings

GIB = 1 << 30
LIVE = Health(Link.LIVE, 0.0)
WORKER = ProcessRow(42, 1, "python", "python app.py", "web", "R", "python", 1.5, 200 << 20, 4, 0.0)
CALM = HostReading(
    host="box",
    window=1.0,
    cpu=CpuUse("all", 0.2),
    cores=(CpuUse("0", 0.2), CpuUse("1", 0.2)),
    load=(0.4, 0.3, 0.2),
    memory=MemoryUse(total=8 * GIB, available=6 * GIB, oom_kills=3),
    disks=(DiskUse("vda", 1, 1, 1, 1, 0.001, 0.002, 0.1, 0.1),),
    mounts=(MountUse("/", "/dev/vda", "ext4", 100 * GIB, 60 * GIB, 40 * GIB),),
    pressure=(Pressure("memory", 0.0, 0.0),),
    top=(WORKER,),
)


def seen(readings, *, every=1.0, source="host"):
    """Report and findings after these looks at one host, `every` seconds apart."""
    engine, rings = ResourcesEngine(), Rings(seconds=3600)
    report = None
    for i, facts in enumerate(readings):
        reading = Reading(source, 1000.0 + i * every, 0.001, measures(source, facts), facts)
        rings.record(reading)
        report = engine.observe(reading.at, {source: Look(source, "host", reading, LIVE)}, rings)
    return report, engine, {f.id: f for f in engine.findings(report)}


def test_a_calm_host_gives_no_finding():
    report, engine, found = seen([CALM] * 40)
    assert found == {}
    assert report.hosts[0].sustained.cpu == pytest.approx(0.2)
    assert report.hosts[0].sustained.cores == (pytest.approx(0.2), pytest.approx(0.2))
    assert engine.actions(report)[0].params == (("pid", 42),)


def test_a_saturated_host_names_who_uses_it_and_offers_a_profile():
    busy = replace(CALM, cpu=CpuUse("all", 0.97), cores=(CpuUse("0", 0.99), CpuUse("1", 0.95)))
    _, _, found = seen([busy] * 130)
    finding = found["host.cpu-saturated"]
    assert finding.severity is Severity.CRITICAL
    assert seen([busy] * 40)[2]["host.cpu-saturated"].severity is Severity.WARNING  # a start takes that long
    assert "python 42 150% of a core" in finding.evidence[1]
    assert (finding.offer.action, finding.offer.params) == ("profile.cpu", (("pid", 42),))
    assert "host.core-saturated" not in found


def test_one_full_core_among_idle_ones_is_its_own_finding():
    lopsided = replace(CALM, cpu=CpuUse("all", 0.55), cores=(CpuUse("0", 0.99), CpuUse("1", 0.1)))
    _, _, found = seen([lopsided] * 40)
    assert "core 0 is saturated" in found["host.core-saturated"].title
    assert "host.cpu-saturated" not in found


def test_a_moment_is_not_a_state():
    busy = replace(CALM, cpu=CpuUse("all", 1.0), cores=(CpuUse("0", 1.0), CpuUse("1", 1.0)))
    assert seen([CALM] * 35 + [busy] * 3)[2] == {}
    assert seen([busy] * 3)[2] == {}


def test_memory_by_use_and_by_stalls():
    full = replace(CALM, memory=MemoryUse(total=8 * GIB, available=GIB // 4))
    assert seen([full] * 5)[2]["host.memory-high"].severity is Severity.CRITICAL
    stalling = replace(CALM, pressure=(Pressure("memory", 0.15, 0.1),))
    finding = seen([stalling] * 5)[2]["host.memory-high"]
    assert finding.severity is Severity.WARNING
    assert "waited for memory 15%" in finding.evidence[1]


def test_oom_kills_count_from_when_we_look():
    killed = replace(CALM, memory=replace(CALM.memory, oom_kills=4))
    assert "host.oom-kill" not in seen([CALM] * 3)[2]
    assert "killed 1 " in seen([CALM, killed])[2]["host.oom-kill"].title


def test_swapping_and_busy_disks():
    swapping = replace(CALM, memory=replace(CALM.memory, swap_in_per_s=2 << 20))
    assert "2.0 MiB/s" in seen([swapping] * 40)[2]["host.swapping"].evidence[0]
    working = replace(CALM, disks=(replace(CALM.disks[0], busy=0.97),))
    assert "vda is busy 97%" in seen([working] * 40)[2]["host.disk-busy"].title


def test_a_full_disk_and_one_that_will_be():
    full = replace(CALM, mounts=(replace(CALM.mounts[0], available=3 * GIB, used=97 * GIB),))
    assert seen([full] * 5)[2]["host.disk-full"].severity is Severity.CRITICAL
    filling = [
        replace(
            CALM,
            mounts=(
                replace(CALM.mounts[0], used=int((40 + i * 0.1) * GIB), available=int((60 - i * 0.1) * GIB)),
            ),
        )
        for i in range(60)
    ]
    finding = seen(filling, every=10)[2]["host.disk-full"]
    assert "full in about 1.5 h" in finding.evidence[1]
    inodes = replace(CALM, mounts=(replace(CALM.mounts[0], inode_ratio=0.96),))
    assert "96% of its inodes" in seen([inodes])[2]["host.disk-full"].evidence[1]


def test_a_growing_process_is_told_as_unproven_until_half_an_hour_passed():
    def grown(i, every):
        return replace(CALM, top=(replace(WORKER, rss=(200 << 20) + int(i * every * (2 << 20) / 60)),))

    short = seen([grown(i, 10) for i in range(60)], every=10)[2]["process.memory-growing"]
    assert short.severity is Severity.INFO
    assert "python 42 grows by 2.0 MiB a minute" in short.title
    assert "unproven" in short.evidence[1]
    long = seen([grown(i, 10) for i in range(185)], every=10)[2]["process.memory-growing"]
    assert long.severity is Severity.WARNING
    assert len(long.evidence) == 1
    assert long.gain == pytest.approx(120 << 20, rel=0.05)


ORDERS = Endpoint("shop", "/orders", "POST", 10.0, 0.4, 0.0, 0.05, 0.09, 0.2, 0.06)
REPORT = Endpoint("shop", "/report", "GET", 2.0, 0.0, 0.0, 1.0, 2.4, 3.0, 1.2)
PAGES = Endpoint("shop", "/", "GET", 40.0, 0.0, 0.0, 0.004, 0.008, 0.01, 0.005)


def api(total, *endpoints, window=10.0):
    facts = ApiReading("shop", window, total, endpoints, 1000, 0, 1)
    engine = ResourcesEngine()
    look = Look("shop", "scrape", Reading("shop", 1000.0, 0.01, (), facts), LIVE)
    report = engine.observe(1000.0, {"shop": look}, Rings())
    assert report.apis[0].reading is facts
    return {f.id: f for f in engine.findings(report)}


def test_failing_requests_name_their_routes():
    found = api(replace(PAGES, rate=50, error_ratio=0.08), PAGES, ORDERS)["api.error-rate-high"]
    assert found.severity is Severity.CRITICAL
    assert found.evidence == ("4.0 of 50.0 requests/s answered 5xx", "POST /orders: 40% of 10.0/s")
    assert found.gain == pytest.approx(4.0)


def test_slowness_names_the_routes_that_cost_most():
    total = replace(PAGES, rate=52, p95_s=0.3, p99_s=2.0)
    found = api(total, PAGES, ORDERS, REPORT)["api.slow"]
    assert "p95 300 ms, target 100 ms" in found.title
    assert found.evidence[1].startswith("GET /report: p95 2400 ms, 2.40 s of request time")
    assert found.gain == pytest.approx(2.4)
    tail = api(replace(PAGES, p95_s=0.05, p99_s=1.5), PAGES)["api.slow"]
    assert "p99 1500 ms, target 1000 ms" in tail.title


def test_few_requests_prove_nothing():
    assert api(replace(REPORT, rate=0.5, error_ratio=1.0), REPORT) == {}
    assert api(PAGES, PAGES) == {}


def test_a_backend_that_was_never_read_is_left_out():
    engine = ResourcesEngine()
    report = engine.observe(1.0, {"host": Look("host", "host", None, LIVE)}, Rings())
    assert (report.hosts, report.apis) == ((), ())


def test_a_process_that_grew_by_much_is_named_with_its_sizes():
    grown = replace(WORKER, rss=136 << 20, grew=96 << 20, grew_s=60.0)
    finding = seen([replace(CALM, top=(grown,))])[2]["process.memory-grew"]
    assert finding.title == "python 42 grew by 96 MiB in 1.0 min"
    assert finding.evidence == ("from 40 to 136 MiB: python app.py",)
    little = replace(grown, rss=900 << 20)
    assert seen([replace(CALM, top=(little,))])[2] == {}


def test_a_quota_that_runs_out_is_told_with_its_group():
    limit = GroupLimit(2, "/sys/fs/cgroup/app", 2.0, 1.9, 0.3, 0.8, GIB, int(0.97 * GIB), (("oom_kill", 2),))
    found = seen([replace(CALM, limit=limit)] * 40)[2]
    assert found["host.cpu-throttled"].severity is Severity.CRITICAL
    assert found["host.cpu-throttled"].evidence[0] == "1.90 of 2.00 cores used, throttled 30% over 30 s"
    assert found["host.memory-limit"].severity is Severity.CRITICAL
    assert "oom_kill 2" in found["host.memory-limit"].evidence[1]
    calm = replace(limit, throttled_ratio=0.01, memory_used=GIB // 2)
    assert seen([replace(CALM, limit=calm)] * 40)[2] == {}


def test_a_program_that_uses_all_of_the_one_core_it_can_is_named_with_its_profile():
    hog = replace(WORKER, cpu=0.97)
    finding = seen([replace(CALM, top=(hog, replace(hog, pid=43, language="go")))] * 3)[2][
        "process.core-bound"
    ]
    assert finding.title == "python 42 uses 97% of the one core it can"
    assert finding.offer.params == (("pid", 42),)
    assert "process.core-bound" in seen([replace(CALM, top=(replace(hog, cpu=0.8),))] * 3)[2]
    for calm in (0.5, 1.5):
        assert "process.core-bound" not in seen([replace(CALM, top=(replace(hog, cpu=calm),))] * 3)[2]


def test_waits_for_disks_name_the_disk_and_who_waits():
    waiting = replace(CALM, cpu=CpuUse("all", 0.1, iowait=0.4), blocked=3, top=(replace(WORKER, state="D"),))
    finding = seen([waiting] * 40)[2]["host.io-wait"]
    assert finding.severity is Severity.WARNING
    assert "vda: 10% busy" in finding.evidence[1]
    assert finding.evidence[2] == "waiting for a disk: python 42"
    heavy = replace(waiting, top=(replace(WORKER, read_per_s=float(1 << 20), write_per_s=float(3 << 20)),))
    assert seen([heavy] * 40)[2]["host.io-wait"].evidence[2] == "most by python 42: 4.0 MiB/s"


def test_retransmits_count_only_where_there_is_traffic():
    lossy = replace(CALM, tcp=TcpUse(10.0, 200.0, 1.5, 40))
    finding = seen([lossy] * 40)[2]["host.retransmits"]
    assert "5.0% of TCP segments" in finding.title
    assert "turned away" in finding.evidence[1]
    assert seen([replace(CALM, tcp=TcpUse(1.0, 10.0, 0.0, 40))] * 40)[2] == {}


def test_descriptors_near_a_limit():
    near = replace(CALM, top=(replace(WORKER, fds=990, fd_limit=1024),), files=(90, 100))
    found = seen([near])[2]
    assert found["process.descriptors"].severity is Severity.CRITICAL
    assert found["process.descriptors"].evidence == ("990 of 1,024: python app.py",)
    assert "90%" in found["host.descriptors"].title
    assert seen([replace(near, top=(replace(WORKER, fds=100, fd_limit=1024),), files=None)])[2] == {}
