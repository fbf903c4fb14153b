"""`timeline --md`: a range of time as a document to finish by hand, its charts beside it."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perftui.cli import common, when

if TYPE_CHECKING:
    from perftui.config import Config
    from perftui.export.story import Story
    from perftui.model.event import Event


def run(args: argparse.Namespace, since: float, wanted: Callable[[Event], bool]) -> int:
    """Print or write it."""
    return common.go(_write(common.configuration(args), args, since, wanted))


async def _write(
    config: Config, args: argparse.Namespace, since: float, wanted: Callable[[Event], bool]
) -> int:
    from perftui.cli.story import gather
    from perftui.export.postmortem import lines

    async with when.stored(config) as past:
        told = await gather(past, config, since, time.time())
    story = replace(told, events=tuple(filter(wanted, told.events)))
    charts = _charts(story, Path(args.out)) if args.out else {}
    if args.out:
        from perftui.config.paths import write_private

        write_private(Path(args.out), "\n".join(lines(story, charts)) + "\n")
        common.narrate(f"wrote {args.out} and {len(charts)} charts")
    else:
        common.print_lines(lines(story, charts))
    if not story.events:
        common.narrate("nothing was written down for that time")
    return common.DONE


def _charts(story: Story, beside: Path) -> dict[str, str]:
    """Title of each chart to its file's name."""
    from perftui.analysis.buckets import Window
    from perftui.config.paths import write_private
    from perftui.export.chartsvg import chart_svg

    files: dict[str, str] = {}
    for curve in (curve for chapter in story.chapters for curve in chapter.curves):
        name = f"{beside.stem}-{len(files) + 1:02}-{re.sub(r'[^a-z0-9]+', '-', curve.title.lower())[:40]}.svg"
        write_private(beside.with_name(name), chart_svg(curve, Window(story.start, story.end)))
        files[curve.title] = name
    return files
