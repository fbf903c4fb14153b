"""The text format scanner against the reference client, and against broken input."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from perftui.analysis.promtext import Scanner

LABEL = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)


def reference(text):
    return {
        (s.name, tuple(sorted(s.labels.items())), s.value)
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def ours(text, scanner=None):
    scrape = (scanner or Scanner()).scan(text)
    return {
        (name, tuple(sorted(labels)), value)
        for name, rows in scrape.samples.items()
        for labels, value in rows
    }


@given(st.lists(st.tuples(LABEL, LABEL, st.floats(allow_nan=False)), max_size=8))
def test_it_reads_what_the_reference_client_writes(rows):
    registry = CollectorRegistry()
    gauge = Gauge("g", "a \\ gauge\nof things", ["a", "b"], registry=registry)
    for a, b, value in rows:
        gauge.labels(a, b).set(value)
    text = generate_latest(registry).decode()
    scanner = Scanner()
    assert ours(text, scanner) == reference(text)
    assert ours(text, scanner) == reference(text)


def test_histograms_counters_and_types():
    registry = CollectorRegistry()
    seconds = Histogram("http_request_duration_seconds", "d", ["route"], registry=registry)
    seconds.labels("/a b").observe(0.2)
    Counter("http_requests", "n", ["code"], registry=registry).labels("200").inc(3)
    text = generate_latest(registry).decode()
    scrape = Scanner().scan(text)
    assert ours(text) == reference(text)
    assert scrape.types["http_request_duration_seconds"] == "histogram"
    buckets = dict(scrape.samples["http_request_duration_seconds_bucket"])
    assert buckets[(("le", "+Inf"), ("route", "/a b"))] == 1.0


def test_openmetrics_with_exemplars_and_end_of_file():
    registry = CollectorRegistry()
    seconds = Histogram("d_seconds", "d", registry=registry)
    seconds.observe(0.3, {"trace_id": "abc} "})
    text = openmetrics(registry).decode()
    assert "# {" in text
    assert dict(Scanner().scan(text).samples["d_seconds_count"]) == {(): 1.0}
    assert len(Scanner().scan(text).samples["d_seconds_bucket"]) == 15


@pytest.mark.parametrize(
    ("line", "labels", "value"),
    [
        ("m 3", (), 3.0),
        ("m  +Inf 1712345678901", (), math.inf),
        ("m{} 1e3", (), 1000.0),
        ('m{a="x} y",} 2', (("a", "x} y"),), 2.0),
        ('m{a="# {",b="\\\\\\"\\n"} 2', (("a", "# {"), ("b", '\\"\n')), 2.0),
        ('m{a="1"}4', (("a", "1"),), 4.0),
        ("  m 5\r", (), 5.0),
    ],
)
def test_forms_a_server_may_send(line, labels, value):
    assert Scanner().scan(f"# HELP m x\n\n{line}\n").samples["m"] == [(labels, value)]


@pytest.mark.parametrize("line", ["m", "m abc", 'm{a="x" 3', "m{a=x} 3", 'm{="x"} 3', "m{a"])
def test_a_broken_line_is_named(line):
    with pytest.raises(ValueError, match="line 2"):
        Scanner().scan(f"ok 1\n{line}\n")


def test_too_many_samples_are_refused():
    with pytest.raises(ValueError, match="more than 3 samples"):
        Scanner().scan("m 1\n" * 5, max_samples=3)


@given(st.text(max_size=60))
def test_no_text_does_more_than_refuse(text):
    with contextlib.suppress(ValueError):
        Scanner().scan(text)
