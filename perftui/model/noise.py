"""How noisy alerts were: who was told how often, which rules did it, and the edit that would cure each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cure:
    """An edit that would have spared `spares` firings of `of`, and why."""

    why: str
    edit: str
    spares: int
    of: int


@dataclass(frozen=True, slots=True)
class RuleNoise:
    """One rule over the span. `pages` are messages to people about it, `night` firings from 22 to 7.

    `unacked` are firings that nobody acknowledged, `short` those over within five minutes, `flaps` those
    that began within ten minutes of the end of the one before.
    """

    rule: str
    fired: int
    pages: int = 0
    night: int = 0
    unacked: int = 0
    short: int = 0
    flaps: int = 0
    firing_s: float = 0.0
    cures: tuple[Cure, ...] = ()


@dataclass(frozen=True, slots=True)
class PersonNoise:
    """Messages to one person, or to a channel that is a place, and those of them between 22 and 7."""

    who: str
    pages: int
    night: int


@dataclass(frozen=True, slots=True)
class NoiseReport:
    """Alerts from `start` to `end` (epoch seconds), the noisiest rule first.

    `silent` are rules in force that did not fire once in that time.
    """

    start: float
    end: float
    rules: tuple[RuleNoise, ...] = ()
    people: tuple[PersonNoise, ...] = ()
    silent: tuple[str, ...] = ()

    @property
    def fired(self) -> int:
        """Firings of all rules."""
        return sum(one.fired for one in self.rules)

    @property
    def pages(self) -> int:
        """Messages to all people."""
        return sum(one.pages for one in self.people)

    @property
    def night(self) -> int:
        """Messages between 22 and 7."""
        return sum(one.night for one in self.people)
