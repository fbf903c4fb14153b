"""Staleness, look-back, range ends, counter edges and refusals, without any server."""

import math
import struct

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.promql import Shelf, evaluate, evaluate_range, instant, parse, sums
from perftui.analysis.promql.machine import METHODS, Machine
from perftui.model.errors import ExpressionError
from perftui.model.metrics import GENERATION_2, GENERATION_3, STALE, Point, is_stale, labels_of
from tests.analysis.promql.recorded import expressions

UP = labels_of("up", job="web")


def shelf(*samples, labels=UP):
    kept = Shelf()
    for at, value in samples:
        kept.append(labels, at, value)
    return kept


def value(text, kept, at, dialect=GENERATION_2):
    found = evaluate(parse(text, dialect), kept, at, dialect)
    assert len(found) <= 1
    return found[0].value if found else None


def test_look_back_is_five_minutes_and_its_end_belongs_to_generation_2_alone():
    kept = shelf((1000.0, 7.0))
    assert value("up", kept, 1300.0) == 7.0
    assert value("up", kept, 1300.001) is None
    assert value("up", kept, 1299.999, GENERATION_3) == 7.0
    assert value("up", kept, 1300.0, GENERATION_3) is None
    assert value("up", kept, 999.999) is None


def test_a_stale_marker_ends_a_series_at_once_and_nan_does_not():
    kept = shelf((1000.0, 7.0), (1015.0, STALE))
    assert value("up", kept, 1014.0) == 7.0
    assert value("up", kept, 1015.0) is None
    assert value("count_over_time(up[1m])", kept, 1015.0) == 1.0
    assert math.isnan(value("up", shelf((1000.0, math.nan)), 1001.0))
    assert is_stale(STALE)
    assert not is_stale(math.nan)


def test_the_left_end_of_a_range():
    kept = shelf(*((1000.0 + 15 * step, step) for step in range(5)))
    assert value("count_over_time(up[1m])", kept, 1060.0) == 5.0
    assert value("count_over_time(up[1m])", kept, 1060.0, GENERATION_3) == 4.0
    assert value("count_over_time(up[1m:15s])", kept, 1080.0) == 5.0
    assert value("count_over_time(up[1m:15s])", kept, 1080.0, GENERATION_3) == 4.0


def test_a_rate_needs_two_samples_adds_resets_and_never_starts_below_zero():
    assert value("rate(up[1m])", shelf((1000.0, 1.0)), 1000.0) is None
    fell = shelf((1000.0, 10.0), (1015.0, 20.0), (1030.0, 5.0), (1045.0, 10.0))
    assert value("increase(up[45s])", fell, 1045.0) == 20.0
    young = shelf((1030.0, 1.0), (1045.0, 4.0), (1060.0, 7.0))
    # the line meets zero 5 s before the first sample: no further back than that
    assert value("increase(up[1m])", young, 1060.0) == pytest.approx(6 * 35 / 30)
    assert value("delta(up[40s])", young, 1060.0) == pytest.approx(6 * 40 / 30)


def test_labels_that_become_the_same_are_an_error():
    kept = Shelf()
    for name in ("a", "b"):
        kept.append(labels_of(name, job="web"), 1000.0, 1.0)
    with pytest.raises(ExpressionError, match="same labelset"):
        evaluate(parse('-{job="web"}'), kept, 1000.0)
    with pytest.raises(ExpressionError, match="many-to-many"):
        evaluate(parse('{job="web"} + on (job) {job="web"}'), kept, 1000.0)


def test_division_by_zero_follows_ieee():
    kept = shelf((1000.0, 0.0))
    assert math.isnan(value("up / 0", kept, 1000.0))
    assert value("1 / up", kept, 1000.0) == math.inf
    assert value("-1 / up", kept, 1000.0) == -math.inf
    assert math.isnan(value("up % 0", kept, 1000.0))


def test_a_scalar_is_one_element_for_a_rule_and_a_range_is_none():
    assert evaluate(parse("time() + 1"), Shelf(), 1000.5) == (Point((), 1001.5),)
    with pytest.raises(ExpressionError, match="gives a matrix"):
        evaluate(parse("up[5m]"), Shelf(), 1000.0)
    assert instant(parse('"text"'), Shelf(), 0.0).text == "text"
    (window,) = instant(parse("up[1m]"), shelf((1000.0, 1.0)), 1010.0).matrix
    assert (list(window.at), list(window.values)) == ([1000.0], [1.0])


def test_double_exponential_smoothing_has_both_names():
    kept = shelf(*((1000.0 + 15 * step, step * step) for step in range(5)))
    both = {
        value(f"{n}(up[1m], 0.3, 0.4)", kept, 1060.0)
        for n in ("holt_winters", "double_exponential_smoothing")
    }
    assert len(both) == 1
    with pytest.raises(ExpressionError, match="0 < sf < 1"):
        value("holt_winters(up[1m], 1, 0.4)", kept, 1060.0)


