"""CPU of one tick of 1 000 alert rules over ten series each; run as `python -m benchmarks.mon_promql`."""

from __future__ import annotations

import statistics
import time

from perftui.analysis.promql import Plan, Shelf, evaluate, parse
from perftui.model.metrics import labels_of

RULES, SERIES, SCRAPES, EVERY, TICKS = 1000, 10, 41, 15.0, 7
BEGIN = 1_700_000_000.0
TARGET = 0.400
SHAPES = (
    'requests_total{{rule="{n}"}} > 900000',
    'rate(requests_total{{rule="{n}"}}[5m]) > 100',
    'sum by (job) (rate(requests_total{{rule="{n}"}}[5m])) > 1000',
    'avg_over_time(requests_total{{rule="{n}"}}[2m]) > 900000',
    'requests_total{{rule="{n}"}} / ignoring (nothing) requests_total{{rule="{n}"}} offset 1m > 2',
)
"""What people write: thresholds, rates, sums of rates, means, ratios; the last two shapes read twice."""


def recorded() -> Shelf:
    shelf = Shelf()
    for scrape in range(SCRAPES):
        for rule in range(RULES):
            for series in range(SERIES):
                labels = labels_of("requests_total", rule=str(rule), job="web", instance=f"host-{series}")
                shelf.append(labels, BEGIN + scrape * EVERY, float(scrape * (series + 1)))
    return shelf


def tick(plans: list[Plan], shelf: Shelf, at: float) -> float:
    began = time.process_time()
    for plan in plans:
        evaluate(plan, shelf, at)
    return time.process_time() - began


def main() -> None:
    plans = [parse(SHAPES[n % len(SHAPES)].format(n=n)) for n in range(RULES)]
    shelf = recorded()
    at = BEGIN + (SCRAPES - 1) * EVERY
    took = [tick(plans, shelf, at + n * EVERY / TICKS) for n in range(TICKS)]
    print(f"{RULES} rules x {SERIES} series, one tick: median {statistics.median(took) * 1000:.0f} ms CPU")
    print(f"best {min(took) * 1000:.0f} ms, first {took[0] * 1000:.0f} ms; target {TARGET * 1000:.0f} ms")
    for place, shape in enumerate(SHAPES):
        some = plans[place :: len(SHAPES)]
        alone = min(tick(some, shelf, at) for _ in range(TICKS))
        print(f"  {alone / len(some) * 1e6:6.0f} us  {shape.format(n='N')}")


if __name__ == "__main__":
    main()
