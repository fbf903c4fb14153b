"""The busiest endpoints' buckets and statuses over a quarter of an hour, for the pictures of one endpoint."""

from __future__ import annotations

from collections import deque

from perftui.analysis.quantile import merge
from perftui.backends.scrape.red import DETAILED, RoleOf, gains
from perftui.backends.scrape.roles import Counters
from perftui.model.endpoint import EndpointPast, Stretch

STEPS = 90
"""Stretches kept: a quarter of an hour at one in ten seconds."""

Slice = dict[tuple[str, str], tuple[tuple[float, ...], Stretch]]


class Past:
    """What `DETAILED` endpoints gained from one kept scrape to the next; counters themselves are let go."""

    def __init__(self) -> None:
        self._slices: deque[Slice] = deque(maxlen=STEPS)

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

    def of(self, route: str, method: str) -> EndpointPast:
        """One endpoint's stretches on the bounds of the newest; those with others are left out."""
        found = [piece[route, method] for piece in self._slices if (route, method) in piece]
        bounds = found[-1][0] if found else ()
        return EndpointPast(route, method, bounds, tuple(s for b, s in found if b == bounds))
