"""What is exposed follows every line of both formats, whatever names and numbers come in."""

from __future__ import annotations

import asyncio
import itertools
import math
import re
import shutil
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from perftui.analysis.metricnames import label_name, metric_name
from perftui.backends.scrape.past import Past
from perftui.backends.scrape.roles import Names, Roles
from perftui.export.exposition import Exposition
from perftui.export.families import MOST_CHARS, MOST_ROWS, Families
from perftui.export.prometheus import PIECE, accepts_openmetrics, bound, number, written
from perftui.model.endpoint import ApiReading, Endpoint, Tally
from perftui.model.health import Health, Link
from perftui.model.reading import Look, Measure, Reading
from perftui.model.resources import CpuUse, HostReading, MemoryUse, MountUse, NetUse
from perftui.model.series import SeriesKey
from tests.needs import needs

HOST = HostReading(
    "box",
    window=2.0,
    cpu=CpuUse("all", 0.5, user=0.5),
    cores=(CpuUse("0", 0.5, user=0.3, system=0.2, iowait=0.1), CpuUse("1", 0.25, user=0.25)),
    load=(1.0, 0.5, 0.25),
    memory=MemoryUse(1000, 600, free=500),
    mounts=(MountUse('/mnt/"odd"\n\\', "/dev/sda", "ext4", 100, 40, 60),),
    nets=(NetUse("eth0", 10.0, 20.0, 1.0, 2.0, 0.0, 0.0),),
    uptime=50.0,
)
API = ApiReading(
    "shop",
    2.0,
    Endpoint("shop", "", "", 5.0),
    (),
    10.0,
    1.0,
    3.0,
    tallies=(
        Tally("/p/{id}", "GET", (0.005, 0.1, math.inf), (2.0, 7.0, 8.0), 0.75, (("200", 7.0), ("500", 1.0))),
    ),
)


def look(name, kind, facts=None, samples=(), link=Link.LIVE, at=100.0):
    reading = Reading(name, at, 0.01, tuple(samples), facts)
    return Look(name, kind, reading, Health(link, 0.0))


def sample(source, name, value, unit="1", **labels):
    return Measure(SeriesKey(source, name, tuple(sorted(labels.items()))), value, unit)


def everything():
    return {
        "host": look("host", "host", HOST),
        "shop": look("shop", "scrape", API, [sample("shop", "http.requests_per_s", 5.0, "1/s")]),
        "cache": look(
            "cache",
            "valkey",
            samples=[
                sample("cache", "ops_per_s", 12.5, "1/s"),
                sample("cache", "used_bytes", 1e6, "bytes"),
                sample("cache", "hit_ratio", math.nan, "ratio"),
                sample("cache", "latency.p99_s", 0.001, "s", command='ge"t\\\n'),
                sample("cache", "calls.total", 3.0),
                sample("cache", "latency.bucket_per_s", 3.0, "1/s", le="0.1"),
            ],
        ),
        "gone": look("gone", "valkey", samples=[sample("gone", "ops_per_s", 1.0, "1/s")], link=Link.LOST),
    }


def exposed(looks, *, openmetrics=False, exposition=None):
    told = exposition or Exposition(lambda: looks, lambda _found: None)

    async def work():
        return await written(await told.families(), openmetrics=openmetrics)

    return asyncio.run(work()).decode()


@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_parser_of_others_reads_every_kind(openmetrics):
    text = exposed(everything(), openmetrics=openmetrics)
    families = {f.name: f for f in (openmetrics_families if openmetrics else text_families)(text)}
    durations = families["perftui_http_request_duration_seconds"]
    assert durations.type == "histogram"
    found = {s.labels.get("le", s.name.rpartition("_")[2]): s.value for s in durations.samples}
    assert found == {"0.005": 2.0, "0.1": 7.0, "+Inf": 8.0, "count": 8.0, "sum": 0.75}
    requests = families["perftui_http_requests"]
    assert requests.type == "counter"
    assert {s.labels["status"]: s.value for s in requests.samples} == {"200": 7.0, "500": 1.0}
    assert families["perftui_http_requests_in_flight"].type == "gauge"
    assert families["perftui_source_read_duration_seconds"].type == "summary"
    (hit,) = families["perftui_valkey_hit_ratio"].samples
    assert math.isnan(hit.value)
    (latency,) = families["perftui_valkey_latency_p99_seconds"].samples
    assert latency.labels["command"] == 'ge"t\\\n'
    up = {s.labels["source"]: s.value for s in families["perftui_source_up"].samples}
    assert up == {"host": 1, "shop": 1, "cache": 1, "gone": 0}
    assert {s.labels["source"] for s in families["perftui_valkey_ops_per_second"].samples} == {"cache"}
    (rate,) = families["perftui_scrape_http_requests_per_second"].samples
    assert rate.labels == {"source": "shop"}  # of the whole service: by route there are counters
    build = families["perftui_build" if openmetrics else "perftui_build_info"]
    assert build.type == ("info" if openmetrics else "gauge")
    assert text.endswith("# EOF\n") == openmetrics


