"""What may be chosen for an entry."""

from __future__ import annotations

import pytest

from perftui.model.tiers import FAST, EntryOptions, TierStats, seconds


@pytest.mark.parametrize(
    ("text", "life"),
    [
        ("1m", 60),
        ("5m", 300),
        ("15m", 900),
        ("1h", 3600),
        ("24h", 86400),
        ("250ms", 0.25),
        ("90s", 90),
        (7, 7),
    ],
)
def test_a_life_is_a_preset_a_duration_or_seconds(text: str | float, life: float) -> None:
    assert seconds(text) == life


@pytest.mark.parametrize("text", ["", "5", "m", "5 minutes", "fast"])
def test_other_words_are_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        seconds(text)


@pytest.mark.parametrize("wrong", [{"eager_at": 1.0}, {"eager_at": 0.0}, {"jitter": -1}, {"lease": 0}])
def test_options_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EntryOptions(**wrong)  # type: ignore[arg-type]


def test_a_change_leaves_the_preset_alone() -> None:
    assert FAST.but(ttl="1h").ttl == 3600
    assert FAST.ttl == 300


def test_what_never_counted_is_zero() -> None:
    assert TierStats("shop", "n1", {"hit": 3}).of("miss") == 0
