"""Runs rules over history: loads what they need, evaluates off the loop, one rule after the other."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from perftui.analysis.alertexpr import LOOKBACK as LOOKBACK_OURS
from perftui.analysis.backtest import by_instant, compared, judged
from perftui.analysis.promql import Plan, Shelf, evaluate_range, parse
from perftui.analysis.promrules import Group, recorded
from perftui.analysis.ruleexport import expression
from perftui.model.alerts import Labels, Rule
from perftui.model.backtest import Backtest
from perftui.model.errors import PerftuiError
from perftui.model.metrics import (
    GENERATION_2,
    GENERATION_3,
    LOOKBACK,
    STALE,
    Dialect,
    Matrix,
    MetricReader,
    Window,
)
from perftui.runtime.history import History
from perftui.runtime.localseries import LocalSeries

STEP: Final = 15.0  # seconds between two evaluations of a rule of ours
PIECE: Final = 1000  # instants evaluated at a time; who gives up waits for no more than these


class How(NamedTuple):
    """How far back an expression looks, and whether the left end of a range is inside."""

    lookback: float
    dialect: Dialect


OURS: Final = How(LOOKBACK_OURS, GENERATION_3)  # `over` leaves its left end out, as generation 3 does


class Backtester:
    """Rules over one environment's history; those of files in the dialect that the ruler reads them in."""

    def __init__(self, history: History, kinds: Mapping[str, str], dialect: Dialect = GENERATION_2) -> None:
        self._theirs = How(LOOKBACK, dialect)
        self._history = history
        self._kinds = kinds

    async def own(self, rules: Sequence[Rule], start: float, end: float) -> AsyncIterator[Backtest]:
        """Rules of ours, by the expression that means the same."""
        local = LocalSeries(self._kinds, history=self._history)
        for rule in rules:
            text = expression(rule, self._kinds)
            yield await self._judge(rule, text, local, (start, end, STEP), OURS)

    async def groups(
        self, groups: Sequence[Group], start: float, end: float, only: str = ""
    ) -> AsyncIterator[Backtest]:
        """Alerts of groups; what their recording rules give is there for those that come after."""
        written = Shelf(most=10_000_000)
        local = LocalSeries(self._kinds, history=self._history, written=written)
        for group in groups:
            first = group.due(start) + (0.0 if group.due(start) == start else group.interval)
            span = (first, max(first, group.due(end)), group.interval)
            for rule in group.rules:
                if rule.record:
                    await self._record(rule, local, written, span)
                elif only in ("", rule.name, rule.title):
                    yield await self._judge(rule, rule.expr, local, span, self._theirs)

    async def _record(
        self, rule: Rule, local: LocalSeries, written: Shelf, span: tuple[float, float, float]
    ) -> None:
        try:
            matrix = await self._measure(parse(rule.expr), local, span, self._theirs)
        except PerftuiError:  # the alerts that need it find nothing, and say so
            return
        await asyncio.to_thread(_write, rule, matrix, written, span)

    async def _judge(
        self, rule: Rule, text: str, local: LocalSeries, span: tuple[float, float, float], how: How
    ) -> Backtest:
        began = time.perf_counter()
        start, end, every = span
        try:
            plan = parse(text)
            simple = compared(plan)
            if simple is not None:
                plan, op, threshold = simple
                rule = replace(rule, op=op, threshold=threshold)
            matrix = await self._measure(plan, local, span, how)
            rows = by_instant(matrix, start, end, every)
            made = await asyncio.to_thread(judged, rule, rows, every, None, loose=simple is not None)
        except PerftuiError as error:
            made = Backtest(rule, start, end, every, error=str(error))
        return replace(made, took_s=time.perf_counter() - began)

    async def _measure(
        self, plan: Plan, local: LocalSeries, span: tuple[float, float, float], how: How
    ) -> Matrix:
        """A plan over the span, in pieces that stay below what one evaluation may have."""
        reader = await local.reader(plan, span[0], span[1])
        given_up = threading.Event()  # a thread cannot be cancelled
        try:
            return await asyncio.to_thread(_pieces, plan, reader, span, how, given_up)
        finally:
            given_up.set()


def _pieces(
    plan: Plan, reader: MetricReader, span: tuple[float, float, float], how: How, given_up: threading.Event
) -> Matrix:
    start, end, every = span
    rows: dict[Labels, tuple[list[float], list[float]]] = {}
    count = math.floor((end - start) / every + 1e-9) + 1
    for number in range(0, count, PIECE):
        if given_up.is_set():
            return ()
        last = min(number + PIECE, count) - 1
        for window in evaluate_range(
            plan, reader, start + number * every, start + last * every, every, how.dialect, how.lookback
        ):
            times, values = rows.setdefault(window.labels, ([], []))
            times += window.at
            values += window.values
    return tuple(Window(labels, times, values) for labels, (times, values) in rows.items())


def _write(rule: Rule, matrix: Matrix, written: Shelf, span: tuple[float, float, float]) -> None:
    """Put a recording rule's results on the shelf, each series ended where it was not there."""
    before: frozenset[Labels] = frozenset()
    for at, row in by_instant(matrix, *span):
        try:
            now = dict(recorded(rule, row))
        except ValueError:
            continue
        for labels, value in now.items():
            written.append(labels, at, value)
        for labels in before - now.keys():
            written.append(labels, at, STALE)
        before = frozenset(now)
