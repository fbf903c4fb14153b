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

from perftui.analysis.promtext import KEPT, LONGEST, MOST_SAMPLES, Samples, Scanner, Scrape, _once

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
        Scanner(3).scan("m 1\n" * 5)
    most = "".join(f"m{n} 1\n" for n in range(MOST_SAMPLES))
    assert Scanner().scan(most).count == MOST_SAMPLES == 50_000
    with pytest.raises(ValueError, match="more than 50000 samples"):
        Scanner().scan(most + "n 1\n")


@given(st.text(max_size=60))
def test_no_text_does_more_than_refuse(text):
    with contextlib.suppress(ValueError):
        Scanner().scan(text)


PIECES = (
    "m",
    "n",
    " ",
    " ",
    "{",
    "}",
    '="',
    '"',
    '"',
    ",",
    "a",
    "le",
    "\\",
    '\\"',
    "\n",
    "\n",
    "#",
    "\r",
    "1",
    "-2.5",
    "=",
)
SERIES = (
    'm{a="b"} 1\n',
    'm{a="c",le="1"} 2 17\n',
    "n 3\n",
    "# TYPE m gauge\n",
    'm{a="\\"}"} 4\n',
    ' m{ a="x",} 5\n',
)


def said(scanner, read):
    """What a text was found to say, or why it was refused."""
    found = Scrape(Samples(scanner.labels))
    try:
        found = read(found)
    except ValueError as error:
        return str(error)
    return dict(found.samples), found.types


@given(st.lists(st.sampled_from((*PIECES, *SERIES)), max_size=40).map("".join))
def test_cut_at_once_a_text_says_what_it_says_letter_by_letter(text):
    def by_letter(found):
        Scanner()._by_line(text, found)
        _once(found.samples)
        return found

    scanner = Scanner()
    scanner.scan("".join(SERIES))  # its heads and shapes are known
    assert said(scanner, lambda _: scanner.scan(text)) == said(Scanner(), by_letter)


@pytest.mark.parametrize("line", ['m{a="x"}"z 5', 'm{a="x","y"} 5', 'm{a="x"}"" 5', 'm{a="x" 5', 'm{"x"} 5'])
def test_what_only_looks_like_a_known_head_is_refused(line):
    scanner = Scanner()
    scanner.scan('m{a="x"} 5\n')
    with pytest.raises(ValueError, match="line 1"):
        scanner.scan(line)


def test_equal_labels_stay_one_object_with_and_without_an_instant():
    scanner = Scanner()
    first = scanner.scan('m{a="b"} 1\nm{a="\\n"} 1\n').samples["m"]
    again = scanner.scan('m{a="b"} 2 1712345678901\nm{a="\\n"} 3 1712345678901\n').samples["m"]
    assert [labels for labels, _ in first] == [(("a", "b"),), (("a", "\n"),)]
    assert all(one[0] is two[0] for one, two in zip(first, again, strict=True))
    assert [value for _, value in again] == [2.0, 3.0]


def test_labels_are_spelled_out_for_metrics_that_are_asked_for():
    scanner = Scanner()
    found = scanner.scan('m{a="b"} 1\nn{a="b"} 2\n')
    assert "n" in found.samples
    assert (len(found.samples), scanner._labels) == (2, {})
    assert found.samples["n"] == [((("a", "b"),), 2.0)]
    assert list(scanner._labels) == ['n{a="b"}']


def test_a_head_longer_than_is_kept_is_read_anew():
    scanner, value = Scanner(), "x" * (KEPT + 1)
    found = scanner.scan(f'm{{a="{value}"}} 1\nm{{a="y"}} 2\n')
    assert found.samples["m"] == [((("a", value),), 1.0), ((("a", "y"),), 2.0)]
    assert all(len(head) < KEPT for head in (*scanner._names, *scanner._labels))


@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize("over", [0, 1, LONGEST, 5 * LONGEST])
def test_a_line_longer_than_the_bound_is_passed_over_and_counted(over, end):
    value = "x" * (LONGEST - len('m{a=""} 1') + over)
    found = Scanner().scan(f'n 1\n# {"y" * 2 * LONGEST}\nm{{a="{value}"}} 1\nm 2\nm{{a="{value}"}} 3{end}')
    assert dict(found.samples["n"]) == {(): 1.0}
    assert found.damaged == (2 if over else 0)
    assert len(found.samples["m"]) == (1 if over else 2)
    assert found.count == (2 if over else 3)


def test_what_cannot_be_read_behind_a_long_line_is_told_by_its_own_number():
    with pytest.raises(ValueError, match="line 3 "):
        Scanner().scan(f"n 1\nm{'x' * LONGEST} 1\nnothing\n")


def test_samples_told_again_are_counted_and_the_first_is_taken():
    found = Scanner().scan('m{a="b"} 1\nm{a="c"} 2\nm{a="b"} 3\nm{a="b"} 4\nn 1\n')
    assert found.samples["m"] == [((("a", "b"),), 1.0), ((("a", "c"),), 2.0)]
    assert (found.count, found.duplicates) == (3, 2)
    assert Scanner().scan("m 1\nn 1\n").duplicates == 0
