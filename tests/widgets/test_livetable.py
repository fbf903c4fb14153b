"""The live table keeps the operator's place while everything else moves."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events

from perftui.draw import format as fmt
from perftui.draw.rows import plain
from perftui.draw.table import Column
from perftui.widgets.livetable import LiveTable
from perftui.widgets.tableview import TableView
from tests.widgets.harness import Bench


@dataclass(frozen=True)
class Item:
    name: str
    ttl: float | None
    size: int = 0


COLUMNS = [
    Column("name", "Key", width=10, grow=True),
    Column("ttl", "TTL", fmt.duration, width=9, align="right", priority=2),
    Column("size", "Size", fmt.bytes_, width=9, align="right", priority=3),
]


class Hand:
    """A clock the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def name(item: Item) -> str:
    return item.name


def view(clock: Hand | None = None, sort: str = "ttl") -> TableView:
    return TableView(COLUMNS, name, sort=sort, reverse=True, clock=clock or Hand())


def test_cursor_stays_on_its_row_while_rows_move() -> None:
    t = view()
    t.set_items([Item("a", 3), Item("b", 2), Item("c", 1)])
    t.index, t.cursor_key = 1, "b"
    t.set_items([Item("a", 1), Item("b", 9), Item("c", 5)])
    assert t.order == ["b", "c", "a"]
    assert (t.cursor_key, t.index) == ("b", 0)


def test_order_is_frozen_after_a_cursor_key() -> None:
    clock = Hand()
    t = view(clock)
    t.set_items([Item("a", 3), Item("b", 2)])
    t.move_to(1)
    t.set_items([Item("a", 1), Item("b", 9), Item("new", 100)])
    assert t.order == ["a", "b", "new"]
    clock.now += 2.1
    t.set_items([Item("a", 1), Item("b", 9), Item("new", 100)])
    assert t.order == ["new", "b", "a"]
    assert t.cursor_key == "b"


def test_a_vanished_row_leaves_the_cursor_in_place() -> None:
    t = view()
    t.set_items([Item("a", 3), Item("b", 2), Item("c", 1)])
    t.index, t.cursor_key = 1, "b"
    t.set_items([Item("a", 3), Item("c", 1)])
    assert t.cursor_key == "c"
    t.set_items([])
    assert t.cursor_key is None
    assert t.current is None


def test_missing_values_are_last_in_both_directions() -> None:
    t = view()
    t.set_items([Item("a", None), Item("b", 2), Item("c", 3)])
    assert t.order == ["c", "b", "a"]
    t.set_sort("ttl", reverse=False)
    assert t.order == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("user", ["user:2", "user:1"]),
        ("-user", ["cart:9"]),
        ("key:cart", ["cart:9"]),
        ("ttl>1m", ["cart:9", "user:2"]),
        (">1m", ["cart:9", "user:2"]),
        ("size>=2KiB user", ["user:1"]),
        ("ttl=30s", []),
        ("ttl=30", ["user:1"]),
        ("nonesuch:x", []),
        ('"user:1"', ["user:1"]),
        ("", ["cart:9", "user:2", "user:1"]),
    ],
)
def test_filter_language(text: str, found: list[str]) -> None:
    t = view()
    t.set_items([Item("user:1", 30, 4096), Item("user:2", 90, 100), Item("cart:9", 120, 0)])
    t.set_filter(text)
    assert t.order == (found if text != "ttl=30s" else ["user:1"])


@given(st.text(max_size=20))
def test_no_filter_text_fails(text: str) -> None:
    t = view()
    t.set_items([Item("user:1", 30, 4096)])
    t.set_filter(text)
    assert t.order in ([], ["user:1"])


def test_csv_has_true_values_and_defuses_formulas() -> None:
    t = view()
    t.set_items([Item("=cmd()", 0.5, 1536), Item('quote"d, name', None, 2)])
    rows = list(csv.reader(io.StringIO(t.csv())))
    assert rows == [["name", "ttl", "size"], ["'=cmd()", "0.5", "1536"], ['quote"d, name', "", "2"]]


def test_marks_follow_keys() -> None:
    t = view()
    t.set_items([Item("a", 3), Item("b", 2)])
    t.toggle_mark()
    t.set_items([Item("b", 2), Item("a", 1)])
    assert [i.name for i in t.marked()] == ["a"]
    t.set_items([Item("b", 2)])
    assert t.marked() == ()


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 9)), max_size=8), st.integers(0, 9))
def test_view_always_shows_every_item_once(pairs: list[tuple[str, int]], at: int) -> None:
    t = view()
    t.set_items([Item(n, v) for n, v in pairs])
    t.move_to(at)
    t.set_items([Item(n, 9 - v) for n, v in pairs])
    assert sorted(map(str, t.order)) == sorted({n for n, _ in pairs})
    assert (t.cursor_key is None) == (not pairs)


