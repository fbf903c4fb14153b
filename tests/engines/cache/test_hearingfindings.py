"""Nodes that hear late of changes: told from a p99 beyond what is promised, over enough of them."""

from __future__ import annotations

from typing import Any

import pytest

from perftui.engines.cache.hearingfindings import ENOUGH, LATE
from perftui.model.tierview import Heard, TierFacts
from tests.engines.cache.test_findings import conclude


def told(**figures: Any) -> TierFacts:
    return TierFacts(heard=(Heard("shop", 3, **figures),))


def test_late_ones_are_told() -> None:
    found = conclude(tiers=told(count=90, p50_s=0.004, p99_s=0.3, max_s=1.5, lost=2))["cache.heard-late"]
    assert found.title == "shop: nodes hear late of what others change"
    assert found.evidence[0] == "p99 300 ms, p50 4.00 ms of 90 changes measured last (50.0 ms is promised)"
    assert found.evidence[1] == "1.50 s at most, 2 not heard, since the nodes began"
    assert dict(found.labels) == {"namespace": "shop"}


@pytest.mark.parametrize(
    "facts",
    [
        told(count=90, p50_s=0.004, p99_s=LATE, max_s=9.0),
        told(count=ENOUGH - 1, p50_s=0.2, p99_s=0.3),
        told(),
        None,
    ],
)
def test_others_are_not(facts: TierFacts | None) -> None:
    assert "cache.heard-late" not in conclude(tiers=facts)
