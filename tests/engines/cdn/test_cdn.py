"""What the CDN engine concludes from what edges say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.engines.cdn import CdnEngine
from perftui.model.cdn import EdgeFacts, Origin
from perftui.model.finding import Finding, Severity
from perftui.model.health import Health, Link
from perftui.model.reading import Look, Reading
from perftui.runtime.rings import Rings

WELL = EdgeFacts(
    product="Varnish 7.1.1",
    uptime=100.0,
    requests_per_s=50.0,
    hit_ratio=0.97,
    bytes_per_s=1e6,
    errors_per_s=0.0,
    objects=10,
    stored_bytes=1000,
    limit_bytes=100_000,
    by_state=(("hit", 48.0), ("miss", 1.5), ("pass", 0.5)),
    origins=(Origin("shop", True, "8 of the newest 8 probes good"),),
)


def findings(facts: EdgeFacts) -> dict[str, Finding]:
    engine = CdnEngine()
    look = Look("edge", "varnish", Reading("edge", 1.0, 0.01, (), facts), Health(Link.LIVE, 0.0))
    report = engine.observe(1.0, {"edge": look}, Rings())
    assert report.edges[0].facts is facts
    return {f.id: f for f in engine.findings(report)}


def test_a_well_edge_has_nothing_to_say() -> None:
    assert findings(WELL) == {}


def test_low_hit_ratio_is_told_with_its_states_and_the_misses_to_gain() -> None:
    low = replace(WELL, hit_ratio=0.6, by_state=(("hit", 30.0), ("miss", 20.0)))
    found = findings(low)["cdn.hit-ratio-low"]
    assert found.gain == 20.0
    assert "miss 20.0/s" in found.evidence[0]


def test_an_idle_edge_is_not_judged_by_its_hit_ratio() -> None:
    assert findings(replace(WELL, hit_ratio=0.1, requests_per_s=0.5)) == {}
    assert findings(replace(WELL, hit_ratio=None)) == {}


def test_sick_origin_is_critical_an_unprobed_one_is_not_judged() -> None:
    sick = replace(WELL, origins=(Origin("shop", False, "0 of the newest 8 probes good"),))
    assert findings(sick)["cdn.origin-sick"].severity is Severity.CRITICAL
    assert findings(replace(WELL, origins=(Origin("shop", None),))) == {}


@pytest.mark.parametrize(("errors", "told"), [(0.4, False), (0.6, True)])
def test_errors_above_one_percent(errors: float, told: bool) -> None:
    assert ("cdn.errors" in findings(replace(WELL, errors_per_s=errors))) is told


def test_full_store() -> None:
    assert "cdn.store-full" in findings(replace(WELL, stored_bytes=96_000))
