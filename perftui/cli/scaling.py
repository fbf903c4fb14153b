"""`perftui scaling`: look at workloads and set how many instances run."""

from __future__ import annotations

import argparse

from perftui.cli import common
from perftui.model.autoscaling import AutoscalingReport

KINDS = ("processpool",)


def add(parser: argparse.ArgumentParser) -> None:
    """`status` and `set TARGET N`."""
    verbs = common.verbs(parser)
    status = verbs.add_parser("status", help="every workload: wanted, running and ready instances")
    common.options(status)
    change = verbs.add_parser("set", help="set how many instances a workload should have")
    change.add_argument("target", metavar="TARGET", help="name of the backend whose workload it is")
    change.add_argument("n", metavar="N", type=int, help="instances wanted")
    common.options(change, change=True)


def run(args: argparse.Namespace) -> int:
    """Do what was typed."""
    return common.go(_status(args) if args.verb == "status" else _set(args))


async def _status(args: argparse.Namespace) -> int:
    async with common.headless_session(args, kinds=KINDS) as session:
        frame = await common.first_frame(session, "autoscaling", 5.0)
        report = common.report_of(frame, AutoscalingReport)
        if args.json:
            common.say(report)
            return common.DONE
        for workload in report.workloads:
            scale = workload.scale
            print(
                f"{workload.source}: {scale.desired} wanted, {scale.running} running, {scale.ready} ready "
                f"(bounds {scale.minimum} to {scale.maximum})"
            )
        return common.DONE


async def _set(args: argparse.Namespace) -> int:
    async with common.headless_session(args, only={args.target}) as session:
        return await common.perform(session, session.action("scaling.set", args.target, n=args.n), args)
