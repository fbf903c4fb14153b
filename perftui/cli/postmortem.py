"""`timeline --md`: a range of time as a document to finish by hand, its charts beside it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perftui.cli import common, when

if TYPE_CHECKING:
    from perftui.config import Config
    from perftui.model.event import Event


def run(args: argparse.Namespace, window: tuple[float, float], wanted: Callable[[Event], bool]) -> int:
    """Print or write it."""
    return common.go(_write(common.configuration(args), args, window, wanted))


async def _write(
    config: Config, args: argparse.Namespace, window: tuple[float, float], wanted: Callable[[Event], bool]
) -> int:
    from perftui.export.gather import gather
    from perftui.export.postmortem import charts_beside, lines

    async with when.stored(config) as past:
        told = await gather(past, config, *window)
    story = replace(told, events=tuple(filter(wanted, told.events)))
    charts = charts_beside(story, Path(args.out)) if args.out else {}
    if args.out:
        from perftui.config.paths import write_private

        write_private(Path(args.out), "\n".join(lines(story, charts)) + "\n")
        common.narrate(f"wrote {args.out} and {len(charts)} charts")
    else:
        common.print_lines(lines(story, charts))
    if not story.events:
        common.narrate("nothing was written down for that time")
    return common.DONE
