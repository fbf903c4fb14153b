"""One order for findings of all layers: severity first, then estimated gain a unit of effort."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from perftui.model.finding import Finding, Severity
from perftui.model.recommendation import Recommendation

# One "gain point" is worth about one second of work saved a second; other units are brought to that
# scale so that findings of different layers can stand in one list. The unit itself stays on screen.
UNIT_SCALE = {"s": 1.0, "s/s": 1.0, "1/s": 0.01, "bytes": 1e-9, "ratio": 10.0, "": 0.0}
SEVERITY_WEIGHT = {Severity.CRITICAL: 100.0, Severity.WARNING: 10.0, Severity.INFO: 1.0}


def rank(found: Mapping[str, Sequence[Finding]]) -> tuple[Recommendation, ...]:
    """Every finding once, best first; ties keep the order of their titles, so the list stands still."""
    rows = [_place(layer, finding) for layer, findings in found.items() for finding in findings]
    return tuple(sorted(rows, key=lambda r: (-r.rank_value, r.layer, r.finding.title)))


def _place(layer: str, finding: Finding) -> Recommendation:
    gain = max(0.0, finding.gain) * UNIT_SCALE.get(finding.gain_unit, 0.0)
    lift = 1.0 + math.log1p(gain)
    severity = SEVERITY_WEIGHT[finding.severity]
    effort = math.sqrt(finding.effort)
    value = severity * lift / effort
    why = f"{finding.severity.name.lower()} {severity:g} × gain {lift:.2f} ÷ √effort {effort:.2f}"
    return Recommendation(layer, finding, value, why)
