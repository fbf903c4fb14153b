"""What perftui itself costs, as rows: for its dialog and for a shell."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.draw import format as fmt
from perftui.draw.clean import fit, inert
from perftui.draw.rows import Row, Rows, Span
from perftui.draw.text import line
from perftui.model.price import Budget, PriceReport, SourceCost

WAITING = "measured every 5 s: nothing yet"


def rows(report: PriceReport | None, budget: Budget, width: int) -> Rows:
    """Figures with their budgets, then a line a backend."""
    if report is None:
        return [line(width, Span(WAITING, "muted"))]
    made = [line(width, Span(f"over the last {report.window:.0f} s", "muted"))]
    made += [_figure(width, *one) for one in _figures(report, budget)]
    made.append(line(width))
    head = f"{'':<14} {'reads/s':>8} {'a read':>8} {'waiting':>8} {'in/s':>10} {'out/s':>10}"
    made.append(line(width, Span(head, "axis")))
    return [*made, *(_source(one, budget, width) for one in report.sources)]


def _figures(r: PriceReport, b: Budget) -> Iterator[tuple[str, str, str, bool]]:
    """Name, value, budget, and whether it is exceeded."""
    yield "CPU", f"{r.cpu_ratio:.1%} of a core", f"{b.cpu_ratio:.0%}", 0 < b.cpu_ratio < r.cpu_ratio
    yield "memory", fmt.bytes_(r.rss_bytes), fmt.bytes_(b.rss_bytes), 0 < b.rss_bytes < r.rss_bytes
    sent, most = r.terminal_bytes_per_s, b.terminal_bytes_per_s
    if sent is not None:
        yield "terminal", f"{fmt.bytes_(sent).strip()}/s", f"{fmt.bytes_(most).strip()}/s", 0 < most < sent
    lag = fmt.duration(r.loop_lag_s)
    yield "loop lag", lag, fmt.duration(b.loop_lag_s), 0 < b.loop_lag_s < r.loop_lag_s
    if r.most_series:
        yield "series", f"{r.series:,}", f"{r.most_series:,}", r.series > r.most_series


def _figure(width: int, name: str, value: str, budget: str, over: bool) -> Row:
    sign = "  over its budget" if over else ""
    limit = f"  of {budget.strip()}" if budget.strip() not in {"0%", "0 B", "0 B/s", "0 s"} else ""
    return line(
        width,
        Span(f"{name:<14} "),
        Span(value.strip(), "warn bold" if over else "bold"),
        Span(limit + sign, "muted"),
    )


def _source(one: SourceCost, budget: Budget, width: int) -> Row:
    over = 0 < budget.wait_ratio < one.wait_ratio
    cells = (
        f"{one.reads_per_s:>8.2f} {fmt.duration(one.mean_s).strip():>8} {one.wait_ratio:>8.1%} "
        f"{_rate(one.in_bytes_per_s):>10} {_rate(one.out_bytes_per_s):>10}"
    )
    return line(width, Span(fit(inert(one.name, 60), 14) + " "), Span(cells, "warn" if over else ""))


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{fmt.bytes_(value).strip()}"