@pytest.mark.parametrize("openmetrics", [False, True])
def test_every_family_is_told_once_and_in_one_piece(openmetrics):
    seen, current = set(), ""
    for line in exposed(everything(), openmetrics=openmetrics).splitlines():
        if line == "# EOF":
            continue
        word, name, rest = ([*line.split(" ", 3)[1:4], ""])[:3] if line[0] == "#" else ("", "", "")
        if word == "HELP":
            assert name not in seen, name
            assert rest
            seen.add(name)
            current = name
        elif word in ("TYPE", "UNIT"):
            assert name == current
        else:
            series = re.match(r"[a-z_A-Z0-9]+", line)[0]
            base = re.sub(r"_(total|bucket|sum|count|info)\Z", "", series)
            assert current in (series, base), line
            assert not re.search(r"_(total|bucket|sum|count|info)\Z", current) or not openmetrics


def test_no_series_comes_twice():
    lines = [line.rpartition(" ")[0] for line in exposed(everything()).splitlines() if line[0] != "#"]
    assert len(lines) == len(set(lines))


def test_the_host_speaks_as_a_node_exporter_does_and_its_counters_grow():
    looks = {"host": look("host", "host", HOST)}
    told = Exposition(lambda: looks, lambda _found: None)
    exposed(looks, exposition=told)
    looks["host"] = look("host", "host", HOST, at=102.0)
    text = exposed(looks, exposition=told)
    assert 'node_cpu_seconds_total{cpu="0",mode="user"} 1.2\n' in text
    assert 'node_cpu_seconds_total{cpu="0",mode="idle"} 1.6\n' in text
    assert 'node_network_receive_bytes_total{device="eth0"} 40\n' in text
    assert "node_memory_MemAvailable_bytes 600\n" in text
    assert "node_load1 1\n" in text
    assert 'mountpoint="/mnt/\\"odd\\"\\n\\\\"' in text
    assert exposed(looks, exposition=told) == text or "node_cpu" in text  # no reading, no growth
    two = {**looks, "other": look("other", "host", HOST)}
    assert 'node_load1{source="other"}' in exposed(two)


def test_too_many_series_are_folded_and_counted():
    found = Families()
    counter = found.family("calls", "counter", "Calls.")
    for n in range(MOST_ROWS + 10):
        counter.put((("name", f"n{n}"),), 1.0)
    gauge = found.family("level", "gauge", "Level.")
    gauge.put((("name", "x" * 500),), 1.0)
    gauge.put((("name", "x" * 400),), 7.0)
    text = asyncio.run(written(found.sorted(), openmetrics=False)).decode()
    assert 'calls_total{name="other"} 10\n' in text
    assert f'level{{name="{"x" * MOST_CHARS}"}} 7\n' in text
    assert 'perftui_folded_series_total{family="calls"} 10\n' in text
    assert text.count("calls_total{") == MOST_ROWS + 1


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; version=0.0.1", False),
        # Prometheus 2.42 and 3:
        (
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            ),
            True,
        ),
        (
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
                "text/plain;version=0.0.4;q=0.6"
            ),
            False,
        ),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=much", False),
    ],
)
def test_the_format_is_the_one_that_is_preferred(accept, openmetrics):
    assert accepts_openmetrics(accept) is openmetrics


