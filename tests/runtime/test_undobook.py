"""What can be taken back later: kept in a file, of bounded size, whatever else is in it."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from perftui.model.errors import StoreError
from perftui.runtime.undobook import LONGEST, MOST, Kept, UndoBook, gone, plain

ONE = Kept(
    *("r1", 1000.0, "lab", "ann", "cache.configure", "main", "main maxmemory", "maxmemory of main is 0", 1),
    *(
        ("now 1, then 0",),
        "sets it back to 1",
        {"parameter": "maxmemory", "value": "0"},
        {"values": {"a": "1"}},
    ),
)


@pytest.fixture
def book(tmp_path: Path) -> UndoBook:
    return UndoBook(tmp_path / "state" / "undo.jsonl")


def test_what_is_kept_comes_back_the_latest_first_and_is_private(book):
    two = replace(ONE, run="r2", at=1001.0)
    assert book.kept("lab") == ()
    assert book.keep(ONE)
    assert book.keep(two)
    assert book.kept("lab") == (two, ONE)
    assert stat.S_IMODE(book.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(book.path.parent.stat().st_mode) == 0o700


def test_each_environment_has_its_own(book):
    book.keep(ONE)
    assert book.kept("staging") == ()


def test_what_was_taken_back_is_forgotten(book):
    book.keep(ONE)
    book.keep(replace(ONE, run="r2"))
    book.forget("r2")
    book.forget("never heard of")
    assert (book.holds("r1"), book.holds("r2")) == (True, False)
    assert book.kept("lab") == (ONE,)


def test_the_oldest_go(book):
    for n in range(MOST + 3):
        book.keep(replace(ONE, run=f"r{n}"))
    runs = [one.run for one in book.kept("lab")]
    assert (len(runs), runs[0], runs[-1]) == (MOST, f"r{MOST + 2}", "r3")


def test_what_is_too_long_or_no_json_is_not_kept(book):
    assert not book.keep(replace(ONE, undo={"value": "x" * LONGEST}))
    assert not book.keep(replace(ONE, undo={"value": {1, 2}}))
    assert not book.keep(replace(ONE, undo={"value": float("nan")}))
    assert not book.path.exists()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no json",
        "[]",
        json.dumps(asdict(ONE) | {"undo": []}),
        json.dumps(asdict(ONE) | {"affects": [1]}),
        json.dumps(asdict(ONE) | {"at": "yesterday"}),
        json.dumps(asdict(ONE) | {"done": True}),
        json.dumps({k: v for k, v in asdict(ONE).items() if k != "params"}),
    ],
)
def test_lines_that_are_none_are_passed_over_and_go_at_the_next_change(book, line):
    book.keep(ONE)
    with book.path.open("a") as file:
        file.write(line + "\n")
    assert book.kept("lab") == (ONE,)
    book.forget("r2")
    assert len(book.path.read_text().splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*undo\.jsonl: (Not a directory|File exists)"):
        UndoBook(tmp_path / "file" / "undo.jsonl").keep(ONE)


def test_processes_lose_nothing_of_one_another(book):
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_keep, [(book.path, n) for n in range(40)]))
    assert {one.run for one in book.kept("lab")} == {f"r{n}" for n in range(40)}


def _keep(what: tuple[Path, int]) -> None:
    path, n = what
    UndoBook(path).keep(replace(ONE, run=f"r{n}"))


def test_parameters_that_are_bytes_come_back_as_such(book):
    book.keep(replace(ONE, params={"pattern": b"user:\xff*", "keys": [b"a", b""]}))
    assert book.kept("lab")[0].params == {"pattern": b"user:\xff*", "keys": [b"a", b""]}
    with book.path.open("a") as file:
        file.write(json.dumps(asdict(ONE) | {"params": {"bytes, in hex": "no hex"}}) + "\n")
    assert len(book.kept("lab")) == 1


async def test_what_is_gone_from_the_book_was_taken_back_unless_nobody_can_read_it(book, tmp_path):
    book.keep(ONE)
    assert not await gone(book, "r1")
    book.forget("r1")
    assert await gone(book, "r1")
    assert not await gone(None, "r1")
    assert not await gone(UndoBook(tmp_path), "r1")


def test_an_undo_is_what_a_file_would_give_back():
    assert plain({"a": (1, 2), "b": {3: "x"}}) == {"a": [1, 2], "b": {"3": "x"}}
    odd = {"a": {1, 2}}
    assert plain(odd) is odd
