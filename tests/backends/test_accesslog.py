"""The access log of a real Varnish, written by its own varnishncsa; rotation and trouble on plain files."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import urllib.request
from contextlib import suppress
from typing import ClassVar

import pytest

from perftui.backends.scrape import accesslog
from perftui.backends.scrape.accesslog import AccessLog
from perftui.lab.edge.varnish import VarnishServer, program
from perftui.lab.folders import Folder, server_owner
from perftui.model.errors import ConfigError, Lost, Protocol, Refused
from perftui.model.options import AccessLogOptions
from perftui.model.ports import EndpointSource
from tests.backends.contract import BackendContract
from tests.backends.edges import Origin
from tests.needs import needs
from tests.waiting import auntil, until

FORM = '{"method":"%m","uri":"%U%q","status":%s,"request_time":%{Varnish:time_firstbyte}x}'
LINE = '1.2.3.4 - - [10/Oct/2026:13:55:36 +0000] "GET {path} HTTP/1.1" {status} 10 "-" "-" {took}\n'


@pytest.fixture(scope="module")
async def logged(tmp_path_factory):
    """A Varnish with visitors' address and the file its logger appends to."""
    logger = shutil.which("varnishncsa", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    needs("varnish", program() is not None and logger is not None)
    origin, folder = Origin(), Folder.create(server_owner())
    server = VarnishServer(folder, origin.port, "logged")
    await server.start()
    path = tmp_path_factory.mktemp("log") / "access.log"
    argv = [logger, "-n", str(server.workdir), "-F", FORM, "-a", "-w", str(path)]
    writing = await asyncio.create_subprocess_exec(*argv)
    try:
        await auntil(lambda: visited(server, path), 20)  # the logger does not tell when it has begun
        yield server, path
    finally:
        with suppress(ProcessLookupError):
            writing.terminate()
        await writing.wait()
        await server.stop()
        folder.remove()
        origin.close()


async def visited(server, path):
    await visit(server, "/ready")
    return path.exists() and path.stat().st_size > 0


async def visit(server, path):
    with await asyncio.to_thread(urllib.request.urlopen, f"{server.url}{path}") as answer:
        assert answer.status == 200


def backend(path, **more):
    return AccessLog("web", AccessLogOptions(str(path), **more))


class TestContract(BackendContract):
    powers: ClassVar[tuple[type, ...]] = (EndpointSource,)

    @pytest.fixture
    async def live(self, logged):
        return lambda: backend(logged[1])


async def test_requests_of_a_real_server_are_counted_by_route(logged):
    server, path = logged
    log = backend(path)
    await log.open()
    await log.read()
    for n in range(30):
        await visit(server, f"/product/{n}")

    async def counted():
        reading = (await log.read()).facts
        return reading if reading.requests_total >= 30 else None

    reading = await auntil(counted, 15)
    (product,) = [e for e in reading.endpoints if e.route == "/product/{id}"]
    assert (product.method, product.error_ratio, [s for s, _ in product.statuses]) == ("GET", 0.0, ["200"])
    assert product.p50_s is not None
    assert 0 < product.p50_s <= product.p99_s < 5
    assert (await log.endpoints(300))[0].route == "/product/{id}"
    await log.close()


def written(path, n, route="/a", status=200, took="0.010"):
    with path.open("a") as out:
        out.writelines(LINE.format(path=route, status=status, took=took) for _ in range(n))


@pytest.fixture
async def followed(tmp_path):
    path = tmp_path / "access.log"
    written(path, 50)
    log = backend(path)
    await log.open()
    yield log, path
    await log.close()


async def total(log):
    return (await log.read()).facts.requests_total


async def test_only_what_comes_counts_whole_lines_at_a_time(followed):
    log, path = followed
    line = LINE.format(path="/", status=500, took=1)
    assert await total(log) == 0
    written(path, 3)
    with path.open("a") as out:
        out.write(line[:40])
    assert await total(log) == 3
    with path.open("a") as out:
        out.write(line[40:])
    reading = await log.read()
    assert (reading.facts.requests_total, reading.facts.errors_total) == (4, 1)
    assert {m.key.name: m.value for m in reading.samples}["accesslog.broken_lines"] == 0


async def test_a_rotated_log_is_read_to_its_end_and_then_the_new_one(followed):
    log, path = followed
    written(path, 2)
    assert await total(log) == 2
    old = path.rename(path.with_suffix(".1"))
    written(old, 3)  # its writer has not been told yet
    assert await total(log) == 5
    path.touch()
    written(old, 1)
    assert await total(log) == 6
    written(old, 1)
    written(path, 4)
    assert await total(log) == 11
    path.write_text("")  # copytruncate
    written(path, 1)
    assert await total(log) == 12


async def test_a_backlog_is_taken_in_pieces_and_a_huge_one_is_passed_over(followed, monkeypatch):
    log, path = followed
    monkeypatch.setattr(accesslog, "A_READ", 1000)
    monkeypatch.setattr(accesslog, "BEHIND", 5000)
    monkeypatch.setattr(accesslog, "TAKING", 0.0)
    before = path.stat().st_size
    written(path, 30)
    first = await log.read()
    assert 0 < first.facts.requests_total < 15
    left = {m.key.name: m.value for m in first.samples}["accesslog.unread_bytes"]
    assert left == path.stat().st_size - before - 1000
    for _ in range(6):
        await log.read()
    assert await total(log) == 30
    written(path, 500)
    reading = await log.read()
    rows = {m.key.name: m.value for m in reading.samples}
    assert rows["accesslog.passed_over_bytes"] > 38_000
    assert 30 < reading.facts.requests_total < 45
    assert rows["accesslog.broken_lines"] == 0


async def test_a_look_goes_on_until_nothing_is_left(followed, monkeypatch):
    log, path = followed
    monkeypatch.setattr(accesslog, "A_READ", 1000)
    monkeypatch.setattr(accesslog, "TAKING", 60.0)
    written(path, 300)
    reading = await log.read()
    assert reading.facts.requests_total == 300
    assert {m.key.name: m.value for m in reading.samples}["accesslog.unread_bytes"] == 0


async def test_the_last_lines_of_a_rotated_log_count_though_the_new_one_cannot_be_read(followed, monkeypatch):
    log, path = followed
    written(path, 1)
    assert await total(log) == 1
    old = path.rename(path.with_suffix(".1"))
    written(old, 2)
    written(path, 3)
    with monkeypatch.context() as patch:
        patch.setattr(accesslog.os, "open", refuse)
        assert await total(log) == 3
        with pytest.raises(Refused, match="add perftui's user to the log's group"):
            await log.read()
    assert await total(log) == 6


def refuse(*_):
    raise PermissionError(13, "Permission denied")


async def test_where_there_is_no_room_for_more_series_errors_count_all_the_same(followed, monkeypatch):
    log, path = followed
    await log.read()
    for route in ("/a", "/b", "/c"):
        written(path, 5, route)
    await log.read()
    monkeypatch.setattr(accesslog, "MOST_SERIES", 3)
    for route in ("/a", "/b", "/d"):
        written(path, 2, route, status=500)
    written(path, 4, "/a")
    reading = (await log.read()).facts
    assert (reading.requests_total, reading.errors_total) == (25, 6)
    assert {e.route: e.statuses for e in reading.endpoints}.keys() == {"/a", "/b", "/c", "other"}
    assert len(log._counts) == 4


async def test_what_cannot_be_read_says_why(tmp_path):
    missing = backend(tmp_path / "none.log")
    with pytest.raises(Lost, match="No such file"):
        await missing.open()
    with pytest.raises(ConfigError, match="a format needs"):
        backend(tmp_path / "a.log", format="$status")
    path = tmp_path / "odd.log"
    path.touch()
    odd = backend(path)
    await odd.open()
    path.write_text("something else\n" * 30 + "x" * 100_000 + "\n")
    with pytest.raises(Protocol, match="none of 31 lines"):
        await odd.read()
    await odd.close()


async def test_a_log_lost_for_a_while_goes_on(followed):
    log, path = followed
    await log.read()
    await log.close()
    path.unlink()
    with pytest.raises(Lost):
        await log.read()
    written(path, 2)
    assert await total(log) == 2


async def test_a_read_that_is_given_up_counts_what_it_took_and_meets_no_other(followed):
    log, path = followed
    await log.read()
    request_of, held, go_on = log._request_of, threading.Event(), threading.Event()

    def slow(line):
        held.set()
        assert go_on.wait(20)
        return request_of(line)

    log._request_of = slow
    written(path, 40)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await log.read()
    assert held.is_set()
    with pytest.raises(Lost, match="the read before has yet to end"):
        await log.read()
    await log.close()
    go_on.set()
    await until(lambda: log._tail._file is None, 10)
    assert log._lines == 40
    await log.open()
    written(path, 2)
    assert await total(log) == 42