@pytest.mark.parametrize(
    ("kind", "name", "metric"),
    [
        ("valkey", "ops_per_s", "perftui_valkey_ops_per_second"),
        ("postgres", "replay_lag_s", "perftui_postgres_replay_lag_seconds"),
        ("postgres", "tps", "perftui_postgres_transactions_per_second"),
        ("host", "cpu.busy_ratio", "perftui_host_cpu_busy_ratio"),
        ("host", "load.1m", "perftui_host_load_1m"),
        ("valkey", "keys.total", "perftui_valkey_keys"),
        ("odd-kind", "Größe (µ)", "perftui_odd_kind_gr_e"),
    ],
)
def test_names_are_spelt_out(kind, name, metric):
    assert metric_name(name, kind) == metric


def test_numbers_and_bounds():
    assert [number(v) for v in (1.0, 0.1, math.nan, math.inf, -math.inf, 1e300, -3, -0.0, 1e15 - 1, 1e15)] == [
        "1", "0.1", "NaN", "+Inf", "-Inf", "1e+300", "-3", "0", "999999999999999", "1000000000000000.0",
    ]  # fmt: skip
    assert [bound(v) for v in (1, 0.005, math.inf)] == ["1.0", "0.005", "+Inf"]
    assert label_name("9a-b") == "_9a_b"


@given(
    st.dictionaries(st.text(min_size=1, max_size=20), st.floats(), max_size=5),
    st.text(max_size=200),
    st.booleans(),
)
def test_whatever_names_come_in_the_parsers_of_others_read_it(values, label, openmetrics):
    samples = [sample("s", name, value, odd=label) for name, value in values.items()]
    text = exposed({"s": look("s", "valkey", samples=samples)}, openmetrics=openmetrics)
    list((openmetrics_families if openmetrics else text_families)(text))


def test_promtool_finds_nothing_but_the_names_of_node_exporter():
    tool = shutil.which("promtool")
    needs("promtool", found=tool is not None, how="install prometheus")
    import subprocess

    text = exposed(everything())
    done = subprocess.run(
        [tool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30, check=False
    )
    complaints = [
        line for line in done.stderr.splitlines() if not re.match(r"node_memory_\w+ .*camelCase", line)
    ]
    assert complaints == []


@pytest.mark.parametrize("backends", [8, 1])
async def test_writing_five_thousand_samples_lets_others_go_on(backends):
    samples = [sample("s", f"n{n % 50}", float(n), place=str(n)) for n in range(5400)]
    looks = {f"s{n}": look(f"s{n}", "valkey", samples=samples[n::backends]) for n in range(backends)}
    told = Exposition(lambda: looks, lambda _found: None)
    longest, turns = 0.0, 0

    async def others():
        nonlocal longest, turns
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - began)
            turns += 1

    best = math.inf
    for _ in range(5):  # the quietest of a few: other processes are not ours to measure
        longest, turns = 0.0, 0
        task = asyncio.create_task(others())
        await asyncio.sleep(0)
        body = await written(await told.families(), openmetrics=True)
        task.cancel()
        best = min(best, longest)
    assert body.count(b"\n") > 5400
    assert turns > 2 * 5400 / PIECE - 2  # to gather, and to write
    assert best < 0.05  # 10 ms on a quiet machine


def test_an_endpoint_is_counted_on_when_a_worker_begins_anew():
    from perftui.analysis.promtext import Scanner

    roles = Roles(Names())
    scanner = Scanner()

    def scraped(at, *workers):
        lines = []
        for worker, fast, slow in workers:
            labels = f'route="/",method="GET",worker="{worker}"'
            name = "http_request_duration_seconds"
            lines += [
                f'http_requests_total{{{labels},status="200"}} {fast + slow}',
                f'{name}_bucket{{{labels},le="0.1"}} {fast}',
                f'{name}_bucket{{{labels},le="+Inf"}} {fast + slow}',
                f"{name}_sum{{{labels}}} {fast * 0.05 + slow}",
            ]
        return roles.sort(scanner.scan("\n".join(lines) + "\n"), at, at)

    past = Past()
    looks = [
        scraped(0, ("a", 10, 0), ("b", 5, 0)),
        scraped(10, ("a", 12, 1), ("b", 6, 0)),
        scraped(20, ("a", 2, 0), ("b", 7, 0)),  # a began anew
    ]
    for before, now in itertools.pairwise(looks):
        past.add(now, before, roles.role)
    (tally,) = past.tallies.values()
    assert tally.bounds == (0.1, math.inf)
    assert tally.counts == (6.0, 7.0)
    assert dict(tally.statuses) == {"200": 7.0}
    assert tally.seconds == pytest.approx(1.3)
