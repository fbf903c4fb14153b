"""An endpoint that several backends tell of: one row, and pictures of all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.analysis.endpoints import EndpointRow
from perftui.model.endpoint import Endpoint
from perftui.model.frame import Frame
from perftui.model.reading import Measure, Reading
from perftui.runtime.rings import Rings
from perftui.screens.overview import endpoints

NOW = 1_000_000.0
ROW = EndpointRow(Endpoint("shop", "/a", "GET", 150.0, 0.0), ("one", "two"), 10.0)


@pytest.fixture
def frame() -> Frame:
    rings = Rings()
    for place, late in enumerate((0.0, 1.5)):
        for n in range(60):
            at = NOW - 120 + 2 * n - late
            row = replace(ROW, sources=(ROW.sources[place],))
            told = [("requests_per_s", 100.0 - 50 * place), ("p95_s", 0.1 + place)]
            measures = tuple(Measure(endpoints.series_key(row, name), value, "1") for name, value in told)
            rings.record(Reading(ROW.sources[place], at, 0.0, measures, None))
    return Frame("resources", NOW, None, {}, history=rings, seen=NOW)


def test_requests_of_all_backends_add(frame: Frame) -> None:
    whole = endpoints.summed(frame, ROW, "requests_per_s", 900.0)
    assert {round(sample.value) for sample in list(whole)[1:]} == {150}
    alone = endpoints.summed(frame, replace(ROW, sources=("two",)), "requests_per_s", 900.0)
    assert {sample.value for sample in alone} == {50.0}


def test_one_that_has_ended_counts_no_longer(frame: Frame) -> None:
    row = replace(ROW, sources=("one", "gone"))
    assert {s.value for s in endpoints.summed(frame, row, "requests_per_s", 900.0)} == {100.0}


def test_each_backend_has_a_line_and_one_alone_its_quantiles(frame: Frame) -> None:
    names = ("p50_s", "p95_s", "p99_s")
    assert [line.name for line in endpoints.lines(frame, ROW, names, 900.0)] == ["one", "two"]
    assert [line.value[-1] for line in endpoints.lines(frame, ROW, names, 900.0)] == [0.1, 1.1]
    alone = replace(ROW, sources=("one",))
    assert [line.name for line in endpoints.lines(frame, alone, names, 900.0)] == ["p50", "p95", "p99"]


def test_the_evidence_says_who_counted_and_not_how() -> None:
    assert "from what one, two counted over 10 s" in endpoints.evidence(ROW)
