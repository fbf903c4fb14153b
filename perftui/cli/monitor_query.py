"""`perftui monitor query`: PromQL at one instant or over a range, here or on a server."""

from __future__ import annotations

import argparse
import math
import re
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.model.errors import BackendError, ConfigError, ExpressionError
from perftui.model.metrics import (
    GENERATION_2,
    Answer,
    Flavour,
    check_points,
    fitting_step,
    shortest_step,
    show_labels,
)

if TYPE_CHECKING:
    from perftui.backends.prometheus import Prometheus
    from perftui.config import Config
    from perftui.model.alerts import Labels

HELP = "evaluate PromQL over our own history or on a server"
KIND = "prometheus"
MOST_LINES = 8  # of a chart
HEIGHT = 16
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?\Z")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("expr", metavar="EXPR", help="the expression; docs/metrics.md names our own series")
    parser.add_argument("--range", type=length, metavar="1h", help="over the last while instead of now")
    parser.add_argument("--step", type=length, metavar="15s", help="between two instants (default: fits)")
    parser.add_argument(
        "--server", metavar="NAME|URL", help="ask this server: a backend's name, or an address"
    )
    parser.add_argument("--chart", action="store_true", help="draw the range")
    common.options(parser)


def length(text: str) -> float:
    """`1h30m` in seconds; a bare number is seconds."""
    if text.replace(".", "", 1).isdigit():
        return float(text)
    found = _DURATION.match(text)
    if not text or not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time like 15s, 5m or 1h30m")
    return sum(float(n or 0) * u for n, u in zip(found.groups(), (604800, 86400, 3600, 60, 1), strict=True))


def run(args: argparse.Namespace) -> int:
    """Print what the expression comes to; 1 when it is nothing."""
    if args.chart and not args.range:
        raise ConfigError("a chart needs a range: --range 1h")
    if args.step and not args.range:
        raise ConfigError("a step needs a range: --range 1h")
    try:
        return common.go(_query(args))
    except ExpressionError as error:
        common.narrate(str(error))
        for line in error.caret.splitlines():
            common.narrate(f"  {line}")
        return common.USAGE


async def _query(args: argparse.Namespace) -> int:
    config, now = common.configuration(args), time.time()
    end = math.floor(now * 1000) / 1000
    step = args.step or (fitting_step(args.range, common.columns()) if args.range else 0.0)
    if args.range:
        step = await _allowed(args.range, step)
    ask = _ask_server if args.server else _ask_history
    answer, flavour = await ask(config, args, end, step)
    for warning in answer.warnings:
        common.narrate(f"warning: {warning}")
    _print(args, answer, flavour, (end, step))
    if not (answer.vector or answer.matrix or answer.text):
        _narrate_nothing(args)
        return common.NO
    return common.DONE


async def _allowed(seconds: float, step: float) -> float:
    """The step, or where that makes too many points the one that would do, if somebody takes it."""
    try:
        check_points(0.0, seconds, step)
    except ExpressionError as error:
        if step <= 0 or not common.on_terminal():
            raise
        common.narrate(f"{error}: enter takes it, anything else ends")
        if (await common.typed_line()) not in {"\n", "\r\n"}:
            raise
        return float(shortest_step(seconds))
    return step


def _narrate_nothing(args: argparse.Namespace) -> None:
    own = "in our own history; a console or an agent writes it, each minute"
    common.narrate(f"nothing matches {f'on {args.server}' if args.server else own}")


# where it is asked


async def _ask_history(
    config: Config, args: argparse.Namespace, end: float, step: float
) -> tuple[Answer, Flavour]:
    """Our own samples, as the consoles and agents of this environment wrote them."""
    from perftui.analysis.promql import evaluate_range, instant, parse
    from perftui.cli.alerts import desk
    from perftui.runtime.localseries import LocalSeries

    plan = parse(args.expr)
    kinds = config.environment.kinds
    span = (end - (args.range or 0.0), end)
    async with desk(args) as session:
        assert session.memory is not None
        await session.memory.history.ready()
        reader = await LocalSeries(kinds, history=session.memory.history).reader(plan, *span)
    flavour = Flavour("our own history", "", GENERATION_2)
    if args.range:
        return Answer("matrix", matrix=evaluate_range(plan, reader, *span, step)), flavour
    return instant(plan, reader, end), flavour


