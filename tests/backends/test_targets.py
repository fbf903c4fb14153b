"""Lists of addresses: real exporters beside one that is away, one that hangs and one that babbles."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from perftui.backends.scrape.discovery import MOST, addresses, read_file
from perftui.backends.scrape.targets import AT_ONCE, Targets
from perftui.model.errors import ConfigError, Lost
from perftui.model.health import Health, Link
from perftui.model.options import TargetsOptions
from perftui.model.reading import Look, Reading
from perftui.model.targets import Kinds, ScrapedHost, TargetsReading, spread, whole
from tests.backends.contract import BackendContract, free_port
from tests.backends.test_httperrors import answering
from tests.backends.test_scrape import TOKEN, Service
from tests.needs import needs
from tests.nodes import PROGRAM, Exporter
from tests.waiting import auntil


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    needs("prometheus-node-exporter", PROGRAM is not None, "install the package prometheus-node-exporter")
    made = Exporter()
    yield made
    made.stop()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


def place(url: str) -> str:
    return url.split("/")[2]


class TestContract(BackendContract):
    @pytest.fixture
    def live(self, service):
        return lambda: Targets("many", TargetsOptions((service.url,), token=TOKEN))

    @pytest.fixture
    def at(self):
        return lambda port: Targets("many", TargetsOptions((f"127.0.0.1:{port}",), token=TOKEN))

    @pytest.fixture
    def wrong_login(self, service):
        return lambda: Targets("many", TargetsOptions((service.url,), token="wrong"))

    @pytest.fixture
    def secret(self):
        return TOKEN


async def looked(targets: Targets) -> dict[str, Look]:
    reading = await targets.read()
    return {look.source.partition(":")[2]: look for look in reading.facts.looks}


async def test_one_that_is_away_hangs_or_babbles_hurts_nobody(exporter: Exporter, service: Service) -> None:
    dead = f"127.0.0.1:{free_port()}"
    async with answering(b"", silent=True) as hangs, answering(b"SSH-2.0\r\n") as babbles:
        urls = (exporter.url, dead, hangs, babbles, service.url)
        many = Targets("many", TargetsOptions(urls, every=1.0))
        await many.open()
        try:
            began = time.monotonic()
            found = await looked(many)
            assert time.monotonic() - began < many.deadline
            host = found[place(exporter.url)]
            assert isinstance(host.reading.facts, ScrapedHost)
            assert host.source == f"many:{place(exporter.url)}"
            assert host.health.link is Link.LIVE
            assert {m.key.source for m in host.reading.samples} == {host.source}
            assert found[dead].health.link is Link.LOST
            assert "cannot reach" in found[dead].health.error
            assert "in time" in found[place(hangs)].health.error
            assert "does not speak HTTP" in found[place(babbles)].health.error
            assert found[place(service.url)].health.link is Link.REFUSED  # it wants a token

            async def rated() -> bool:
                reading = await many.read()
                assert all(part.source == host.source for part in reading.parts)
                counts = {m.key.name: m.value for m in reading.samples}
                assert counts == {"targets": 5.0, "targets_up": 1.0}
                look = next(look for look in reading.facts.looks if look.source == host.source)
                return look.reading.facts.host.window > 0

            await auntil(rated, 10.0)
        finally:
            await many.close()


async def test_a_list_in_which_nobody_answers_is_lost_and_comes_back(service: Service) -> None:
    service.status = 500
    many = Targets("many", TargetsOptions((service.url, f"127.0.0.1:{free_port()}"), token=TOKEN))
    await many.open()
    try:
        with pytest.raises(Lost, match=r"many: none of 2 targets answers: .*HTTP 500"):
            await many.read()
        with pytest.raises(Lost):
            await many.read()
        service.status = 200  # and though its next turn would be later, it is asked at once
        assert (await looked(many))[place(service.url)].health.link is Link.LIVE
    finally:
        await many.close()


async def test_many_are_read_in_turn(service: Service) -> None:
    """As many as are asked at once a read, the others with the next ones; then evenly over the period."""
    urls = tuple(f"{service.url}?n={n}" for n in range(AT_ONCE * 2 + 3))
    many = Targets("many", TargetsOptions(urls, token=TOKEN, every=300.0))
    await many.open()
    try:
        for expected in (AT_ONCE, AT_ONCE, 3, 0):
            reading = await many.read()
            assert len(reading.parts) == expected
        assert len({look.source for look in reading.facts.looks}) == len(urls)
        phases = sorted(target.due - time.monotonic() for target in many._known.values())
        assert phases[0] >= 100
        gaps = [after - before for before, after in pairwise(phases)]
        assert max(gaps) == pytest.approx(300 / len(urls), abs=1)
    finally:
        await many.close()


async def test_a_file_of_targets_is_followed(service: Service, tmp_path) -> None:
    path = tmp_path / "targets.json"
    stamp = iter(range(1, 10))

    def write(text: str) -> None:
        path.write_text(text)
        os.utime(path, (0, next(stamp)))

    first, second = Service(), Service()
    group = {"targets": [place(first.url)], "labels": {"instance": "db1", "team": "x"}}
    write(json.dumps([group]))
    many = Targets("many", TargetsOptions((), file=str(path), token=TOKEN))
    await many.open()
    try:
        assert set(await looked(many)) == {"db1"}
        write(json.dumps([group, {"targets": [place(second.url)]}]))
        found = await looked(many)
        assert set(found) == {"db1", place(second.url)}
        assert all(look.health.link is Link.LIVE for look in found.values())
        write("[{")
        found = await looked(many)
        assert found["targets.json"].health.link is Link.LOST
        assert "is no JSON" in found["targets.json"].health.error
        assert found["db1"].health.link is Link.LIVE  # those known stay
        write(json.dumps([{"targets": [place(second.url)]}]))
        assert set(await looked(many)) == {place(second.url)}
    finally:
        await many.close()
        first.close()
        second.close()


@pytest.mark.parametrize(
    ("text", "labels", "name", "url"),
    [
        ("web1:9100", {}, "web1:9100", "http://web1:9100/metrics"),
        ("[::1]:9100", {}, "[::1]:9100", "http://[::1]:9100/metrics"),
        ("http://web1:9100", {}, "web1:9100", "http://web1:9100/metrics"),
        ("https://web1/m?a=b", {}, "web1", "https://web1/m?a=b"),
        ("web1", {"__scheme__": "https", "__metrics_path__": "/m"}, "web1", "https://web1/m"),
        ("web1:9100", {"instance": "a/b"}, "a_b", "http://web1:9100/metrics"),
    ],
)
def test_addresses(text: str, labels: dict[str, str], name: str, url: str) -> None:
    (found,) = addresses("many", [(text, labels)])
    assert (found.name, found.url) == (name, url)


@pytest.mark.parametrize("text", ["", "ftp://x/", "a b:1", "web1:999999", "http://", "web\x1b[2J:1"])
def test_no_addresses(text: str) -> None:
    with pytest.raises(ConfigError, match=r"many: .* is no address"):
        addresses("many", [(text, {})])


def test_a_login_in_an_address_is_refused_unseen() -> None:
    with pytest.raises(ConfigError, match="must hold no login") as raised:
        addresses("many", [("http://ann:s3cret@web1:9100/metrics", {})])
    assert "s3cret" not in str(raised.value)


def test_one_address_counts_once_and_two_of_a_host_are_told_apart() -> None:
    found = addresses("many", [("web1:1", {}), ("http://web1:1/metrics", {}), ("http://web1:1/other", {})])
    assert [one.name for one in found] == ["web1:1", "web1:1_other"]


@pytest.mark.parametrize(
    "text", ["{}", "[1]", '[{"targets": "web1"}]', '[{"targets": [], "labels": []}]', "[" * 100_000]
)
def test_a_file_that_is_no_list_of_groups(tmp_path, text: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"t\.json: (must be|is no JSON)"):
        read_file(path, 0.0)


async def test_a_list_is_bounded() -> None:
    many = Targets("many", TargetsOptions(tuple(f"web{n}:1" for n in range(MOST + 9))))
    await many.open()
    await many._follow(0.0)
    assert len(many._known) == MOST
    await many.close()


@pytest.mark.parametrize("options", [TargetsOptions(()), TargetsOptions(("a",), every=0.1)])
def test_what_cannot_be_a_list(options: TargetsOptions) -> None:
    with pytest.raises(ConfigError, match="many: "):
        Targets("many", options)


def test_what_stands_in_a_list_is_a_source_of_its_own() -> None:
    live, lost = Health(Link.LIVE, 1.0), Health(Link.LOST, 2.0, "away")
    part = Look("many:web1", "scrape", None, live)
    reading = Reading("many", 1.0, 0.1, (), TargetsReading((part,)))
    looks = {"many": Look("many", "targets", reading, live)}
    assert spread(looks) == {**looks, "many:web1": part}
    gone = {"many": Look("many", "targets", reading, lost)}
    assert spread(gone)["many:web1"].health is lost
    kinds = Kinds({"many": "targets", "log": "accesslog"})
    assert kinds.get("log") == "scrape"  # rules over requests hold for those of a log
    assert (whole("many:web1:9100"), kinds.get("many:web1"), kinds.get("other:web1")) == (
        "many",
        "scrape",
        "",
    )


async def test_a_read_that_is_cancelled_asks_again(service: Service) -> None:
    many = Targets("many", TargetsOptions((service.url,), token=TOKEN))
    await many.open()
    try:
        task = asyncio.create_task(many.read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await looked(many))[place(service.url)].health.link is Link.LIVE
    finally:
        await many.close()