def test_ten_times_the_rows_take_about_ten_times_as_long() -> None:
    def took(rows: int) -> float:
        t = view()
        t.set_filter("key")
        items = [Item(f"key:{i}", float(i * 7919 % 10007), i) for i in range(rows)]
        begin = time.process_time()
        t.set_items(items)
        assert len(t.order) == rows
        return time.process_time() - begin

    assert min(took(10_000) / took(1000) for _ in range(5)) < 20


def table() -> LiveTable:
    return LiveTable(COLUMNS, key=name, title="Keys", sort="ttl", reverse=True, empty="no keys", id="keys")


async def test_drawn_rows_fit_and_columns_drop_by_priority() -> None:
    t = table()
    async with Bench(t).run_test(size=(40, 6)) as pilot:
        t.set_items([Item(f"k{i}", i, i) for i in range(20)])
        assert {len(r) for r in plain(t.drawn)} == {40}
        assert "Size" in plain(t.drawn)[1]
        await pilot.resize_terminal(24, 6)
        await pilot.pause()
        assert "Size" not in plain(t.drawn)[1]
        assert "TTL" in plain(t.drawn)[1]


async def test_keys_move_scroll_and_open() -> None:
    t = table()
    opened: list[object] = []

    class Listening(Bench):
        def on_live_table_opened(self, event: LiveTable.Opened) -> None:
            opened.append(event.key)

    async with Listening(t).run_test(size=(40, 6)) as pilot:
        t.set_items([Item(f"k{i:02}", 100 - i, i) for i in range(20)])
        t.focus()
        await pilot.press("down", "pagedown", "pagedown", "enter")
        assert t.cursor_key == "k09"
        assert any("k09" in r for r in plain(t.drawn))
        await pilot.press("end")
        assert t.cursor_key == "k19"
        assert "20/20" in plain(t.drawn)[0]
        await pilot.press("home")
        assert t.cursor_key == "k00"
        await pilot.pause()
    assert opened == ["k09"]


async def test_a_paste_that_arrives_as_keys_fills_the_filter_and_no_more() -> None:
    t = table()
    async with Bench(t).run_test(size=(60, 6)) as pilot:
        t.set_items([Item("alpha", 1)])
        t.focus()
        await pilot.pause()
        t.edit_filter()
        for _ in range(300):
            t.on_key(events.Key("x", "x"))
        assert t.filter_text == "x" * 200
        t.on_paste(events.Paste("y" * 1000))
        assert len(t.filter_text) == 200
        t.on_key(events.Key("backspace", None))
        assert len(t.filter_text) == 199


async def test_filter_is_typed_in_the_title_row() -> None:
    t = table()
    async with Bench(t).run_test(size=(60, 6)) as pilot:
        t.set_items([Item("alpha", 1), Item("beta", 2), Item("1x", 3)])
        t.focus()
        await pilot.pause()
        t.edit_filter()
        await pilot.press("b", "e", "x", "backspace", "enter")
        assert t.filter_text == "be"
        assert not t.editing
        assert "/be" in plain(t.drawn)[0]
        assert t.cursor_key == "beta"
        t.edit_filter()
        await pilot.press("z", "escape")
        assert t.filter_text == "be"


async def test_hostile_names_are_inert_on_screen_and_true_in_copies() -> None:
    t = table()
    hostile = "a\x1b[31m\n\u202eb"
    async with Bench(t).run_test(size=(60, 5)):
        t.set_items([Item(hostile, 1)])
        assert all(r.isprintable() for r in plain(t.drawn))
        assert r"a\x1b[31m\n\u202eb" in plain(t.drawn)[2]
        assert t.copy_row()["name"] == hostile
        assert t.copy_cell() == hostile


async def test_empty_and_unmatched_say_so() -> None:
    t = table()
    async with Bench(t).run_test(size=(60, 5)):
        t.set_items([])
        assert any("no keys" in r for r in plain(t.drawn))
        t.set_items([Item("a", 1)])
        t.set_filter("zzz")
        assert any("nothing matches /zzz" in r for r in plain(t.drawn))
        t.beyond = "f reads the next page"
        t.set_filter("zz")
        assert any("f reads the next page" in r for r in plain(t.drawn))


async def test_columns_are_chosen_in_a_dialog() -> None:
    t = table()
    async with Bench(t).run_test(size=(80, 20)) as pilot:
        t.set_items([Item("a", 1, 2)])
        t.choose_columns()
        await pilot.pause()
        await pilot.press("down", "down", "space", "enter")
        await pilot.pause()
        assert "Size" not in plain(t.drawn)[1]
        t.set_hidden(set())
        assert "Size" in plain(t.drawn)[1]


async def test_marks_are_shown_and_are_the_targets() -> None:
    t = table()
    async with Bench(t).run_test(size=(60, 6)):
        t.set_items([Item("a", 2), Item("b", 1)])
        assert [i.name for i in t.targets] == ["a"]
        t.toggle_mark()
        assert t.cursor_key == "b"
        assert [i.name for i in t.targets] == ["a"]
        assert plain(t.drawn)[2].startswith("•")
        t.clear_marks()
        assert [i.name for i in t.targets] == ["b"]