async def _ask_server(
    config: Config, args: argparse.Namespace, end: float, step: float
) -> tuple[Answer, Flavour]:
    server = server_of(config, args.server)
    try:
        await server.open()
        try:
            flavour = await server.flavour()
        except BackendError as error:  # the query itself may still be allowed
            flavour = Flavour("a server that does not tell its version", "")
            common.narrate(f"{error}")
        if args.range:
            return await server.range(args.expr, end - args.range, end, step), flavour
        return await server.instant(args.expr, end), flavour
    finally:
        await server.close()


def server_of(config: Config, named: str) -> Prometheus:
    """A server by the name of its backend or by its address, not opened; ConfigError: there is none."""
    from perftui.backends.prometheus import Prometheus
    from perftui.model.options import PrometheusOptions

    if "://" in named:
        return Prometheus("server", PrometheusOptions(url=named))
    entry = config.environment.backends.get(named)
    if entry is None or entry.kind != KIND:
        have = ", ".join(sorted(common.of_kinds(config.environment, (KIND,)))) or "none"
        raise ConfigError(f"{named!r} is neither an address nor a backend of kind {KIND}; there are: {have}")
    return Prometheus(named, entry.resolved())


# how it is told


def _print(args: argparse.Namespace, answer: Answer, flavour: Flavour, when: tuple[float, float]) -> None:
    if args.json:
        common.say(_json(answer, flavour, when))
    elif args.chart and answer.matrix:
        common.print_lines(_chart(answer, args, when[0]))
    else:
        common.print_lines(_lines(answer))


def _json(answer: Answer, flavour: Flavour, when: tuple[float, float]) -> dict[str, Any]:
    rows: Any = [{"labels": dict(p.labels), "value": _number(p.value)} for p in answer.vector]
    if answer.kind == "matrix":
        rows = [
            {
                "labels": dict(w.labels),
                "values": [[a, _number(v)] for a, v in zip(w.at, w.values, strict=True)],
            }
            for w in answer.matrix
        ]
    return {
        "kind": answer.kind,
        "at": when[0],
        **({"step": when[1]} if when[1] else {}),
        "server": " ".join(filter(None, (flavour.product, flavour.version))),
        "generation": flavour.dialect.generation,
        "exact": flavour.exact,
        "result": answer.text if answer.kind == "string" else rows,
    }


def _number(value: float) -> float | str:
    """JSON has no NaN and no infinities: they are words, as Prometheus writes them."""
    return value if math.isfinite(value) else _written(value)


def _written(value: float) -> str:
    from perftui.analysis.promql.aggregate import written

    return written(value)


def _lines(answer: Answer) -> Iterable[str]:
    if answer.kind == "string":
        yield answer.text
    for point in answer.vector:
        name = show_labels(point.labels)
        yield f"{name}  {_written(point.value)}" if name != "{}" else _written(point.value)
    for window in answer.matrix:
        yield show_labels(window.labels)
        for at, value in zip(window.at, window.values, strict=True):
            yield f"  {_clock(at)}  {_written(value)}"


def _clock(at: float) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def _chart(answer: Answer, args: argparse.Namespace, end: float) -> list[str]:
    from perftui.analysis.buckets import Window as Span
    from perftui.draw.chart import Line, chart
    from perftui.draw.rows import Look, Size, plain

    shared = _shared([window.labels for window in answer.matrix])
    lines = []
    for labels, times, values in answer.matrix[:MOST_LINES]:
        pairs = [(a, v) for a, v in zip(times, values, strict=True) if math.isfinite(v)]
        name = show_labels(tuple(pair for pair in labels if pair not in shared))
        lines.append(Line(name, [a for a, _ in pairs], [v for _, v in pairs]))
    if len(answer.matrix) > MOST_LINES:
        common.narrate(f"{len(answer.matrix)} series, the first {MOST_LINES} are drawn")
    span = Span(end - args.range, end)
    return plain(chart(lines, Size(common.columns(), HEIGHT), span, Look(colour=False)))


def _shared(sets: Sequence[Labels]) -> set[tuple[str, str]]:
    """Label pairs all series have: they tell none from another."""
    return set.intersection(*map(set, sets)) if len(sets) > 1 else set()
