"""`perftui monitor business`: the declared figures now, a minute where they are counted."""

from __future__ import annotations

import argparse

from perftui.cli import common
from perftui.model.business import TOPIC, BusinessReport, MetricView

HELP = "print the business's figures, a minute where they are counted"
PATIENCE = 45.0  # seconds until growth can be told of every figure: two reads, and a scrape between them


def add(parser: argparse.ArgumentParser) -> None:
    """The options."""
    common.options(parser)


def run(args: argparse.Namespace) -> int:
    """Print; 1 when a figure could not be read."""
    return common.go(_print(args))


async def _print(args: argparse.Namespace) -> int:
    config = common.configuration(args)
    if not config.business:
        common.narrate('no figure is declared: [business.orders] source = "shop", read = "orders_total"')
        return common.NO
    only = {figure.source for figure in config.business.values()} & set(config.environment.backends)
    async with common.headless_session(args, only=only) as session:
        for source in only:
            session.retry(source)
        frame = await common.first_frame(session, TOPIC, PATIENCE, lambda frame: _complete(frame.report))
    report = common.report_of(frame, BusinessReport)
    if args.json:
        common.say(report)
    else:
        common.print_lines(line for view in report.metrics for line in _lines(view))
    return common.NO if any(view.error for view in report.metrics) else common.DONE


def _complete(report: object) -> bool:
    return isinstance(report, BusinessReport) and all(v.parts or v.error for v in report.metrics)


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.4g}"


def _lines(view: MetricView) -> list[str]:
    per = f" {view.metric.unit}".rstrip() + ("/min" if view.metric.counted else "")
    if view.error:
        return [f"{view.metric.title}: {view.error}"]
    goal = f", target {view.metric.target:g}" if view.metric.target is not None else ""
    week = f", last week {_number(view.week)}" if view.week is not None else ""
    if view.value is not None:
        head = f"{view.metric.title}: {_number(view.value)}{per}{goal}{week}"
    else:
        head = f"{view.metric.title}:{per} not added up over {view.metric.by}"
    rows = (f"  {name}: {_number(value)}{per}{_reach(view, name)}" for name, value in view.parts[:20] if name)
    return [head, *rows, *([f"  {view.unknown}"] if view.unknown else [])]


def _reach(view: MetricView, part: str) -> str:
    users, share = view.adoption(part)
    if users is None:
        return ""
    return f", {_number(users)} users" + (f" ({share:.1%} of the active)" if share is not None else "")
