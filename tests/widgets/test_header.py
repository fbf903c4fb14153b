"""The row that says where one is and how it stands, where there is little room."""

from __future__ import annotations

import pytest

from perftui.draw.rows import Look, plain
from perftui.widgets.header import Status, header

SCREENS = ("Overview", "Cache", "CDN", "Database", "Scaling", "Profiling", "Optimization")


@pytest.mark.parametrize(
    ("link", "state", "said"),
    [
        ("link 3 kB/s, drawing every 1 s", "warn", "▲ every 1 s"),
        ("2 lost, link 3 kB/s, drawing every 1 s", "lost", "2 lost"),
        ("live", "live", "live"),
    ],
)
def test_in_80_columns_the_screens_stay_and_what_is_said_of_the_links_gives_way(link, state, said):
    status = Status("lab", SCREENS, 0, 6, 3, "warn", "warn", link, state)
    (row,) = plain([header(status, 80, Look())])
    assert len(row) == 80
    assert "▸1 Overview  2  3  4  5  6  7 " in row
    assert said in row
    assert "3 alerts ▲ 6 findings" in row
