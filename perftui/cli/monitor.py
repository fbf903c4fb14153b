"""Monitoring from a shell: one verb a module, imported when it is typed."""

from __future__ import annotations

import argparse
import importlib

from perftui.cli import common

VERBS = {
    "top": "perftui.cli.monitor_top",
    "self": "perftui.cli.monitor_self",
    "hosts": "perftui.cli.monitor_hosts",
    "process": "perftui.cli.monitor_process",
    "renice": "perftui.cli.monitor_renice",
    "signal": "perftui.cli.monitor_signal",
    "query": "perftui.cli.monitor_query",
    "metrics": "perftui.cli.monitor_metrics",
    "business": "perftui.cli.monitor_business",
    "endpoints": "perftui.cli.monitor_endpoints",
    "queues": "perftui.cli.monitor_queues",
    "put": "perftui.cli.monitor_put",
    "anomaly": "perftui.cli.monitor_anomaly",
}
"""Verb → module with `HELP`, `add(parser)` and `run(args) -> int`."""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    verbs = common.verbs(parser)
    for verb, place in VERBS.items():
        module = importlib.import_module(place)
        module.add(verbs.add_parser(verb, help=module.HELP))


def run(args: argparse.Namespace) -> int:
    """Do the verb."""
    code: int = importlib.import_module(VERBS[args.verb]).run(args)
    return code
