"""The agent: the console's session without a face, run by a supervisor or in a terminal of its own."""

from __future__ import annotations

import argparse

from perftui.cli import common


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser, json_=False)
    parser.add_argument(
        "--metrics", metavar="HOST:PORT", help="where to serve /metrics, /health and /events; off: nowhere"
    )
    parser.add_argument("--read-only", action="store_true", default=None, help="refuse every change")


def run(args: argparse.Namespace) -> int:
    """Watch, remember and evaluate until SIGTERM (0) or SIGINT (130); SIGHUP reads the configuration."""
    config = common.configuration(args)
    from perftui.agent import Agent, begin_log

    begin_log()

    async def work() -> int:
        return await Agent(config, args.metrics).run()

    return common.go(work())
