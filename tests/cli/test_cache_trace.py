"""`perftui cache trace`: reads of a real server recorded in a private file, and policies rehearsed on them."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from perftui.analysis import accesstrace
from perftui.analysis.accesstrace import TraceWriter
from perftui.analysis.policies import OPTIMUM, POLICIES, rehearse
from perftui.backends.valkey.link import Link, parse_url
from perftui.cli import main
from perftui.cli.cachetrace import sizes
from tests.waiting import auntil

Out = pytest.CaptureFixture[str]


@pytest.fixture
async def traffic(valkey: Any) -> AsyncIterator[Link]:
    """Somebody who reads products all the time."""
    link = Link(parse_url(valkey.url))
    await link.ask([("FLUSHALL",), *(("SET", f"product:{n}", b"x" * 1000) for n in range(20))], 5)

    async def read() -> None:
        turn = 0
        while True:
            turn += 1
            await link.ask([("GET", f"product:{turn * n % 20}") for n in range(8)] + [("GET", "user:1")], 5)

    task = asyncio.ensure_future(read())
    yield link
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await link.close()


async def trace(*words: object) -> int:
    return await asyncio.to_thread(main, ["cache", "trace", *map(str, words)])


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    writer = TraceWriter(b"s" * 16, 1e9)
    for n in range(600):
        writer.add(f"k{n * n % 37}", 100 + n % 37, 1e9 + n)
    path = tmp_path / "reads.trace"
    path.write_bytes(writer.dump())
    return path


async def test_what_is_recorded_can_be_replayed(
    config: str, traffic: Link, tmp_path: Path, capsys: Out
) -> None:
    file = tmp_path / "reads.trace"
    flags = ("--config", config, "--looks", 2, "--length", "0.1s", "--pause", "0.1s")
    assert await trace("record", file, *flags, "--prefix", "product:", "--json") == 0
    told = capsys.readouterr()
    said = json.loads(told.out)
    assert "2 looks at the command stream (MONITOR) of 0.1 s" in told.err
    assert said["looks"] == 2
    assert 0 < said["accesses"] < said["commands"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = accesstrace.read(file.read_bytes())
    assert len(kept) == said["accesses"]
    assert 1 < kept.distinct <= 20
    assert kept.mean_size > 1000
    assert b"product" not in file.read_bytes()
    assert await trace("record", file, *flags) == 2
    assert "name another file" in capsys.readouterr().err
    assert await trace("replay", file, "--sizes", "50%,100%") == 0
    assert "s3fifo" in capsys.readouterr().out


async def test_nothing_read_leaves_no_file(config: str, valkey: Any, tmp_path: Path, capsys: Out) -> None:
    file = tmp_path / "none.trace"
    flags = ("--config", config, "--looks", 1, "--length", "0.05s")
    assert await trace("record", file, *flags, "--dry-run") == 0
    assert "1 look at" in capsys.readouterr().err
    assert await trace("record", file, *flags, "--prefix", "nobody:") == 1
    assert not file.exists()
    assert await trace("record", tmp_path / "no" / "folder", *flags) == 2
    text = Path(config).read_text()
    Path(config).write_text(text.replace(str(valkey.port), "1"))
    assert await trace("record", file, *flags) == 3
    assert not file.exists()
    assert await trace("record", file, "--config", config, "--looks", 0) == 2
    assert await trace("record", file, "--config", config, "--length", "1h") == 2


async def test_a_server_that_refuses_midway_leaves_what_was_seen(
    config: str, traffic: Link, tmp_path: Path, capsys: Out
) -> None:
    file = tmp_path / "part.trace"
    flags = ("--config", config, "--looks", 900, "--length", "0.1s", "--pause", "0.01s")
    await traffic.one("CONFIG", "RESETSTAT", deadline=5)
    recording = asyncio.ensure_future(trace("record", file, *flags, "--json"))

    async def looked() -> bool:
        stats = await traffic.one("INFO", "commandstats", deadline=5)
        return int(stats.partition(b"cmdstat_monitor:calls=")[2].partition(b",")[0] or 0) >= 3

    await auntil(looked)
    await traffic.one("ACL", "SETUSER", "default", "-monitor", deadline=5)
    try:
        assert await recording == 5
    finally:
        await traffic.one("ACL", "SETUSER", "default", "+monitor", deadline=5)
    said = json.loads(capsys.readouterr().out)
    assert "its ACL needs +monitor" in said["error"]
    assert len(accesstrace.read(file.read_bytes())) == said["accesses"] > 0


async def test_every_policy_is_shown_at_every_size(recorded: Path, capsys: Out) -> None:
    assert await trace("replay", recorded, "--sizes", "10%,5,12", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    kept = accesstrace.read(recorded.read_bytes())
    assert (said["accesses"], said["keys"]) == (600, kept.distinct)
    wanted = rehearse(kept.keys, kept.sizes, sorted({round(kept.distinct / 10), 5, 12}))
    assert [(r["policy"], r["entries"], r["hit_ratio"]) for r in said["rows"]] == [
        (r.policy, r.entries, pytest.approx(r.hit_ratio)) for r in wanted
    ]
    assert await trace("replay", recorded, "--sizes", "5,12") == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["entries", "bytes", *POLICIES, OPTIMUM]
    best = next(r for r in wanted if (r.entries, r.policy) == (12, OPTIMUM))
    assert f"{100 * best.hit_ratio:.1f}%" in rows[-1]
    assert await trace("replay", recorded, "--sizes", "12", "--bytes") == 0
    assert f"{100 * best.byte_ratio:.1f}%" in capsys.readouterr().out


async def test_what_is_no_trace_is_said(recorded: Path, tmp_path: Path, capsys: Out) -> None:
    assert await trace("replay", tmp_path / "gone") == 2
    other = tmp_path / "other"
    other.write_bytes(b"\x1b[2J" * 50)
    assert await trace("replay", other) == 2
    assert "this is no access trace" in capsys.readouterr().err
    recorded.write_bytes(recorded.read_bytes()[:-3])
    assert await trace("replay", recorded) == 0
    assert "ends within an access" in capsys.readouterr().err
    other.write_bytes(TraceWriter(b"s" * 16, 1e9).dump())
    assert await trace("replay", other) == 1


@pytest.mark.parametrize("text", ["", "0", "x", "-5%", "101%", "nan", ",".join(["5"] * 17)])
async def test_odd_sizes_are_usage_errors(text: str, recorded: Path) -> None:
    assert await trace("replay", recorded, f"--sizes={text}") == 2


def test_sizes_are_entries_or_shares() -> None:
    assert sizes("5%, 1000") == ((0.05, True), (1000.0, False))
