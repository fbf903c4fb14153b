"""ASCII means ASCII, in as many cells as before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perftui.draw.ascii import ascii_rows, asciify
from perftui.draw.clean import cell_width, inert
from perftui.draw.rows import Span, plain


@given(st.text(max_size=20).map(inert))
def test_nothing_else_is_left_and_the_width_stays(text: str) -> None:
    out = asciify(text)
    assert out.isascii()
    assert len(out) == sum(cell_width(c) for c in text)


def test_likenesses() -> None:
    assert asciify("── Clé ▾ 12 µs") == "-- Cle v 12 us"
    assert asciify("漢字") == "????"
    assert plain(ascii_rows([(Span("● ok", "ok"),)])) == ["* ok"]
