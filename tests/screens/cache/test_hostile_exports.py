"""Keys and values from a hostile client in what leaves the console: pictures, text, CSV, JSON, a terminal."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from perftui.backends.valkey.link import Link
from perftui.cli import main
from tests.screens.cache.conftest import Open
from tests.waiting import until

NASTY = (
    b"nasty:=HYPERLINK(1)",
    b"=1+1",
    b"+cmd|' /C calc'!A0",
    b"@sum",
    b"nasty:</text><script>alert(1)</script>&amp;\"'",
    b"nasty:]]>",
    b"nasty:\x00\x1b]0;owned\x07\x9b2J\r\n",
    "nasty:\u202egnp\u2066\u200b\ufeff".encode(),
    b"nasty:\xff\xfe\xed\xa0\x80",
    b"nasty:" + b"n" * 1_000_000,
)


@pytest.fixture
async def nasty(raw: Link) -> Link:
    """Another client whose names and values are meant to do harm."""
    await raw.one("FLUSHALL", deadline=5)
    await raw.ask([("SET", name, name[:5000]) for name in NASTY], 10)
    await raw.one("HSET", "nasty:hash", NASTY[4], NASTY[5], "\x1b[2J", "\u202e", deadline=5)
    return raw


def harmless(text: str) -> None:
    """Nothing in it moves a cursor, hides, or turns text round."""
    found = {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co"} and c not in "\r\n"}
    assert found == set()


def files(folder: Path, ending: str) -> list[str]:
    return [path.read_text("utf-8") for path in folder.rglob(f"*.{ending}")]


@pytest.mark.parametrize("tab", ["cache.keys", "cache.memory", "cache.latency"])
async def test_what_a_tab_exports_is_harmless(
    console: Open, nasty: Link, tab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    await nasty.one("CONFIG", "SET", "slowlog-log-slower-than", 0, deadline=2)
    await nasty.ask([("GET", name) for name in NASTY], 5)
    await nasty.one("CONFIG", "SET", "slowlog-log-slower-than", 5000, deadline=2)
    async with console(tab, (160, 48)) as it:
        await it.sees("nasty")
        it.app.options = it.app.options.__class__(**{**vars_of(it.app.options), "export_dir": str(tmp_path)})
        harmless(await it.text())
        await it.press("E")
        await until(lambda: files(tmp_path, "svg") and files(tmp_path, "txt"))
        for form in ("csv", "json", "ndjson"):
            it.app.takeaway.export(form, str(tmp_path / f"out.{form}"))
    (picture,), (text,) = files(tmp_path, "svg"), files(tmp_path, "txt")
    ET.fromstring(picture)
    assert "<script" not in picture
    for whole in (
        picture,
        text,
        *files(tmp_path, "csv"),
        *files(tmp_path, "json"),
        *files(tmp_path, "ndjson"),
    ):
        harmless(whole)
    csv.field_size_limit(1 << 25)
    for whole in files(tmp_path, "csv"):
        rows = list(csv.reader(io.StringIO(whole, newline="")))
        assert len({len(row) for row in rows}) == 1
        assert not [cell for row in rows for cell in row if cell[:1] in "=+@" and cell[:1]]
    assert files(tmp_path, "csv")
    for whole in files(tmp_path, "json"):
        json.loads(whole)


def vars_of(options: Any) -> dict[str, Any]:
    """The fields of a frozen value with slots."""
    return {name: getattr(options, name) for name in options.__dataclass_fields__}


@pytest.mark.parametrize(
    "words", [["keys"], ["keys", "--json"], ["big"], ["big", "--csv"], ["memory", "--csv"]]
)
async def test_what_the_shell_prints_is_harmless(
    config: str, nasty: Link, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    verb, *more = words
    code = await asyncio.to_thread(main, ["cache", verb, "--config", config, "--source", "main", *more])
    out = capsys.readouterr().out
    assert code == 0, out
    harmless(out)
    if "--json" in more:
        json.loads(out)
