"""`perftui cache warm`: jobs made, changed, paused and run from a shell, on a real server and store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perftui.cli import main
from perftui.engines.cache import warmrun
from perftui.instrument.cache import warming as warm
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.warming import Warming
from tests.rows import Rows
from tests.waiting import auntil

Out = pytest.CaptureFixture[str]
Words = Callable[..., Any]


@pytest.fixture
def run(config: str) -> Words:
    async def words(*typed: str) -> int:
        return await asyncio.to_thread(main, ["cache", "warm", *typed, "--config", config])

    return words


async def test_jobs_are_made_changed_paused_and_removed(run: Words, capsys: Out, tmp_path: Path) -> None:
    make = ("add", "fresh", "--namespace", "shop", "--every", "15m")
    assert await run(*make) == 4  # nobody said yes
    assert await run(*make, "--dry-run") == 0
    assert "shop set start, every 15 m, at 50 loads a second" in capsys.readouterr().out
    assert await run("list", "--json") == 1
    assert json.loads(capsys.readouterr().out)["jobs"]["rows"] == []
    assert await run(*make, "--yes") == 0
    assert await run(*make, "--yes") == 4
    capsys.readouterr()
    (tmp_path / "hot.keys").write_text("a\nb\n")
    changes = ("--cron", "0 6 * * *", "--timezone", "Europe/Berlin", "--file", str(tmp_path / "hot.keys"))
    assert await run("edit", "fresh", *changes, "--rate", "5", "--missed", "once", "--yes") == 0
    capsys.readouterr()
    assert await run("list", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["jobs"]["rows"]
    assert (row["job"]["cron"], row["job"]["named"], row["job"]["rate"]) == ("0 6 * * *", 2, 5.0)
    assert len(row["upcoming"]) == 5
    assert await run("off", "fresh", "--yes") == 0
    assert await run("pause", "--yes") == 0
    assert await run("list") == 0
    out, err = capsys.readouterr()
    assert "fresh: shop 2 named keys, 0 6 * * * Europe/Berlin, 5 loads/s, off" in out
    assert "jobs are paused" in err
    assert await run("pause", "--yes") == 4
    assert await run("resume", "--yes") == 0
    assert await run("on", "fresh", "--yes") == 0
    assert await run("edit", "fresh", "--top", "0", "--yes") == 4
    assert await run("edit", "none", "--rate", "5", "--yes") == 4
    assert await run("remove", "fresh", "--yes") == 0
    assert await run("remove", "fresh", "--yes") == 4
    audit = [json.loads(line) for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    done = [entry["action"] for entry in audit if entry.get("outcome") == "done"]
    assert done == [f"cache.warm-{n}" for n in ("add", "edit", "switch")] + ["tune.set"] * 2 + [
        "cache.warm-switch",
        "cache.warm-remove",
    ]


async def test_a_job_is_run_now_and_waited_for(
    run: Words, valkey: Any, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "BEAT", 0.05)
    monkeypatch.setattr(warmrun, "LOOK", 0.05)
    assert await run("add", "two", "--namespace", "shop", "--every", "1d", "--keys", "a", "b", "--yes") == 0
    async with Cache("shop", l2=valkey.url, source=Rows()) as node:
        await node.clear()
        assert await Warming(node, ["c"], asked_every=0.05).ready(1.0)
        capsys.readouterr()
        assert await run("run", "two", "--dry-run") == 0
        assert "warm job two: warm main shop start" in capsys.readouterr().out
        assert await run("run", "two", "--yes", "--json") == 0
        receipt = json.loads(capsys.readouterr().out)
        assert (receipt["done"], receipt["facts"]["node"]) == (2, node.node)
        assert await node.get("a") == 1
        await auntil(lambda: judged(run, capsys), 15)
        assert await run("list") == 0
        out = capsys.readouterr().out
        assert (
            "2 keys loaded, 0 fresh already; precision at least 50.0% (1 of 2 keys used, 1 may be yet)" in out
        )
    assert await run("list") == 0
    assert "done: 2 keys loaded, 0 fresh already; precision –" in capsys.readouterr().out


async def judged(run: Words, capsys: Out) -> bool:
    """Whether the node says what became of the job's two keys."""
    assert await run("list", "--json") == 0
    told = json.loads(capsys.readouterr().out)["warmed"]
    names = ("namespace", "job", "of", "used", "left", "precision")
    return [[one[name] for name in names] for one in told] == [["shop", "two", 2, 1, 1, 0.5]]


@pytest.mark.parametrize(
    "words", [("add", "x", "--namespace", "shop"), ("add", "x", "--every", "1h"), ("off",)]
)
async def test_what_is_missing_is_usage(run: Words, words: tuple[str, ...]) -> None:
    assert await run(*words) == 2
