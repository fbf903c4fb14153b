"""`perftui cache` against a real server: data on stdout, plans first, exit codes that can be scripted."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from perftui.backends.valkey.link import Link, parse_url
from perftui.cli import main
from perftui.cli.cache import seconds
from perftui.model.errors import ConfigError

Out = pytest.CaptureFixture[str]


@pytest.fixture
def config(valkey: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CACHE_PASSWORD", valkey.password)
    file = tmp_path / "perftui.toml"
    file.touch(0o600)
    file.write_text(
        '[env.test]\nkind = "test"\n[env.test.backends.main]\nkind = "valkey"\n'
        f'url = "redis://127.0.0.1:{valkey.port}/0"\npassword = "env:CACHE_PASSWORD"\n'
    )
    return str(file)


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url))
    commands: list[tuple[Any, ...]] = [("FLUSHALL",)]
    commands += [("SET", f"page:{i}", b"x" * 100, "EX", 500) for i in range(300)]
    commands += [("SET", b"\x1b[31mred", b"x"), ("SET", b"bin:\xff", b"x")]
    await link.ask(commands, 10)
    yield link
    await link.close()


async def cache(config: str, *words: str) -> int:
    """The command in a thread: it runs a loop of its own."""
    return await asyncio.to_thread(main, ["cache", words[0], "--config", config, *words[1:]])


async def test_status_agrees_with_the_server(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "status", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["source"], row["role"], row["link"], row["keys"]) == ("main", "primary", "live", 302)
    assert row["ops_per_s"] is not None
    assert await cache(config, "status") == 0
    assert "302 keys" in capsys.readouterr().out


async def test_keys_match_limit_and_are_inert(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "keys", "page:*", "--json", "--limit", "5") == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 5
    assert all(row["key"].startswith("page:") and row["bytes"] > 100 for row in rows)
    assert await cache(config, "keys", "*red") == 0
    out = capsys.readouterr().out
    assert "\\x1b[31mred" in out
    assert "\x1b" not in out
    assert await cache(config, "keys", "nothing:*") == 1


async def test_prefixes_big_hot_and_slowlog(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "keys", "--prefixes") == 0
    assert "page:" in capsys.readouterr().out
    assert await cache(config, "big", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 50
    assert await cache(config, "hot", "--json") == 0
    assert json.loads(capsys.readouterr().out)["took_s"] < 1.5
    assert await cache(config, "slowlog", "--json") == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)


async def test_purge_needs_a_yes_and_undo_needs_the_id(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "purge", "page:*", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["plan"]["count"] == 300
    assert await cache(config, "purge", "page:*") == 4
    assert await raw.one("EXISTS", "page:1", deadline=2) == 1
    assert await cache(config, "purge", "page:*", "--yes", "--json") == 0
    receipt = json.loads(capsys.readouterr().out)
    assert receipt["done"] == 300
    assert await raw.one("EXISTS", "page:1", deadline=2) == 0
    kept = receipt["undo"]["quarantine"]
    assert await cache(config, "undo", kept, "--yes") == 0
    assert "300 keys restored" in capsys.readouterr().out
    assert await raw.one("TTL", "page:1", deadline=2) > 400
    assert await cache(config, "undo", kept, "--yes") == 4


async def test_delete_and_partly_restored(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "purge", "page:1*", "--delete", "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["undo"] is None
    assert await cache(config, "purge", "page:2*", "--keep", "5m", "--yes", "--json") == 0
    kept = json.loads(capsys.readouterr().out)["undo"]["quarantine"]
    await raw.one("SET", "page:22", "newer", deadline=2)
    assert await cache(config, "undo", kept, "--yes") == 5
    assert "1 left in quarantine" in capsys.readouterr().out


async def test_binary_patterns_arrive_true(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "purge", os.fsdecode(b"bin:\xff"), "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["done"] == 1


async def test_a_server_that_is_not_there_is_three(config: str, valkey: Any, capsys: Out) -> None:
    file = Path(config)
    file.write_text(file.read_text().replace(str(valkey.port), "1"))
    assert await cache(config, "status") == 3
    assert await cache(config, "purge", "x*", "--yes") == 3


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("15m", 900), ("1h", 3600), ("2d", 172800)])
def test_times(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "x", "0", "-1h", "99d", "nan"])
def test_odd_times_are_usage_errors(text: str) -> None:
    with pytest.raises(ConfigError):
        seconds(text)
