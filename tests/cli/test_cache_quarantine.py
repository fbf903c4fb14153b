"""`perftui cache purge --quarantine`, `undo` from the file: also after a kill -9 and on a full disk."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from perftui.backends.valkey.link import Link, parse_url
from perftui.cli.cachepurge import size
from perftui.engines.cache.keyfile import contents
from perftui.model.errors import ConfigError
from tests.cli.test_cache import Out, cache
from tests.waiting import until_now

MANY, LARGE = 30_000, 400


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url))
    await link.ask([("FLUSHALL",), *(("SET", f"page:{i}", b"%d" % i, "EX", 500) for i in range(300))], 10)
    yield link
    await link.one("FLUSHALL", deadline=10)
    await link.close()


async def test_saved_in_a_file_and_undone_by_the_id(
    config: str, raw: Link, tmp_path: Path, capsys: Out
) -> None:
    file = tmp_path / "purged"
    words = ("purge", "page:*", "--quarantine", str(file))
    assert await cache(config, *words, "--dry-run") == 0
    assert str(file) in capsys.readouterr().out
    assert await cache(config, *words) == 4
    assert not file.exists()
    assert await cache(config, *words, "--yes", "--json") == 0
    receipt = json.loads(capsys.readouterr().out)
    assert (receipt["done"], receipt["undo"]["file"]) == (300, str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await cache(config, *words, "--yes") == 4
    assert "exists" in capsys.readouterr().err
    kept = receipt["undo"]["quarantine"]
    await raw.one("SET", "page:7", "newer", deadline=2)
    assert await cache(config, "undo", kept, "--yes") == 5
    assert "299 keys restored, 1 left in" in (out := capsys.readouterr().out)
    assert "page:7: a newer key stands in its place" in out
    assert await cache(config, "undo", kept, "--replace", "--yes") == 0
    assert await raw.one("GET", "page:7", deadline=2) == b"7"
    assert await raw.one("TTL", "page:7", deadline=2) > 400
    file.unlink()
    assert await cache(config, "undo", kept, "--yes") == 4
    assert "No such file" in capsys.readouterr().err


async def test_a_file_whose_audit_is_elsewhere(
    config: str, raw: Link, tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "purged"
    assert await cache(config, "purge", "page:1*", "--quarantine", str(file), "--yes", "--json") == 0
    receipt = json.loads(capsys.readouterr().out)
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "elsewhere"))
    assert await cache(config, "undo", receipt["undo"]["quarantine"], "--yes") == 4
    assert await cache(config, "undo", "--yes") == 2
    assert await cache(config, "undo", "other", "--quarantine", str(file), "--yes") == 4
    assert await cache(config, "undo", "--quarantine", str(file), "--yes") == 0
    assert f"{receipt['done']} keys restored" in capsys.readouterr().out
    file.write_bytes(file.read_bytes()[:-30] + b"!" * 30)
    assert await cache(config, "undo", "--quarantine", str(file), "--yes") == 4
    assert "--damaged restores those" in capsys.readouterr().err
    assert await cache(config, "undo", "--quarantine", str(file), "--damaged", "--yes") == 0
    assert "stood there with the same values" in capsys.readouterr().out


async def test_by_namespace_and_tag_and_options_that_do_not_go_together(
    config: str, raw: Link, valkey: Any, tmp_path: Path, capsys: Out
) -> None:
    from perftui.instrument.cache.face import Cache

    async def load() -> str:
        return "x"

    for words in (("--keep", "1h"), ("--delete",), ("--quarantine-cap", "1X")):
        assert await cache(config, "purge", "page:*", "--quarantine", "f", *words, "--yes") == 2
    assert await cache(config, "purge", "page:*", "--quarantine-cap", "1M", "--yes") == 2
    async with Cache("shop", l2=valkey.url) as node:
        for key in "ab":
            await node.get_or_set(key, load, tags=["red"])
        words = ("purge", "--namespace", "shop", "--tag", "red", "--quarantine", str(tmp_path / "tags"))
        assert await cache(config, *words, "--yes", "--json") == 0
        kept = json.loads(capsys.readouterr().out)["undo"]["id"]
        assert await node.get("a", default=None) is None
        assert await cache(config, "undo", kept, "--yes") == 0
        assert "1 of 1 tag" in capsys.readouterr().out
        assert await node.get("a", default=None) == "x"
    words = ("purge", "--namespace", "shop", "--quarantine", str(tmp_path / "entries"))
    assert await cache(config, *words, "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["done"] == 2
    assert await cache(config, "undo", "--quarantine", str(tmp_path / "entries"), "--yes") == 0


async def test_at_the_cap_it_says_how_to_go_on(config: str, raw: Link, tmp_path: Path, capsys: Out) -> None:
    file = tmp_path / "purged"
    words = ("purge", "page:*", "--quarantine", str(file), "--yes")
    assert await cache(config, *words, "--quarantine-cap", "6K", "--dry-run") == 0
    assert "the purge stops there" in capsys.readouterr().out
    assert await cache(config, *words, "--quarantine-cap", "6K", "--json") == 5
    receipt = json.loads(capsys.readouterr().out)
    assert 0 < receipt["done"] < 300
    assert receipt["untouched"] == 300 - receipt["done"]
    assert file.stat().st_size <= 6 << 10
    kept = receipt["undo"]["quarantine"]
    assert await cache(config, *words, "--resume", kept) == 0
    assert await raw.one("DBSIZE", deadline=2) == 0
    capsys.readouterr()
    assert await cache(config, "undo", kept, "--yes") == 0
    assert "300 keys restored" in capsys.readouterr().out


def shell(config: str, *words: str, before: str = "") -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    code = f"import sys\n{before}\nfrom perftui.cli import main\nsys.exit(main(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, "cache", words[0], "--config", config, *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def many(raw: Link) -> None:
    await raw.one("FLUSHALL", deadline=10)
    for first in range(0, MANY, 1000):
        keys = range(first, first + 1000)
        await raw.ask([("SET", f"page:{n}", b"%06d" % n + os.urandom(LARGE), "EX", 500) for n in keys], 10)


async def sums(raw: Link) -> dict[int, bytes]:
    found = {}
    for first in range(0, MANY, 1000):
        told = await raw.ask([("GET", f"page:{n}") for n in range(first, first + 1000)], 10)
        found |= dict(enumerate(told, first))
    return found


async def test_after_a_kill_9_the_file_brings_back_everything_that_is_gone(
    config: str, raw: Link, tmp_path: Path, capsys: Out
) -> None:
    await many(raw)
    before = await sums(raw)
    file = tmp_path / "purged"
    process = shell(config, "purge", "page:*", "--quarantine", str(file), "--yes")
    try:
        await asyncio.to_thread(until_now, lambda: file.exists() and file.stat().st_size > MANY * LARGE // 3)
    finally:
        process.kill()
        process.communicate()
    left = await raw.one("DBSIZE", deadline=2) - 1  # the lease is there for some seconds
    assert 0 < left < MANY
    (started,) = [
        line
        for line in map(json.loads, (tmp_path / "state" / "audit.jsonl").read_text().splitlines())
        if line["action"] == "cache.purge-file"
    ]
    assert started["outcome"] == "started"
    assert await cache(config, "undo", started["params"]["quarantine"], "--yes", "--json") == 0
    receipt = json.loads(capsys.readouterr().out)
    assert receipt["done"] == MANY - left
    assert receipt["facts"]["kept"] == 0
    assert await sums(raw) == before
    assert await raw.one("TTL", "page:1", deadline=2) > 400


async def test_on_a_full_disk_it_stops_before_it_deletes_what_it_has_not_saved(
    config: str, raw: Link, tmp_path: Path, capsys: Out
) -> None:
    await many(raw)
    before = await sums(raw)
    file = tmp_path / "purged"
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))"
    process = shell(config, "purge", "page:*", "--quarantine", str(file), "--yes", "--json", before=limit)
    out, err = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 5, err
    receipt = json.loads(out)
    assert b"takes no more: File too large" in err
    assert contents(file).cut == 0
    assert 0 < receipt["done"] == MANY - await raw.one("DBSIZE", deadline=2) < MANY
    assert receipt["untouched"] == MANY - receipt["done"]
    assert await cache(config, "undo", receipt["undo"]["quarantine"], "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["done"] == receipt["done"]
    assert await sums(raw) == before


@pytest.mark.parametrize(
    ("text", "value"),
    [("4096", 4096), ("500M", 500 << 20), ("2g", 2 << 30), ("1.5GiB", 3 << 29), ("10KB", 10240)],
)
def test_sizes(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "x", "0", "-1M", "nan", "inf", "M", "9999999T"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ConfigError):
        size(text)
