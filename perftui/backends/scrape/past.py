"""The busiest endpoints' buckets and statuses over a quarter of an hour, for the pictures of one endpoint."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from perftui.analysis.quantile import Histogram, merge
from perftui.backends.scrape.red import DETAILED, Gained, RoleOf, gains
from perftui.backends.scrape.roles import Counters
from perftui.model.endpoint import EndpointPast, Stretch, Tally

STEPS = 90
"""Stretches kept: a quarter of an hour at one in ten seconds."""

TALLIED = 100  # endpoints counted for as long as we watch

Slice = dict[tuple[str, str], tuple[tuple[float, ...], Stretch]]


class Past:
    """What `DETAILED` endpoints gained from one kept scrape to the next; counters themselves are let go."""

    def __init__(self) -> None:
        self._slices: deque[Slice] = deque(maxlen=STEPS)
        self.tallies: Mapping[tuple[str, str], Tally] = {}

    def add(self, now: Counters, before: Counters, role_of: RoleOf) -> None:
        """Keep what came between two scrapes, of the endpoints that gained most."""
        found = gains(now, before, role_of)
        busiest = sorted(found, key=lambda key: -found[key].requests)[:DETAILED]
        piece: Slice = {}
        for key in busiest:
            merged = merge(found[key].histograms)
            counts = tuple(count for _, count in merged.per_bucket())
            statuses = tuple(sorted(found[key].statuses.items()))
            piece[key] = merged.bounds, Stretch(before.at, now.at, counts, statuses)
        self._slices.append(piece)
        self._count(found, busiest)

    def _count(self, found: Mapping[tuple[str, str], Gained], busiest: list[tuple[str, str]]) -> None:
        """Add up what each endpoint gained; of those with buckets, the first hundred that were busy."""
        known = dict(self.tallies)
        for key in {*known, *busiest} & found.keys():
            if key in known or len(known) < TALLIED:
                known[key] = _counted(known.get(key), key, found[key])
        self.tallies = known

    def of(self, route: str, method: str) -> EndpointPast:
        """One endpoint's stretches on the bounds of the newest; those with others are left out."""
        found = [piece[route, method] for piece in self._slices if (route, method) in piece]
        bounds = found[-1][0] if found else ()
        return EndpointPast(route, method, bounds, tuple(s for b, s in found if b == bounds))


def _counted(before: Tally | None, key: tuple[str, str], gained: Gained) -> Tally:
    """A tally with what was gained; other bounds begin a new one."""
    merged = merge(gained.histograms)
    if before is None or before.bounds != merged.bounds:
        before = Tally(*key, merged.bounds, (0.0,) * len(merged.bounds), 0.0, ())
    both = merge([Histogram(before.bounds, before.counts), merged])
    statuses = dict(before.statuses)
    for status, count in gained.statuses.items():
        statuses[status] = statuses.get(status, 0.0) + count
    seconds = before.seconds + max(0.0, gained.seconds)
    return Tally(*key, both.bounds, both.counts, seconds, tuple(sorted(statuses.items())))
