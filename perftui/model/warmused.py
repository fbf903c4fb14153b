"""What became of the keys that runs of warm jobs loaded, as nodes of the warm set tell it in their records.

Gauges `warmjob.JOB.at of used left`, of the newest run whose keys are over, or where none is of the one
whose keys are still followed. Anybody may have written them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

HEAD: Final = "warmjob."
SAMPLE: Final = 256  # keys of a run that are followed
MOST_JOBS: Final = 16  # of a record
JOB: Final = re.compile(r"[a-z0-9][a-z0-9_.\-]{0,39}")  # a job's name
WHAT: Final = ("at", "of", "used", "left")
_MOST: Final = 1 << 50


@dataclass(frozen=True, slots=True)
class Warmed:
    """Keys that a run of `job` loaded, begun `at` (epoch seconds): a random sample where there were many.

    Of `of` keys so many were `used`: asked for and found fresh before their end, by any node of the cache
    that has the job's warm set. `left` are not used and not over yet.
    """

    job: str
    at: float
    of: int
    used: int
    left: int = 0

    @property
    def precision(self) -> float | None:
        """The share that was used; with any `left` at least that. None of nothing."""
        return self.used / self.of if self.of else None


def gauges(told: Iterable[Warmed]) -> dict[str, float]:
    """As a record has them."""
    return {f"{HEAD}{one.job}.{what}": float(getattr(one, what)) for one in told for what in WHAT}


def warmed(found: Mapping[str, float]) -> tuple[Warmed, ...]:
    """What a record's gauges say, by job; what cannot be is left out."""
    jobs = (name[len(HEAD) : -len(".at")] for name in found if name.startswith(HEAD) and name.endswith(".at"))
    read = (_one(job, [found.get(f"{HEAD}{job}.{what}") for what in WHAT]) for job in jobs)
    return tuple(sorted((one for one in read if one is not None), key=lambda one: one.job))[:MOST_JOBS]


def newest(told: Iterable[tuple[str, Warmed]]) -> dict[tuple[str, str], Warmed]:
    """By namespace and job, of what nodes of a namespace say: of each job the newest, by who knows most."""
    found: dict[tuple[str, str], Warmed] = {}
    for namespace, one in told:
        key = namespace, one.job
        found[key] = max(found.get(key, one), one, key=lambda it: (it.at, it.of, it.used, -it.left))
    return found


def _one(job: str, figures: list[float | None]) -> Warmed | None:
    known = [figure for figure in figures if figure is not None]
    if not JOB.fullmatch(job) or len(known) < len(WHAT):
        return None
    if not all(math.isfinite(figure) and 0 <= figure < _MOST for figure in known):
        return None
    at, of, used, left = known
    return Warmed(job, at, int(of), int(used), int(left)) if of >= 1 and used + left <= of else None
