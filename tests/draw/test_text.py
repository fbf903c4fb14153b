"""Rows always have the size that was asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perftui.draw.clean import inert
from perftui.draw.rows import Size, Span, plain
from perftui.draw.text import beside, clip, fill, line, message, pad, pairs, row_width, split, wrap

spans = st.lists(st.builds(Span, st.text(max_size=12).map(inert), st.sampled_from(["", "ok"])), max_size=5)


@given(spans, st.integers(0, 40))
def test_pad_is_exact_and_clip_at_most(row: list[Span], width: int) -> None:
    assert row_width(pad(row, width)) == width
    assert row_width(clip(row, width)) <= width


@given(st.lists(spans.map(tuple), max_size=5), st.integers(0, 30), st.integers(0, 6))
def test_fill_is_exact(rows: list[tuple[Span, ...]], width: int, height: int) -> None:
    out = fill(rows, Size(width, height))
    assert len(out) == height
    assert all(row_width(row) == width for row in out)


@given(spans, spans, st.integers(0, 40))
def test_split_is_exact(left: list[Span], right: list[Span], width: int) -> None:
    assert row_width(split(width, left, right)) == width


def test_beside_and_pairs() -> None:
    a = [line(3, "a"), line(3, "b")]
    assert plain(beside([(a, 3), ([line(2, "c")], 2)])) == ["a   c ", "b     "]
    assert plain(pairs([("used", "1 GiB"), ("peak", ("2 GiB", "warn"))], Size(12, 2))) == [
        "used   1 GiB",
        "peak   2 GiB",
    ]


@given(st.text(max_size=80).map(inert), st.integers(1, 20))
def test_wrap_fits(text: str, width: int) -> None:
    assert all(row_width(row) <= width for row in wrap(text, width))


def test_message_is_in_the_middle() -> None:
    rows = plain(message(Size(30, 5), "no pods yet", "add [backends.kubernetes]"))
    assert rows[1].strip() == "no pods yet"
    assert rows[2].strip() == "add [backends.kubernetes]"
