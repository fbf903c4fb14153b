"""What perftui itself costs against what it may cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.frame import SeriesReader
from perftui.model.price import SOURCE, Budget, PriceReport, SourceCost
from perftui.model.reading import Look

ID = "console.over-budget"
CROWDED = "console.series-crowded"
FULL = 0.8  # of the series that are remembered
CROWD = 400  # series of one metric
SETTLED = 30.0  # seconds measured before anything is concluded: a start costs more than what follows


class PriceEngine:
    """Given a measured report by whoever has the clock; concludes what is over budget."""

    stem: ClassVar[str] = "price"
    kinds: ClassVar[tuple[str, ...]] = ()

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.measured: PriceReport | None = None

    def observe(self, now: float, looks: Mapping[str, Look], _history: SeriesReader) -> PriceReport | None:
        """The newest measurement."""
        del now, looks
        return self.measured

    def findings(self, report: PriceReport) -> Sequence[Finding]:
        """One for each budget that is exceeded, and for metrics that fill the history with series."""
        return (*self._found(report), *_crowded(report)) if report.window >= SETTLED else ()

    def actions(self, report: PriceReport) -> Sequence[Offer]:
        """None: what to look at less, only the operator knows."""
        return ()

    def _found(self, report: PriceReport) -> Iterator[Finding]:
        b, window = self.budget, f"over {report.window:.0f} s"
        if 0 < b.cpu_ratio < report.cpu_ratio:
            said = f"{report.cpu_ratio:.1%} of a core {window}, budget {b.cpu_ratio:.1%}"
            yield _over("cpu", "perftui itself uses much CPU", said)
        if 0 < b.rss_bytes < report.rss_bytes:
            said = f"{report.rss_bytes / 1e6:.0f} MB resident, budget {b.rss_bytes / 1e6:.0f} MB"
            yield _over("memory", "perftui itself uses much memory", said)
        sent = report.terminal_bytes_per_s
        if sent is not None and 0 < b.terminal_bytes_per_s < sent:
            said = f"{sent:,.0f} B/s to the terminal {window}, budget {b.terminal_bytes_per_s:,.0f} B/s"
            yield _over("terminal", "perftui sends much to its terminal", said)
        if 0 < b.loop_lag_s < report.loop_lag_s:
            said = f"something due waited {report.loop_lag_s:.2f} s, budget {b.loop_lag_s:.2f} s"
            yield _over("lag", "perftui itself is held up", said)
        for one in report.sources:
            if 0 < b.wait_ratio < one.wait_ratio:
                yield _asked_much(one, b.wait_ratio)


def _over(what: str, title: str, evidence: str) -> Finding:
    return Finding(ID, Severity.INFO, SOURCE, title, (evidence,), labels=(("what", what),))


def _crowded(report: PriceReport) -> Iterator[Finding]:
    """A label with ids in it makes a series of each: there is no room for others beside them."""
    full = report.series >= FULL * report.most_series > 0
    shown = report.crowds if full else [one for one in report.crowds if one.series >= CROWD]
    for one in shown[: 1 if full else None]:
        by = f"label {one.label} has {one.values:,} values" if one.values > 1 else "no label tells them apart"
        known = f"{report.series:,} series are told at a time, {report.most_series:,} remembered"
        yield Finding(
            CROWDED,
            Severity.WARNING,
            one.source,
            f"{one.name} of {one.source} takes {one.series:,} series",
            (
                by,
                known,
                "what comes beyond has no chart and no rule: leave the label out, or keep less of the metric",
            ),
            effort=Effort.MINUTES,
            labels=(("metric", one.name),),
        )


def _asked_much(one: SourceCost, budget: float) -> Finding:
    return Finding(
        ID,
        Severity.WARNING,
        one.name,
        f"perftui itself keeps {one.name} busy",
        (
            f"{one.wait_ratio:.2f} s of answering a second, budget {budget:.2f}",
            f"{one.reads_per_s:.2f} reads/s",
        ),
        gain=one.wait_ratio - budget,
        gain_unit="s/s",
        effort=Effort.MINUTES,
        labels=(("what", "asking"),),
    )
