"""Conditions as people write them for a gate: `api.p95 < 100ms`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from perftui.model.errors import ConfigError

UNITS: dict[str, float] = {
    "": 1.0, "%": 0.01,
    "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
    "B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30,
    "/s": 1.0, "k": 1e3, "M": 1e6,
}  # fmt: skip
"""What may stand behind the number, in base units."""

_PARTS = re.compile(
    r"\s*(?P<what>[^<>=\s]+)\s*(?:(?P<op><=|>=|<|>)\s*(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)"
    r"\s*(?P<unit>[^\s\d]*))?\s*\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Condition:
    """`what` is a target's name or a series; without `op` it is the target's own goal."""

    what: str
    op: str = ""
    value: float = 0.0

    def met(self, figure: float) -> bool:
        """Whether a figure (base units) satisfies it."""
        if self.op == "<":
            return figure < self.value
        if self.op == "<=":
            return figure <= self.value
        return figure > self.value if self.op == ">" else figure >= self.value


def parse(text: str) -> Condition:
    """The condition, or a ConfigError that says how one is written."""
    found = _PARTS.match(text)
    if found is None:
        raise ConfigError(f"{text!r} is no condition such as 'api.p95 < 100ms' or 'cache/hit_ratio > 95%'")
    if not found["op"]:
        return Condition(found["what"])
    unit = found["unit"] or ""
    if unit not in UNITS:
        raise ConfigError(f"unknown unit {unit!r} in {text!r}: one of {' '.join(u for u in UNITS if u)}")
    return Condition(found["what"], found["op"], float(found["number"]) * UNITS[unit])
