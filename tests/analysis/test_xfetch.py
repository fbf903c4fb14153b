"""Early refresh: as likely as the paper says."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.xfetch import chance, early


@pytest.mark.parametrize(("remaining", "load_s", "beta"), [(1.0, 1.0, 1.0), (3.0, 0.5, 2.0), (0.2, 1.0, 0.5)])
def test_as_likely_as_the_paper_says(remaining, load_s, beta):
    draw = random.Random(3).random
    share = sum(early(remaining, load_s, beta, draw()) for _ in range(20_000)) / 20_000
    assert share == pytest.approx(chance(remaining, load_s, beta), abs=0.012)


@given(st.floats(0.001, 1e6), st.floats(0, 0.999))
def test_a_load_that_takes_no_time_is_never_early(remaining, draw):
    assert not early(remaining, 0.0, 1.0, draw)
    assert not early(remaining, 1.0, 0.0, draw)
    assert chance(remaining, 0.0, 1.0) == 0.0


@given(st.floats(-1e6, 0), st.floats(0, 0.999))
def test_past_its_end_always(remaining, draw):
    assert early(remaining, 0.1, 1.0, draw)
    assert chance(remaining, 0.1, 1.0) == 1.0


@given(st.floats(0.01, 100), st.floats(0.01, 10), st.floats(0, 0.999))
def test_the_nearer_its_end_the_likelier(remaining, load_s, draw):
    if early(remaining, load_s, 1.0, draw):
        assert early(remaining / 2, load_s, 1.0, draw)
