"""Counters into rates and deltas, without a server: resets, evictions, windows, lag, errors."""

from __future__ import annotations

import pytest

from perftui.backends.postgres import questions
from perftui.backends.postgres.counters import LagDiary, Rates
from perftui.backends.postgres.statements import Row, StatementBook, between
from perftui.backends.postgres.trouble import told
from perftui.model.errors import BackendError


def row(calls: int, total: float, since: float | None = None, query: int = 1) -> Row:
    return Row(query, 1, 1, calls, total, total / calls, 0.0, 1.0, calls, 0, 0, 0, 0, since)


def test_a_statement_that_went_back_counts_from_zero() -> None:
    delta = between(row(10, 100.0), row(3, 30.0))
    assert delta is not None
    assert (delta.part.n, delta.total_s) == (3, pytest.approx(0.03))
    evicted = between(row(10, 100.0, since=1.0), row(12, 120.0, since=2.0))
    assert evicted is not None
    assert evicted.part.n == 12
    assert between(row(10, 100.0), row(10, 100.0)) is None


def test_an_entry_left_out_by_the_limit_is_not_new() -> None:
    book = StatementBook(limit=1)
    book.look(0.0, [row(5, 50.0)])
    assert book.look(2.0, [row(6, 60.0, query=2)]).minute == []
    assert book.look(4.0, [row(3, 30.0, since=3.0, query=3)]).latest[0].part.n == 3
    grown = StatementBook(limit=1)
    grown.look(0.0, [row(5, 50.0)])
    assert grown.look(2.0, [row(900, 9000.0, query=2)]).minute[0].part.n == 900
    whole = StatementBook(limit=10)
    whole.look(0.0, [row(5, 50.0)])
    assert whole.look(2.0, [row(5, 50.0), row(9, 90.0, query=2)]).minute[0].part.n == 9


def test_the_window_is_about_a_minute() -> None:
    book = StatementBook(limit=10)
    for second in range(0, 300, 2):
        windows = book.look(float(second), [row(second + 1, second + 1.0)])
    assert 55 <= windows.seconds <= 67
    assert windows.since == 2
    assert windows.latest[0].part.n == 2


def test_rates_skip_counters_that_went_back() -> None:
    rates = Rates()
    rates.look(0, {"a": 10, "b": 10})
    rates.look(2, {"a": 4, "b": 30, "c": None})
    assert rates.per_second("a") is None
    assert rates.per_second("b") == 10
    assert rates.ratio("a", "b") is None


def test_lag_is_told_by_when_the_position_was_current() -> None:
    diary = LagDiary()
    assert diary.behind(0, 5, None) is None
    for second in range(10):
        diary.note(second, 1000 * (100 + second))
    assert diary.behind(9, 109_000, 3.0) == 0
    assert diary.behind(9, 104_000, 0.2) == 4
    assert diary.behind(9, 108_000, 2.0) == 2.0
    assert diary.behind(9, 108_992, None) == 0  # eight bytes are no lag
    diary.note(10, 1)  # another timeline
    assert diary.behind(10, 1, None) == 0


def test_every_sql_file_is_read_only_and_marked() -> None:
    for path in questions.FOLDER.glob("*.sql"):
        text = path.read_text()
        assert text.lstrip().startswith(("select", "with")), path
        assert ";" not in text, path
    assert questions.ours(questions.batch(("totals",), 180000, {}))
    assert questions.text("statements", 150018) != questions.text("statements", 180006)


def test_only_errors_of_the_house() -> None:
    for error in (ConnectionResetError(104, "reset"), EOFError(), ValueError("x"), TimeoutError()):
        with pytest.raises(BackendError), told("PostgreSQL"):
            raise error