def test_a_range_asks_for_no_more_points_than_a_server_and_says_the_step_that_would_do():
    with pytest.raises(ExpressionError, match=r"a step of 3142s would do"):
        evaluate_range(parse("up"), Shelf(), 0.0, 400 * 86_400.0, 1.0)
    with pytest.raises(ExpressionError, match="longer than 0"):
        evaluate_range(parse("up"), Shelf(), 0.0, 1.0, 0.0)


def test_generation_3_reads_numbers_as_durations_and_quoted_names():
    assert value('{"up", "job"="web"}', shelf((1000.0, 3.0)), 1000.0, GENERATION_3) == 3.0
    assert value("sum_over_time(up[60])", shelf((1000.0, 3.0)), 1000.0, GENERATION_3) == 3.0
    assert value("5m + 1", Shelf(), 0.0, GENERATION_3) == 301.0
    with pytest.raises(ExpressionError):
        parse("up[60]")


def test_every_function_that_is_known_can_be_called():
    assert {name for name in METHODS if not hasattr(Machine, f"_{name}")} <= {"time", "pi", "scalar"}


def test_an_error_points():
    with pytest.raises(ExpressionError) as found:
        parse("sum(\n  rate(up)\n)")
    assert str(found.value).startswith("2:8: parse error: expected type range vector")
    assert found.value.caret == "  rate(up)\n       ^"
    with pytest.raises(
        ExpressionError, match=r'1:5: parse error: unknown function with name "histogram_sum"'
    ):
        parse("1 + histogram_sum(up)")


@pytest.mark.parametrize("text", ["(" * 5000 + "1", "-" * 5000 + "1", "1" + "+1" * 20_000, "a" * 70_000])
def test_monstrous_expressions_are_refused_in_a_sentence(text):
    with pytest.raises(ExpressionError):
        parse(text)


@pytest.mark.parametrize("pattern", ["(", r"(a)\1", "(?=a)", "a*+", "(?>a)", r"\p{L}", "x" * 1001])
def test_patterns_that_are_not_re2_are_refused(pattern):
    with pytest.raises(ExpressionError):
        parse(f"up{{job=~`{pattern}`}}")


def test_a_shelf_is_bounded_and_forgets():
    kept = Shelf(most=10)
    for step in range(100):
        kept.append(UP, float(step), 1.0)
    assert not kept.append(UP, 50.0, 1.0)
    (window,) = kept.select((), 0.0, 100.0)
    assert 10 <= len(window.at) <= 12
    kept.expire(1000.0)
    assert list(kept.select((), 0.0, 2000.0)) == []


def reads(read, text):
    try:
        read(text)
    except ValueError:
        return False
    except ExpressionError:
        return False
    return True


def test_another_parser_reads_what_we_read():
    texts = [text.replace("holt_winters", "double_exponential_smoothing") for text in expressions(9, 200)]
    ours = [reads(parse, text) for text in texts]
    assert ours == [reads(promql_parser.parse, text) for text in texts]
    assert ours.count(True) > 150


NUMBERS = st.lists(
    st.one_of(
        st.floats(-1e3, 1e3),
        st.floats(allow_nan=True, allow_infinity=True),
        st.sampled_from([0.0, -0.0, 1e16, 1.0, -1e16, 5e-324, 1.7e308, -1.7e308, math.inf, math.nan]),
    ),
    min_size=1,
    max_size=40,
)


def same(a, b):
    return struct.pack("d", a) == struct.pack("d", b) or (math.isnan(a) and math.isnan(b))


@given(NUMBERS)
def test_the_short_way_adds_to_the_same_digits_as_the_long_one(values):
    total = lost = 0.0
    for value in values:
        total, lost = sums.kahan(value, total, lost)
    long = total if math.isinf(total) else total + lost
    assert same(sums.added(values), long)
    assert same(sums.mean_running(values), sums._mean_running(values))
    low, high = values[0], values[0]
    for value in values:
        low = value if value < low or math.isnan(low) else low
        high = value if value > high or math.isnan(high) else high
    assert same(sums.smallest(values), low)
    assert same(sums.largest(values), high)


@given(NUMBERS, st.integers(1, 60_000), st.integers(-3_600_000, 3_600_000))
def test_moments_are_the_same_by_both_ways(values, every, origin):
    at = [every * place for place in range(len(values))]
    short, long = sums._moments(at, values, origin), sums._moments_at_length(at, values, origin)
    if math.isfinite(sum(short)):
        assert all(map(same, short, long))
