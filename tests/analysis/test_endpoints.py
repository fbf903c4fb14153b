"""The same endpoint on several instances is one row: sums exact, quantiles from added buckets, never a mean."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.apdex import apdex
from perftui.analysis.endpoints import EndpointRow, classes, merged, together
from perftui.analysis.quantile import Histogram
from perftui.model.endpoint import ApiReading, ApiView, Endpoint

BOUNDS = (0.01, 0.1, 1.0, math.inf)
COUNTS = st.tuples(*[st.integers(0, 50)] * 4).filter(any)


def endpoint(counts, window=10.0, failed=0, service="shop", route="/a"):
    total = sum(counts)
    cumulative = tuple(float(sum(counts[: i + 1])) for i in range(len(counts)))
    whole = Histogram(BOUNDS, cumulative)
    return Endpoint(
        service, route, "GET", total / window, failed / total if total else 0.0,
        p50_s=whole.quantile(0.5), p95_s=whole.quantile(0.95), p99_s=whole.quantile(0.99), apdex=apdex(whole),
        source_of_quantiles="histogram, 4 buckets", statuses=(("200", total / window),),
        buckets=tuple(zip(BOUNDS, map(float, counts), strict=True)),
    )  # fmt: skip


def row(counts, source="one", **more):
    return EndpointRow(endpoint(counts, **more), (source,), 10.0)


@given(COUNTS, COUNTS)
def test_two_instances_are_as_one_that_served_everything(a, b):
    both = endpoint([x + y for x, y in zip(a, b, strict=True)])
    found = together(row(a), row(b, "two"))
    assert found.sources == ("one", "two")
    assert found.endpoint.rate == pytest.approx(both.rate)
    for name in ("p50_s", "p95_s", "p99_s", "apdex"):
        assert getattr(found.endpoint, name) == pytest.approx(getattr(both, name)), name
    assert [n for _, n in found.endpoint.buckets] == pytest.approx([n for _, n in both.buckets])


def test_shares_weigh_by_requests():
    found = together(row((90, 0, 0, 0)), row((10, 0, 0, 0), "two", failed=10)).endpoint
    assert found.error_ratio == pytest.approx(0.1)


def test_without_buckets_of_everyone_there_is_no_quantile():
    import dataclasses

    bare = dataclasses.replace(endpoint((5, 5, 0, 0)), buckets=())
    found = together(row((9, 1, 0, 0)), EndpointRow(bare, ("two",), 10.0)).endpoint
    assert (found.p50_s, found.p95_s, found.p99_s, found.apdex) == (None, None, None, None)


def test_rows_are_told_apart_by_service_method_and_route():
    def view(source, *endpoints):
        total = endpoint((1, 0, 0, 0))
        return ApiView(source, 0.0, ApiReading("shop", 10.0, total, endpoints, 0, 0, None))

    a, b = endpoint((50, 0, 0, 0)), endpoint((1, 0, 0, 0), route="/b")
    other = endpoint((2, 0, 0, 0), service="blog")
    rows = merged([view("one", a, b), view("two", a), view("three", other)])
    assert [(r.key, r.sources) for r in rows] == [
        (("shop", "GET", "/a"), ("one", "two")),
        (("blog", "GET", "/a"), ("three",)),
        (("shop", "GET", "/b"), ("one",)),
    ]


def test_statuses_have_classes():
    assert classes((("200", 1.0), ("204", 2.0), ("503", 1.0), ("", 4.0))) == {
        "2xx": 3.0,
        "5xx": 1.0,
        "?": 4.0,
    }
