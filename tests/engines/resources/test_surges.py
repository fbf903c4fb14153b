"""A surge of traffic as the resources engine finds it: when it begins, what it says, when it is over."""

from __future__ import annotations

import math
from dataclasses import replace

from perftui.engines.resources import ResourcesEngine
from perftui.engines.resources.surges import NEW_USUAL
from perftui.model.endpoint import ApiReading, Endpoint
from perftui.model.finding import Severity
from perftui.model.health import Health, Link
from perftui.model.reading import Look, Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.rings import Rings

LIVE = Health(Link.LIVE, 0.0)
EVERY = 2.0


class Watched:
    """An application whose rate a test sets, looked at every two seconds."""

    def __init__(self):
        self.engine, self.rings, self.at = ResourcesEngine(), Rings(seconds=3600), 1000.0

    def look(self, rate, share=0.5):
        """One look; `share` of the requests ask for products."""
        self.at += EVERY
        total = Endpoint("shop", "", "", rate, p95_s=0.01, p99_s=0.02)
        routes = (
            replace(total, route="/products/{id}", method="GET", rate=rate * share),
            replace(total, route="/orders", method="POST", rate=rate * (1 - share)),
        )
        facts = ApiReading("shop", 10.0, total, routes, 0, 0, 1)
        samples = [Measure(SeriesKey("shop", "http.requests_per_s"), rate, "1/s")]
        samples += [
            Measure(
                SeriesKey("shop", "http.route.requests_per_s", (("method", e.method), ("route", e.route))),
                e.rate,
            )
            for e in routes
        ]
        reading = Reading("shop", self.at, 0.01, tuple(samples), facts)
        self.rings.record(reading)
        report = self.engine.observe(self.at, {"shop": Look("shop", "scrape", reading, LIVE)}, self.rings)
        return {f.id: f for f in self.engine.findings(report)}.get("api.traffic-surge")

    def steady(self, rate, seconds):
        """The findings of a stretch."""
        return [self.look(rate) for _ in range(int(seconds / EVERY))]


def test_a_surge_says_how_many_times_since_when_and_which_routes():
    shop = Watched()
    assert not any(shop.steady(20.0, 300))
    found = shop.look(100.0, share=0.9)
    assert found.severity is Severity.WARNING
    assert found.title == "shop: a surge of traffic, 5.0 times what is usual"
    assert found.evidence == (
        "100.0 requests/s over 10 s, 20.0/s in the 4 min before",
        "GET /products/{id}: 10.0 → 90.0/s",
        "POST /orders: 10.0 → 10.0/s",
    )


def test_it_lasts_as_long_as_the_surge_and_is_over_with_it():
    shop = Watched()
    shop.steady(20.0, 300)
    assert all(shop.steady(100.0, 1500))
    assert not any(shop.steady(30.0, 600))


def test_what_lasts_half_an_hour_is_usual():
    shop = Watched()
    shop.steady(20.0, 300)
    assert all(shop.steady(100.0, NEW_USUAL))
    assert not any(shop.steady(100.0, 900)[1:])


def test_nothing_is_told_of_a_service_that_just_started():
    shop = Watched()
    assert not any(shop.steady(5.0, 60))
    assert not any(shop.steady(100.0, 300))


def test_a_day_squeezed_into_four_minutes_is_no_surge():
    shop = Watched()
    assert not any(shop.look(60 * (1 + 0.35 * math.sin(2 * math.pi * i * EVERY / 240))) for i in range(900))
