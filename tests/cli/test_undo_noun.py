"""`perftui undo` takes back what another shell or a console did, on real servers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from perftui.backends.valkey.link import Link, parse_url
from perftui.cli import main
from perftui.instrument.cache import Cache
from tests.cli.conftest import written

Out = pytest.CaptureFixture[str]


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url), "other")
    kept = await link.one("CONFIG", "GET", "maxmemory-policy", deadline=5)
    await link.one("CONFIG", "SET", "maxmemory-policy", "noeviction", deadline=5)
    yield link
    await link.one("CONFIG", "SET", *kept, deadline=5)
    await link.close()


async def policy(raw: Link) -> str:
    return str((await raw.one("CONFIG", "GET", "maxmemory-policy", deadline=5))[1].decode())


async def perftui(*words: str) -> int:
    return await asyncio.to_thread(main, list(words))


async def set_policy(config: str, value: str) -> int:
    return await perftui("cache", "set", "maxmemory-policy", value, "--yes", "--config", config)


async def test_the_latest_is_taken_back_by_another_shell(config: str, raw: Link, capsys: Out) -> None:
    assert await set_policy(config, "allkeys-lfu") == 0
    told = re.search(r"perftui undo ([0-9a-f]{12}) takes it back", capsys.readouterr().err)
    assert told is not None
    assert await perftui("undo", "--list", "--config", config) == 0
    out = capsys.readouterr().out
    assert re.match(rf"{told[1]} +\d s ago  \S.*  cache.configure  main maxmemory-policy  ", out)
    assert await perftui("undo", "--dry-run", "--config", config) == 0
    said = capsys.readouterr()
    assert "undo: maxmemory-policy of main is allkeys-lfu" in said.out
    assert "warning: sets it back to noeviction" in said.out
    assert re.search(r"done \d s ago by \S", said.err)
    assert await policy(raw) == "allkeys-lfu"
    assert await perftui("undo", "--yes", "--config", config) == 0
    assert "maxmemory-policy of main is noeviction again" in capsys.readouterr().out
    assert await policy(raw) == "noeviction"
    assert await perftui("audit", "list", "--json") == 0
    lines = json.loads(capsys.readouterr().out)
    assert [line["outcome"] for line in lines] == ["undone", "started", "done", "started"]
    assert await perftui("undo", "--yes", "--config", config) == 4
    assert "nothing to undo on test" in capsys.readouterr().err
    assert await perftui("undo", "--list", "--config", config) == 0
    said = capsys.readouterr()
    assert (said.out, "nothing can be undone" in said.err) == ("", True)


async def test_one_of_several_is_chosen_by_its_id(config: str, raw: Link, capsys: Out) -> None:
    await set_policy(config, "allkeys-lfu")
    await set_policy(config, "allkeys-lru")
    capsys.readouterr()
    assert await perftui("undo", "--list", "--json", "--config", config) == 0
    latest, first = json.loads(capsys.readouterr().out)
    assert (latest["undo"]["parameter"], latest["params"]["value"]) == ("maxmemory-policy", "allkeys-lru")
    assert await perftui("undo", first["run"], "--yes", "--json", "--config", config) == 0
    assert json.loads(capsys.readouterr().out)["summary"].endswith("is noeviction again")
    assert await policy(raw) == "noeviction"
    assert await perftui("undo", first["run"], "--yes", "--config", config) == 4
    assert f"{first['run']}: nothing to undo on test" in capsys.readouterr().err


async def test_without_a_yes_and_without_a_terminal_nothing_is_done(
    config: str, raw: Link, capsys: Out
) -> None:
    await set_policy(config, "allkeys-lfu")
    assert await perftui("undo", "--config", config) == 4
    assert "not confirmed" in capsys.readouterr().err
    assert await policy(raw) == "allkeys-lfu"
    assert await perftui("undo", "--yes", "--config", config) == 0


async def test_a_backend_that_is_no_more_is_told(config: str, raw: Link, capsys: Out, tmp_path: Path) -> None:
    await set_policy(config, "allkeys-lfu")
    other = written(
        tmp_path / "other.toml", Path(config).read_text().replace("backends.main]", "backends.new]")
    )
    capsys.readouterr()
    assert await perftui("undo", "--yes", "--config", str(other)) == 3
    assert "there is no backend main" in capsys.readouterr().err
    assert await policy(raw) == "allkeys-lfu"


async def filled(raw: Link, names: list[str]) -> None:
    await raw.ask([("SET", name, "x") for name in names], 5)


async def there(raw: Link, names: list[str]) -> int:
    return int(await raw.one("EXISTS", *names, deadline=5))


@pytest.mark.parametrize("file", [False, True])
async def test_purged_keys_come_back_from_the_server_and_from_a_file(
    config: str, raw: Link, capsys: Out, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, file: bool
) -> None:
    names = [f"undone:{n}" for n in range(5)]
    await filled(raw, names)
    monkeypatch.chdir(tmp_path)
    where = ("--quarantine", "kept.keys") if file else ()
    assert await perftui("cache", "purge", "undone:*", *where, "--yes", "--config", config) == 0
    assert await there(raw, names) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    capsys.readouterr()
    assert await perftui("undo", "--yes", "--config", config) == 0
    assert "5 keys" in capsys.readouterr().out
    assert await there(raw, names) == 5
    await raw.one("DEL", *names, deadline=5)


async def test_a_removal_by_tag_is_taken_back_from_its_file(
    config: str, valkey: Any, raw: Link, capsys: Out, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Cache("undotags", l2=valkey.url) as cache:
        await cache.set("home", 1, tags=["page"])
        monkeypatch.chdir(tmp_path)
        words = ("--namespace", "undotags", "--tag", "page", "--quarantine", "page.tags")
        assert await perftui("cache", "purge", *words, "--yes", "--config", config) == 0
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert await perftui("undo", "--yes", "--config", config) == 0
    async with Cache("undotags", l2=valkey.url) as cache:
        assert await cache.get("home") == 1
