"""`perftui cache loads` and `writes`: listed, cancelled and tried again from a shell, at real nodes."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from perftui.cli import main
from perftui.instrument.cache import Cache, writequeue
from perftui.instrument.cache.context import LoadTimeout
from perftui.instrument.cache.writebehind import WriteBehind
from perftui.model.nodework import mark_of
from tests.instrument.cache.test_orders import Book, Hang, long
from tests.waiting import until

Out = pytest.CaptureFixture[str]
Words = Callable[..., Any]


@pytest.fixture
def run(config: str) -> Words:
    async def words(*typed: str) -> int:
        return await asyncio.to_thread(main, ["cache", *typed, "--config", config])

    return words


async def test_a_load_is_listed_and_cancelled(run: Words, valkey: Any, capsys: Out) -> None:
    async with Cache("shell", l2=valkey.url) as a, Cache("shell", l2=valkey.url) as b:
        assert await run("loads") == 1
        hang = Hang()
        waiting = [asyncio.ensure_future(cache.get_or_set("slow", hang)) for cache in (a, b)]
        await until(lambda: hang.calls == 2)
        long(a, "slow", 90.0)
        long(b, "slow", 30.0)
        for cache in (a, b):
            await cache._publisher.publish()  # type: ignore[union-attr]
        capsys.readouterr()
        assert await run("loads") == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[-3:] for line in lines] == [["shell", c.node[:8], "slow"] for c in (a, b)]
        assert await run("loads", "--json") == 0
        rows = json.loads(capsys.readouterr().out)
        assert [row["node"] for row in rows] == [a.node, b.node]
        assert rows[0] | {"age_s": 0} == {
            "namespace": "shell", "node": a.node, "key": "slow", "mark": mark_of("slow"), "age_s": 0,
        }  # fmt: skip
        assert 90 <= rows[0]["age_s"] < 600
        assert await run("loads", "--csv") == 0
        assert [row["key"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == ["slow"] * 2
        assert await run("loads", "cancel", "shell", "slow", "--dry-run") == 0
        out = capsys.readouterr().out
        assert "end its load, at 2 nodes" in out
        assert "cannot be undone" in out
        assert await run("loads", "cancel", "shell", "slow") == 4  # nobody said yes
        assert await run("loads", "cancel", "shell", "fast", "--yes") == 4
        assert "no node loads it for longer than 1 s" in capsys.readouterr().err
        assert await run("loads", "cancel", "shell", mark_of("slow"), "--yes", "--json") == 0
        assert json.loads(capsys.readouterr().out)["done"] == 2
        for caller in waiting:
            with pytest.raises(LoadTimeout):
                await caller


async def test_dead_letters_are_listed_and_tried_again(
    run: Words, valkey: Any, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writequeue, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(writequeue, "GROWTH", 1.2)
    book = Book(5)
    behind = WriteBehind(book)
    await behind.start()
    async with Cache("shell", l2=valkey.url, writes=behind) as cache:
        await cache._publisher.publish()  # type: ignore[union-attr]
        assert await run("writes") == 1
        assert "nothing waits, and there is no dead letter" in capsys.readouterr().err
        await cache.write("order:7", 1, how="behind")
        await until(lambda: behind.counts.buried == 1)
        await cache.orders.look()
        await cache._publisher.publish()  # type: ignore[union-attr]
        assert await run("writes") == 0
        out = capsys.readouterr().out
        assert f"shell at {cache.node}: 0 writes wait for the database, 1 dead letters, 0 wait for L2" in out
        assert "  failed last: ValueError: no such column" in out
        assert await run("writes", "--json") == 0
        (row,) = json.loads(capsys.readouterr().out)["nodes"]
        assert (row["dead"], row["waiting"], row["error"]) == (1, 0, "ValueError: no such column")
        assert await run("writes", "retry", "shell", "--yes") == 0
        assert "1 write tried again, obeyed at 1 of 1 node" in capsys.readouterr().out
        await until(lambda: book.writes == [("order:7", 1)])
        await cache._publisher.publish()  # type: ignore[union-attr]
        assert await run("writes", "retry", "shell", "--yes") == 4


async def test_loads_are_watched_until_it_is_interrupted(config: str, valkey: Any) -> None:
    async with Cache("shell", l2=valkey.url) as cache:
        hang = Hang()
        running = asyncio.ensure_future(cache.get_or_set("slow", hang))
        await until(lambda: hang.calls == 1)
        long(cache, "slow", 90.0)
        await cache._publisher.publish()  # type: ignore[union-attr]
        words = ["-m", "perftui", "cache", "loads", "--config", config, "--csv", "--watch", "0.5s"]
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            lines = [(await process.stdout.readline()).decode() for _ in range(4)]
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
        assert [row["key"] for row in csv.DictReader(io.StringIO("".join(lines)))] == ["slow"] * 3
        hang.gate.set()
        assert await running == "loaded"


async def test_what_cannot_be_is_refused(run: Words, capsys: Out) -> None:
    assert await run("loads") == 1
    assert "no node tells what it does" in capsys.readouterr().err
    assert await run("loads", "cancel", "nobody", "k", "--yes") == 4
    assert await run("writes", "retry", "nobody", "--yes") == 4
    assert await run("loads", "cancel", "nobody") == 2
    assert await run("writes", "retry") == 2
    assert await run("loads", "stop") == 2
