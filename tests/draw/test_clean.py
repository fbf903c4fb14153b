"""Laws of hostile text: inert, bounded, measured in cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.draw.clean import cell_width, cut, fit, inert


@given(st.text())
def test_inert_text_has_no_control_characters(text: str) -> None:
    assert inert(text).isprintable()


@given(st.text(), st.integers(1, 60))
def test_inert_is_bounded_and_stays_as_it_is(text: str, limit: int) -> None:
    once = inert(text, limit)
    assert len(once) <= limit
    assert inert(once, limit) == once


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\u202eb", r"a\u202eb"),
        ("one\ntwo\t", r"one\ntwo\t"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\x9b2J", r"\x9b2J"),
        ("fill\u3164er", r"fill\u3164er"),
        ("\udcff", r"\udcff"),
        ("naïve 漢字", "naïve 漢字"),
    ],
)
def test_what_becomes_of_it(hostile: str, shown: str) -> None:
    assert inert(hostile) == shown


def test_a_megabyte_is_cut() -> None:
    assert inert("x" * 1_000_000, 20) == "x" * 19 + "…"


@given(st.text().map(inert), st.integers(0, 40), st.sampled_from(["left", "right", "center"]))
def test_fit_is_exact_in_cells(text: str, width: int, align: str) -> None:
    assert cell_width(fit(text, width, align)) == width


@given(st.text().map(inert), st.integers(0, 40))
def test_cut_never_exceeds(text: str, width: int) -> None:
    short = cut(text, width)
    assert cell_width(short) <= width
    assert short == text or cell_width(text) > width


def test_wide_characters_count_two() -> None:
    assert cell_width("漢字") == 4
    assert fit("漢字表", 4) == "漢… "
    assert fit("漢字", 6, "right") == "  漢字"
