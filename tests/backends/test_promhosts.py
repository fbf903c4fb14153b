"""Hosts that a real Prometheus scrapes from real exporters, beside those exporters themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from perftui.analysis.hostcounters import Snapshot
from perftui.analysis.nodemetrics import NAMES, NodeHost, _Told, snapshot
from perftui.analysis.promtext import Scanner
from perftui.backends.prometheus.hosts import GONE, PrometheusHosts
from perftui.backends.scrape import Scrape
from perftui.model.errors import ConfigError, Lost
from perftui.model.health import Link
from perftui.model.options import PromHostsOptions, ScrapeOptions
from perftui.model.reading import Look
from tests.backends.contract import BackendContract
from tests.needs import needs
from tests.nodes import PROGRAM as EXPORTER
from tests.nodes import Exporter
from tests.promserver import PROGRAM, Server
from tests.waiting import auntil

pytestmark = pytest.mark.needs("prometheus")


@pytest.fixture(scope="module")
def exporters() -> Iterator[tuple[Exporter, Exporter]]:
    needs("prometheus-node-exporter", EXPORTER is not None, "install the package prometheus-node-exporter")
    made = Exporter(), Exporter()
    yield made
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory, exporters) -> Iterator[Server]:
    needs("prometheus", PROGRAM is not None, "install the package prometheus")
    targets = ", ".join(f"'127.0.0.1:{one.port}'" for one in exporters)
    config = (
        "global: {scrape_interval: 1s}\nscrape_configs:\n"
        f"- {{job_name: node, static_configs: [{{targets: [{targets}]}}]}}\n"
    )
    running = Server(tmp_path_factory.mktemp("prometheus"), config)
    yield running
    running.stop()


class TestContract(BackendContract):
    @pytest.fixture
    async def live(self, server):
        made = PrometheusHosts("prod", PromHostsOptions(server.url))
        await made.open()
        await auntil(lambda: answers(made), 20.0)
        await made.close()
        return lambda: PrometheusHosts("prod", PromHostsOptions(server.url, token="s3cret"))

    @pytest.fixture
    def at(self):
        return lambda port: PrometheusHosts(
            "prod", PromHostsOptions(f"http://127.0.0.1:{port}", token="s3cret")
        )

    @pytest.fixture
    def secret(self):
        return "s3cret"


async def answers(hosts: PrometheusHosts) -> bool:
    try:
        return bool((await hosts.read()).parts)
    except Lost:
        return False


async def looked(hosts: PrometheusHosts) -> dict[str, Look]:
    return {look.source.partition(":")[2]: look for look in (await hosts.read()).facts.looks}


async def test_they_are_what_their_exporters_tell_and_one_that_ends_is_lost(server, exporters) -> None:
    first, second = exporters
    hosts = PrometheusHosts("prod", PromHostsOptions(server.url, match='job="node"'))
    direct = Scrape("direct", ScrapeOptions(first.url))
    await hosts.open()
    await direct.open()
    try:

        async def rated() -> bool:
            found = await looked(hosts) if await answers(hosts) else {}
            ready = [look for look in found.values() if look.reading and look.reading.facts.window]
            return len(ready) == 2

        await auntil(rated, 30.0)
        await direct.read()  # the first knows no rates, and what is told by them
        own = (await direct.read()).facts.host
        look = (await looked(hosts))[f"127.0.0.1:{first.port}"]
        told = look.reading.facts
        assert look.source == f"prod:127.0.0.1:{first.port}"
        assert (told.host, told.memory.total, len(told.cores)) == (own.host, own.memory.total, len(own.cores))
        assert told.memory.used_ratio == pytest.approx(own.memory.used_ratio, abs=0.05)
        assert told.window == pytest.approx(1.0, abs=1.1)  # from one scrape of the server to another
        assert 0 <= told.cpu.busy <= 1
        assert {m.path for m in told.mounts} == {m.path for m in own.mounts}
        assert {d.device for d in told.disks} == {d.device for d in own.disks}
        assert told.missing == own.missing
        assert {m.key.source for m in look.reading.samples} == {look.source}
        second.stop()

        async def lost() -> bool:
            found = await looked(hosts)
            return found[f"127.0.0.1:{second.port}"].health.link is Link.LOST

        await auntil(lost, 30.0)
        found = await looked(hosts)
        assert found[f"127.0.0.1:{second.port}"].health.error == GONE
        assert found[f"127.0.0.1:{second.port}"].reading is not None  # its last figures stay
        assert found[f"127.0.0.1:{first.port}"].health.link is Link.LIVE
    finally:
        await hosts.close()
        await direct.close()


async def test_nobody_matched(server) -> None:
    hosts = PrometheusHosts("prod", PromHostsOptions(server.url, match='job="none"'))
    await hosts.open()
    try:
        with pytest.raises(Lost, match=r'no fresh node_cpu_seconds_total\{job="none"\}'):
            await hosts.read()
    finally:
        await hosts.close()


@pytest.mark.parametrize("match", ['job="a', "job", 'instance="web1"'])
def test_matchers_that_cannot_be(match: str) -> None:
    with pytest.raises(ConfigError):
        PrometheusHosts("prod", PromHostsOptions("http://127.0.0.1:1", match=match))


def test_what_is_asked_for_is_all_that_is_read(exporters) -> None:
    """A host read from the metrics that are asked for is the host read from all of its exporter's."""
    import urllib.request

    with urllib.request.urlopen(exporters[0].url, timeout=10) as answer:
        whole = Scanner().scan(answer.read().decode()).samples
    asked = {name: rows for name, rows in whole.items() if name in NAMES}
    assert len(asked) < len(whole) / 2

    def counted(samples) -> Snapshot:
        return snapshot(_Told(samples), 10.0, 1.0)

    assert counted(asked) == counted(whole)
    assert NodeHost().reading(asked, 10.0, 1.0, "x") == NodeHost().reading(whole, 10.0, 1.0, "x")
