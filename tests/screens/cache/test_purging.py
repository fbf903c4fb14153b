"""Purging into a file from the screen: typed behind `p` or as a word of the palette, taken back with `u`."""

from __future__ import annotations

from pathlib import Path

import pytest

from perftui.backends.valkey.link import Link
from perftui.engines.cache.keyfile import contents
from perftui.screens.cache.purging import check, read
from tests.screens.cache.conftest import Open
from tests.screens.cache.test_tabs import audit, count


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_p_saves_in_a_file_and_u_brings_back(
    console: Open, raw: Link, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with console("cache.keys", size) as it:
        await it.sees("product:")
        await it.press("p")
        await it.sees("--quarantine FILE")
        await it.types(f"--quarantine {tmp_path}/k product:*")
        await it.sees("save in a file and delete 400 keys")
        await it.types("product:*")
        await it.sees("400 keys saved and deleted")
        assert await count(raw, "product:*") == 0
        assert contents(tmp_path / "k").keys == 400
        await it.press("u")
        await it.sees("undo: 400 keys saved and")
        await it.press("y")
        await it.sees("400 keys restored")
        assert await count(raw, "product:*") == 400
        assert await raw.one("TTL", "product:1", deadline=2) > 400
    lines = audit(tmp_path)
    assert [line["outcome"] for line in lines] == ["started", "done", "started", "undone"]
    assert lines[0]["params"]["file"] == f"{tmp_path}/k"


@pytest.mark.slow
async def test_the_word_of_the_palette_does_the_same(console: Open, raw: Link, tmp_path: Path) -> None:
    (tmp_path / "k").touch()
    async with console("cache.tiers") as it:
        await it.sees("● live")
        await it.press(":")
        await it.types(f"purge --quarantine {tmp_path}/k")
        await it.sees("--quarantine FILE, then a pattern")
        await it.press(":")
        await it.types(f"purge --quarantine {tmp_path}/k cart:*")
        await it.sees("exists: name a file that does not")
        await it.press(":")
        await it.types(f"purge --quarantine {tmp_path}/l cart:*")
        await it.sees("save in a file and delete 100 keys")
        await it.press("escape")
        assert await count(raw, "cart:*") == 100
        assert not (tmp_path / "l").exists()


def test_what_is_typed_is_read() -> None:
    assert read(" product:* ") == ("cache.purge", {"pattern": "product:*"})
    assert read("two words*") == ("cache.purge", {"pattern": "two words*"})
    assert read("--quarantine ~/f  a b*") == ("cache.purge-file", {"file": "~/f", "pattern": "a b*"})
    assert [
        bool(check(text)) for text in ("", "a*", "--quarantine", "--quarantine f", "--quarantine f a*")
    ] == [
        True,
        False,
        True,
        True,
        False,
    ]


def test_a_rate_is_read_and_checked() -> None:
    assert read("--rate 500 page:*") == ("cache.purge", {"rate": "500", "pattern": "page:*"})
    both = {"rate": "5", "file": "k", "pattern": "page:*"}
    assert read("--rate 5 --quarantine k page:*") == ("cache.purge-file", both)
    assert read("--quarantine k --rate 5 page:*") == ("cache.purge-file", both)
    assert check("--rate 500 page:*") == ""
    assert "a pattern" in check("--rate 500")
    for odd in ("fast", "0", "0.5", "-1", "nan", "inf"):
        assert "keys a second, 1 or more" in check(f"--rate {odd} page:*")


async def test_p_takes_a_rate(console: Open, raw: Link, tmp_path: Path) -> None:
    async with console("cache.keys") as it:
        await it.sees("product:")
        await it.press("p")
        await it.types("--rate 400 product:*")
        await it.sees("at most 400 keys/s: 1")
        await it.types("product:*")
        await it.sees("400 keys moved to quarantine")
    assert audit(tmp_path)[0]["params"]["rate"] == 400
