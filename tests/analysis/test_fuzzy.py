"""Names are found by a few letters, the expected one first, quickly enough for each keystroke."""

from __future__ import annotations

import time

import pytest

from perftui.analysis.fuzzy import find, score

NAMES = ["go cache.keys", "go cache.latency", "go database.queries", "purge keys by pattern", "theme dark"]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("keys", "go cache.keys"),
        ("purge", "purge keys by pattern"),
        ("gdq", "go database.queries"),
        ("th d", "theme dark"),
        ("cache la", "go cache.latency"),
        ("dbq", "go database.queries"),
    ],
)
def test_expected_name_comes_first(typed: str, first: str) -> None:
    assert NAMES[find(typed, NAMES)[0]] == first


def test_letters_out_of_order_are_not_found() -> None:
    assert score("ba", "ab") is None
    assert find("zzz", NAMES) == []


def test_nothing_typed_keeps_the_order() -> None:
    assert find("", NAMES) == [0, 1, 2, 3, 4]


def test_five_thousand_names_within_a_keystroke() -> None:
    names = [f"{NAMES[n % 5]} {n} endpoint /api/v1/things/{n}" for n in range(5000)]
    best = min(_took(names, typed) for typed in ("e", "go ca", "purge 49", "thing 4999"))
    assert best < 0.02


def _took(names: list[str], typed: str) -> float:
    began = time.process_time()
    find(typed, names)
    return time.process_time() - began
