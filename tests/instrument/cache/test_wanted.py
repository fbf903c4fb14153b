"""The keys to be warmed, and the file they are kept in."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perftui.instrument.cache import wanted as keeping
from perftui.instrument.cache.context import MISS
from perftui.instrument.cache.wanted import Wanted, read, wanted, write

TEXT = st.text(st.characters(), min_size=1, max_size=20)
KEYS = st.builds(
    Wanted, TEXT, st.lists(TEXT, max_size=3).map(tuple), st.sampled_from([MISS, None, 60.0, 0.5])
)


@given(st.lists(KEYS, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_what_is_kept_is_read_again(tmp_path: Path, keys: list[Wanted]) -> None:
    path = tmp_path / "hot.keys"
    write(path, keys)
    assert read(path) == keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["hot.keys"]


def test_a_line_is_a_key_unless_it_has_our_shape(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    odd = [
        "product:1",
        "[1]",
        '["a"]',
        '["a", [], -1]',
        '["a", [], 1, 2]',
        '["a", [3]]',
        "[" * 5000,
        "{}",
        '["a", 7]',
        '["a",[],NaN]',
    ]
    path.write_text("\n".join(["product:1\r", "", *odd[1:], '["b", ["t"], 5]']) + "\n", encoding="utf-8")
    assert read(path) == [*map(Wanted, odd), Wanted("b", ("t",), 5)]
    path.write_bytes(b"\xff\n\0\n")
    assert read(path) == [Wanted("\ufffd"), Wanted("\0")]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    write(path, [Wanted("a")])
    with pytest.raises(TypeError):
        write(path, [Wanted("b", ttl=object())])  # type: ignore[arg-type]
    with pytest.raises(OSError, match="absent"):
        write(tmp_path / "absent" / "keys", [Wanted("b")])
    assert [found.name for found in tmp_path.iterdir()] == ["keys"]
    assert read(path) == [Wanted("a")]


def test_a_huge_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LARGEST", 10)
    path = tmp_path / "keys"
    path.write_text("a\nb\nc\n")
    assert [one.key for one in read(path, 2)] == ["a", "b"]
    path.write_text("a" * 11)
    with pytest.raises(ValueError, match="no warm set"):
        read(path)


async def test_keys_come_from_lists_queries_functions_and_files(tmp_path: Path) -> None:
    asked = 0

    async def rows() -> AsyncIterator[str]:
        nonlocal asked
        while True:
            asked += 1
            yield f"k{asked // 2}"

    path = tmp_path / "keys"
    path.write_text("b\na\nb\n")
    assert await wanted(path) == [Wanted("b"), Wanted("a")]
    assert await wanted(["x", Wanted("y", ("t",)), "x"]) == [Wanted("x"), Wanted("y", ("t",))]
    assert [one.key for one in await wanted(rows, most=3)] == ["k0", "k1", "k2"]
    assert asked < 8
    with pytest.raises(FileNotFoundError):
        await wanted(tmp_path / "none")
