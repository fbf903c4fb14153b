"""What we say of shop's requests, against shop's own counters read by another client in the same moments."""

from __future__ import annotations

import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from perftui.backends.scrape import Scrape, ScrapeOptions
from perftui.lab import Lab
from tests.waiting import until

NAME = "http_request_duration_seconds"


def counted(url):
    """Requests, failures and cumulative buckets, added up by the reference parser."""
    text = httpx.get(url, trust_env=False).text
    requests = failures = 0.0
    buckets: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"{NAME}_count":
                requests += sample.value
                failures += sample.value if sample.labels["status"].startswith("5") else 0
            elif sample.name == f"{NAME}_bucket":
                bound = float(sample.labels["le"])
                buckets[bound] = buckets.get(bound, 0.0) + sample.value
    return requests, failures, buckets


async def test_figures_agree_with_shops_own_counters(lab: Lab) -> None:
    options = next(b for b in backends(lab) if b["kind"] == "scrape")
    scrape = Scrape("shop", ScrapeOptions(options["url"]))
    await scrape.open()
    early = counted(options["url"])
    await scrape.read()
    began = time.monotonic()
    await until(lambda: time.monotonic() - began > 2.0)
    inner = counted(options["url"])
    facts = (await scrape.read()).facts
    late = counted(options["url"])
    await scrape.close()
    gained = facts.total.rate * facts.window
    assert inner[0] <= facts.requests_total <= late[0]
    assert gained > 10
    assert inner[0] - early[0] - 3 <= gained <= late[0] - early[0]
    assert facts.total.error_ratio * gained == pytest.approx(late[1] - early[1], abs=late[0] - inner[0] + 3)
    assert sum(n for _, n in facts.buckets) == pytest.approx(gained, abs=0.5)
    by_route = sum(e.rate for e in facts.endpoints) * facts.window
    assert by_route == pytest.approx(gained, abs=0.5)
    for bound, n in facts.buckets:
        assert bound in late[2]
        assert n <= late[2][bound]
    assert facts.total.p50_s <= facts.total.p95_s <= facts.total.p99_s


def backends(lab):
    """Settings of the lab's backends as its configuration gives them."""
    import tomllib

    return tomllib.loads(lab.config_toml())["env"]["lab"]["backends"].values()
