"""Header lines: what does not fit whole is left out, the last first."""

from __future__ import annotations

import pytest

from perftui.draw.rows import Span
from perftui.screens.cache.rows import as_many_as_fit

PARTS = [("hit ", "91.5%"), ("", "1,000/s"), ("mem ", "2.41 MiB")]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (40, " ok  hit 91.5%  1,000/s  mem 2.41 MiB"),
        (37, " ok  hit 91.5%  1,000/s  mem 2.41 MiB"),
        (36, " ok  hit 91.5%  1,000/s"),
        (22, " ok  hit 91.5%"),
        (5, " ok"),
    ],
)
def test_parts_are_whole_or_not_there(width: int, shown: str) -> None:
    assert "".join(span.text for span in as_many_as_fit([Span(" ok")], PARTS, width)) == shown
