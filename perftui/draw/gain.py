"""What mending a finding would gain, in words and as what tables sort by."""

from __future__ import annotations

from perftui.draw import format as fmt
from perftui.model.finding import Finding


def gain(finding: Finding) -> str:
    """The estimated gain with its unit."""
    if not finding.gain:
        return fmt.NOTHING
    return fmt.value(finding.gain, finding.gain_unit).strip()


def gain_order(finding: Finding) -> tuple[str, float] | None:
    """Gains of one unit by how much; of several units, these one after the other."""
    return (finding.gain_unit, finding.gain) if finding.gain else None
