"""A real node_exporter read as a host, beside psutil and our own reading of the same machine."""

from __future__ import annotations

import socket
import time

import psutil
import pytest

from perftui.analysis.nodecounters import HostCounters
from perftui.analysis.nodemetrics import NodeHost
from perftui.analysis.promtext import Scanner
from perftui.backends.host import Host, HostOptions
from perftui.backends.scrape import Scrape, ScrapeOptions
from perftui.export.families import Families
from perftui.export.hostmetrics import put_host
from perftui.export.prometheus import written
from perftui.model.errors import Lost
from perftui.model.targets import ScrapedHost
from tests.needs import needs
from tests.nodes import PROGRAM, Exporter
from tests.waiting import until


@pytest.fixture(scope="module")
def exporter():
    needs("prometheus-node-exporter", PROGRAM is not None, "install the package prometheus-node-exporter")
    made = Exporter()
    yield made
    made.stop()


@pytest.fixture
async def scrape(exporter):
    made = Scrape("web1", ScrapeOptions(exporter.url))
    await made.open()
    yield made
    await made.close()


async def test_an_exporter_is_the_host_that_we_see_ourselves(scrape):
    own = Host("host", HostOptions())
    await own.open()
    try:
        await own.read()
        first = (await scrape.read()).facts
        assert isinstance(first, ScrapedHost)
        assert first.host.window == 0
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > 3.0)
        ours, reading = (await own.read()).facts, await scrape.read()
        theirs = reading.facts.host
    finally:
        await own.close()
    assert theirs.host == socket.gethostname()
    assert len(theirs.cores) == len(ours.cores) == psutil.cpu_count()
    assert theirs.cpu.busy == pytest.approx(ours.cpu.busy, abs=0.15)
    assert theirs.memory.total == ours.memory.total
    assert theirs.memory.used_ratio == pytest.approx(ours.memory.used_ratio, abs=0.05)
    assert theirs.load[2] == pytest.approx(ours.load[2], abs=1.0)
    assert theirs.uptime == pytest.approx(ours.uptime, abs=5)
    assert {m.path for m in theirs.mounts} <= {m.path for m in ours.mounts}
    for mount in theirs.mounts:
        same = next(m for m in ours.mounts if m.path == mount.path)
        assert (mount.total, mount.read_only) == (same.total, same.read_only)
        assert mount.used_ratio == pytest.approx(same.used_ratio, abs=0.02)
    assert {d.device for d in theirs.disks} == {d.device for d in ours.disks}
    told = {n.interface for n in theirs.nets} | {"lo"}  # which some exporters leave out
    assert told == {n.interface for n in ours.nets} | {"lo"}
    assert theirs.tcp.sockets > 0
    assert theirs.top == ()
    kept = {m.key.name: m.value for m in reading.samples if not m.key.labels}
    assert kept["cpu.busy_ratio"] == theirs.cpu.busy
    assert {m.key.source for m in reading.samples} == {"web1"}


async def test_one_that_ends_is_lost(exporter):
    mine = Exporter()
    made = Scrape("web2", ScrapeOptions(mine.url))
    await made.open()
    try:
        await made.read()
        mine.stop()
        with pytest.raises(Lost):
            await made.read()
    finally:
        mine.stop()
        await made.close()


async def test_what_we_tell_of_a_host_is_the_same_host_to_who_reads_us():
    """Errors, inodes, descriptors, connections, pressure: nothing that we know is lost on the way."""
    own = Host("host", HostOptions())
    await own.open()
    told, readings = HostCounters(), []
    node = NodeHost()
    try:
        for _ in range(3):  # counters, then rates of them
            readings.append((await own.read()).facts)
            told.add(readings[-1])
            at = time.time()
            found = Families()
            put_host(found, readings[-1], told, at, ())
            text = await written(found.sorted(), openmetrics=False)
            theirs = node.reading(Scanner().scan(text.decode()).samples, at, time.monotonic(), "?")
            began = time.monotonic()
            await until(lambda start=began: time.monotonic() - start > 1.0)
    finally:
        await own.close()
    ours = readings[-1]
    assert theirs.missing == ()
    assert theirs.host == ours.host
    assert theirs.files == ours.files
    assert theirs.memory.oom_kills == ours.memory.oom_kills
    assert dict(theirs.tcp.states) == {"established": 0} | dict(ours.tcp.states)
    assert theirs.tcp.sockets == ours.tcp.sockets
    for mount, same in zip(ours.mounts, theirs.mounts, strict=True):
        assert (same.path, same.used, same.inodes) == (mount.path, mount.used, mount.inodes)
        assert same.inode_ratio == pytest.approx(mount.inode_ratio, abs=1e-6)
    for net, same in zip(
        ours.nets, sorted(theirs.nets, key=lambda n: names(ours).index(n.interface)), strict=True
    ):
        # Counters run on between two looks: the window is ours, the clock theirs.
        assert same.rx_packets_per_s == pytest.approx(net.rx_packets_per_s, rel=0.2)
        assert (same.errors_per_s, same.drops_per_s) == (net.errors_per_s, net.drops_per_s)
        assert same.link_bps == net.link_bps
    assert {p.resource for p in theirs.pressure} == {p.resource for p in ours.pressure}


def names(host):
    return [net.interface for net in host.nets]
