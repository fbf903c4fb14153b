"""Connection pools by the names of the libraries that tell of them, and the finding about one that is used up."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from perftui.analysis.promtext import Scanner
from perftui.backends.scrape import Scrape, ScrapeOptions
from perftui.backends.scrape.pools import Pools
from perftui.engines.resources import ResourcesEngine
from perftui.model.endpoint import Pool
from perftui.model.finding import Severity
from perftui.model.health import Health, Link
from perftui.model.reading import Look
from perftui.runtime.rings import Rings
from tests.backends.test_scrape import TOKEN, Service

HIKARI = """\
hikaricp_connections_active{pool="main"} 9
hikaricp_connections_idle{pool="main"} 1
hikaricp_connections_max{pool="main"} 10
hikaricp_connections_pending{pool="main"} 3
hikaricp_connections_acquire_seconds_count{pool="main"} 100
hikaricp_connections_acquire_seconds_sum{pool="main"} 4
hikaricp_connections_active{pool="reports"} 0
hikaricp_connections_idle{pool="reports"} 2
hikaricp_connections_max{pool="reports"} 2
"""
OTEL = """\
db_client_connection_count{db_client_connection_pool_name="a:5432/app",db_client_connection_state="used"} 4
db_client_connection_count{db_client_connection_pool_name="a:5432/app",db_client_connection_state="idle"} 6
db_client_connection_max{db_client_connection_pool_name="a:5432/app"} 20
db_client_connection_pending_requests{db_client_connection_pool_name="a:5432/app"} 0
"""
OTEL_BEFORE = """\
db_client_connections_usage{pool_name="p",state="used"} 3
db_client_connections_usage{pool_name="p",state="idle"} 1
"""
GO = """\
go_sql_in_use_connections{db_name="app"} 5
go_sql_idle_connections{db_name="app"} 2
go_sql_max_open_connections{db_name="app"} 0
go_sql_wait_count_total{db_name="app"} 0
go_sql_wait_duration_seconds_total{db_name="app"} 0
"""
OWN = """\
db_pool_connections{state="used"} 7
db_pool_connections{state="idle"} 3
db_pool_connections{state="leaked"} 2
db_pool_waiting 1
"""
TWO_PROCESSES = """\
prisma_pool_connections_busy{pid="1"} 2
prisma_pool_connections_busy{pid="2"} 3
prisma_pool_connections_idle{pid="1"} 1
prisma_pool_connections_idle{pid="2"} 4
prisma_client_queries_wait{pid="1"} NaN
"""


SPRING = (
    HIKARI
    + """\
jdbc_connections_active{name="dataSource"} 9
jdbc_connections_idle{name="dataSource"} 1
jdbc_connections_max{name="dataSource"} 10
db_client_connections_usage{pool_name="main",state="used"} 9
db_client_connections_usage{pool_name="main",state="idle"} 1
"""
)


def pools(*texts):
    made = Pools()
    for text in texts:
        found = made.of(Scanner().scan(text).samples)
    return found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (HIKARI, (Pool("main", 9, 1, 10, 3), Pool("reports", 0, 2, 2))),
        (SPRING, (Pool("main", 9, 1, 10, 3), Pool("reports", 0, 2, 2))),
        (SPRING.replace("hikaricp", "other"), (Pool("dataSource", 9, 1, 10), Pool("main", 9, 1, 0))),
        (OTEL, (Pool("a:5432/app", 4, 6, 20, 0),)),
        (OTEL_BEFORE, (Pool("p", 3, 1, 0),)),
        (GO, (Pool("app", 5, 2, 0),)),
        (OWN, (Pool("", 7, 3, 10, 1),)),
        (TWO_PROCESSES, (Pool("", 5, 5, 10),)),
        ("up 1\n", ()),
    ],
)
def test_each_library_is_known(text, wanted):
    assert pools(text) == wanted


def test_the_mean_wait_is_that_of_the_waits_since_the_look_before():
    later = HIKARI.replace('_count{pool="main"} 100', '_count{pool="main"} 110').replace(
        '_sum{pool="main"} 4', '_sum{pool="main"} 9'
    )
    assert pools(HIKARI, later)[0].wait_s == 0.5
    assert pools(HIKARI, HIKARI)[0].wait_s is None
    assert pools(later, HIKARI)[0].wait_s is None  # it started again


@pytest.fixture
def service():
    made = Service()
    yield made
    made.close()


async def test_one_that_is_used_up_for_half_a_minute_is_found(service):
    scrape = Scrape("shop", ScrapeOptions(service.url, token=TOKEN))
    rings, engine, now = Rings(), ResourcesEngine(), time.time()
    await scrape.open()
    try:
        for seconds in range(0, 60, 5):
            full = HIKARI.replace('active{pool="main"} 9', 'active{pool="main"} 10')
            service.body = (full if seconds else HIKARI).encode()
            reading = replace(await scrape.read(), at=now + seconds)
            rings.record(reading)
            look = Look("shop", "scrape", reading, Health(Link.LIVE, now))
            report = engine.observe(reading.at, {"shop": look}, rings)
            found = [f for f in engine.findings(report) if f.id == "api.pool-exhausted"]
            assert bool(found) == (seconds >= 20), seconds  # five samples tell at the least
    finally:
        await scrape.close()
    (one,) = found
    assert (one.severity, one.title) == (Severity.CRITICAL, "shop: the connection pool main is 100% used")
    assert one.evidence == ("100% of 10 connections in use over 30 s", "3.0 requests wait for one")
    assert one.labels == (("pool", "main"),)
