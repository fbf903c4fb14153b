"""The StatsD listener, spoken to over a real socket."""

from __future__ import annotations

import socket
from typing import ClassVar

import pytest

from perftui.backends import statsd
from perftui.backends.statsd import MOST_SERIES, MOST_SETS, Statsd
from perftui.model.business import MOST_PARTS
from perftui.model.errors import Lost, Unsupported
from perftui.model.options import StatsdOptions
from perftui.model.ports import FigureSource, FigureTaker
from tests.backends.contract import BackendContract
from tests.waiting import until


class TestContract(BackendContract):
    powers: ClassVar[tuple[type, ...]] = (FigureSource, FigureTaker)

    @pytest.fixture
    async def live(self):
        return lambda: Statsd("sd", StatsdOptions(port=0))


@pytest.fixture
async def listener():
    one = Statsd("sd", StatsdOptions(port=0))
    await one.open()
    yield one
    await one.close()


async def said(listener, *datagrams):
    """Send, and wait until every line has been looked at."""
    want = (
        listener._lines + listener._broken + listener._dropped + sum(len(d.splitlines()) for d in datagrams)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for datagram in datagrams:
            sock.sendto(datagram, ("127.0.0.1", listener.port))
    await until(lambda: listener._lines + listener._broken + listener._dropped >= want)


async def value(listener, name):
    return {f.labels: f.value for f in await listener.figures(name)}


async def test_counts_gauges_times_and_sets_with_tags_and_rates(listener):
    await said(
        listener,
        b"orders:1|c\norders:2|c|@0.5\norders:3|c|#shop:west,lane:1",
        b"depth:7|g\ndepth:+3|g\ndepth:-1|g",
        b"wait:250|ms\nwait:750|ms\nhold:2|h",
        b"users:anna|s\nusers:ben|s\nusers:anna|s",
    )
    assert await value(listener, "orders") == {(): 5, (("lane", "1"), ("shop", "west")): 3}
    assert await value(listener, "depth") == {(): 9}
    assert await value(listener, "wait.sum") == {(): 1.0}
    assert await value(listener, "wait.count") == {(): 2}
    assert await value(listener, "hold.sum") == {(): 2}
    assert (await value(listener, "users"))[()] == pytest.approx(2, abs=0.1)


async def test_what_cannot_be_read_is_counted_and_harms_nothing(listener):
    await said(listener, b"\xff\xfe:x|c\nnonsense\n:1|c\na:1|zz\na:nan|g\na:inf|c\na:1|c|@0\na:1|c")
    facts = (await listener.read()).facts
    assert (facts.lines, facts.broken) == (1, 7)
    assert await value(listener, "a") == {(): 1}


async def test_series_and_lines_a_second_are_bounded(listener, monkeypatch):
    for start in range(0, MOST_SERIES + 100, 100):
        await said(listener, b"\n".join(b"n%d:1|c" % n for n in range(start, start + 100)))
    facts = (await listener.read()).facts
    assert facts.series == MOST_SERIES
    assert facts.dropped >= 100
    monkeypatch.setattr(statsd, "MOST_A_SECOND", 10)
    before = listener._dropped
    await said(listener, b"\n".join([b"n0:1|c"] * 500))
    assert listener._dropped - before >= 400


async def test_who_was_seen_long_ago_is_not_counted(listener, monkeypatch):
    await said(listener, b"users:anna|s")
    real = statsd.time.time
    monkeypatch.setattr(statsd.time, "time", lambda: real() + 600)
    assert await value(listener, "users") == {(): 0}
    await said(listener, b"users:ben|s")
    assert (await value(listener, "users"))[()] == pytest.approx(1, abs=0.1)
    assert len(listener._sets["users", ()]) == 1


async def test_a_port_that_is_taken_and_a_name_nobody_sent(listener):
    with pytest.raises(Lost, match="taken"):
        await Statsd("two", StatsdOptions(port=listener.port)).open()
    with pytest.raises(Unsupported, match="nobody has sent"):
        await listener.figures("nothing")


async def test_a_sets_parts_are_counted_apart_and_the_whole_without_counting_anybody_twice(listener):
    lines = [f"used:u{n}|s|#feature:search,lane:{n % 2}" for n in range(30)]
    lines += [f"used:u{n}|s|#feature:export" for n in range(10)] + ["used:guest|s"]
    assert listener.take_lines("\n".join(lines)) == (41, 0)
    parts = await value(listener, "used by feature")
    assert parts[("feature", "search"),] == pytest.approx(30, abs=0.5)
    assert parts[("feature", "export"),] == pytest.approx(10, abs=0.5)
    assert (await value(listener, "used"))[()] == pytest.approx(31, abs=0.5)
    assert await value(listener, "used by nothing") == {}


async def test_past_the_most_parts_features_are_counted_together_as_other(listener, monkeypatch):
    monkeypatch.setattr(statsd, "MOST_A_SECOND", 100_000)
    lines = [f"used:u{n}|s|#feature:f{n}" for n in range(MOST_PARTS + 40)]
    assert listener.take_lines("\n".join(lines)) == (MOST_PARTS + 40, 0)
    parts = await value(listener, "used by feature")
    assert len(parts) == MOST_PARTS + 1
    assert parts[("feature", "other"),] == pytest.approx(40, abs=1)
    assert (await value(listener, "used"))[()] == pytest.approx(MOST_PARTS + 40, rel=0.02)
    # Tags by other names have no place even there; nor have parts of a set beyond the most of all sets.
    assert listener.take_lines("used:x|s|#colour:red\nnonsense") == (1, 2)
    assert (await value(listener, "used"))[()] == pytest.approx(MOST_PARTS + 41, rel=0.02)
    monkeypatch.setattr(statsd, "MOST_TAGGED", MOST_PARTS + 1)
    assert listener.take_lines("seen:a|s|#feature:f\nseen:b|s|#feature:f") == (2, 0)
    assert await value(listener, "seen by feature") == {(("feature", "other"),): pytest.approx(2, abs=0.1)}


async def test_sets_past_the_most_are_let_go_with_their_parts(listener):
    lines = [f"set{n}:anna|s|#feature:f" for n in range(MOST_SETS + 3)]
    assert listener.take_lines("\n".join(lines)) == (MOST_SETS + 3, 3)
    assert len(listener._sets) == 2 * MOST_SETS


async def test_a_count_never_becomes_infinite(listener):
    await said(listener, b"huge:1e308|c\nhuge:1e308|c\nhuge:-1e307|c")
    assert await value(listener, "huge") == {(): 9e307}
    assert listener._broken == 1
