"""Several systems behind one backend: each is a source of its own, called `backend:target`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perftui.model.health import Link
from perftui.model.reading import Look

if TYPE_CHECKING:  # the first painting needs neither
    from perftui.model.endpoint import ApiReading
    from perftui.model.resources import HostReading

BETWEEN = ":"
PART = "scrape"  # the kind of what stands in a list, as if it had an entry of its own
_ALIKE = {"accesslog": PART}  # tells the same series, from elsewhere
_FAMILIES = {"valkey-cluster": "valkey", "valkey-sentinel": "valkey"}


@dataclass(frozen=True, slots=True)
class ScrapedHost:
    """What a target told that is a host's exporter, perhaps beside an application's own figures."""

    api: ApiReading
    host: HostReading


@dataclass(frozen=True, slots=True)
class TargetsReading:
    """What a backend of many targets told: the newest look at each, lost ones with their last figures."""

    looks: tuple[Look, ...] = ()


def whole(source: str) -> str:
    """The backend behind a source."""
    return source.partition(BETWEEN)[0]


def spread(looks: Mapping[str, Look]) -> dict[str, Look]:
    """Looks with those behind lists beside them; where a list itself is lost, so is what stands in it."""
    found = dict(looks)
    for look in looks.values():
        facts = look.reading.facts if look.reading is not None else None
        if isinstance(facts, TargetsReading):
            gone = look.health.link in (Link.LOST, Link.REFUSED)
            parts = (replace(part, health=look.health) if gone else part for part in facts.looks)
            found |= {part.source: part for part in parts}
    return found


def family(kind: str) -> str:
    """The kind whose figures it has as a whole: caches of several servers tell of themselves as of one."""
    return _FAMILIES.get(kind, alike(kind))


def alike(kind: str) -> str:
    """The kind whose series a kind tells: requests are the same out of a log as out of metrics."""
    return _ALIKE.get(kind, kind)


class Kinds(dict[str, str]):
    """Kinds of backends by their names, and of what stands behind them, as rules and figures know them."""

    def get(self, source: str, otherwise: str = "") -> str:  # type: ignore[override]
        """The kind of a source."""
        found = super().get(source)
        if found is None:
            found = PART if BETWEEN in source and whole(source) in self else otherwise
        return alike(found)
