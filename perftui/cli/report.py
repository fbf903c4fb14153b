"""A range of time as a document for people who were not there."""

from __future__ import annotations

import argparse
from pathlib import Path

from perftui.cli import common, when
from perftui.config import Config
from perftui.export.gather import SCREENS, gather


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser, json_=False)
    parser.add_argument("--pdf", metavar="FILE", required=True, help="the file to write (0600)")
    when.options(parser)
    parser.add_argument(
        "--screens",
        metavar="A,B",
        default=",".join(SCREENS),
        help=f"layers of these screens: {', '.join(SCREENS)}",
    )
    parser.add_argument("--paper", choices=("a4", "letter"), default="a4", help="size of a page")


def run(args: argparse.Namespace) -> int:
    """Write it; 1 when nothing was ever stored."""
    screens = [name.strip() for name in args.screens.split(",") if name.strip()]
    unknown = [name for name in screens if name not in SCREENS]
    if unknown:
        common.narrate(f"no layer of a screen {', '.join(unknown)}; there are {', '.join(SCREENS)}")
        return common.USAGE
    return common.go(_report(common.configuration(args), args, screens))


async def _report(config: Config, args: argparse.Namespace, screens: list[str]) -> int:
    from perftui.export.pdf import write
    from perftui.export.sheet import canvas_class

    canvas_class()  # says at once what is missing
    async with when.stored(config) as past:
        story = await gather(past, config, args.start, args.end, screens)
    if past is None:
        common.narrate("nothing was stored: a console or agent keeps history while it runs")
        return common.NO
    path = Path(args.pdf).expanduser()
    made_private(path)
    write(str(path), story, args.paper)
    common.narrate(f"wrote {path}: {len(story.chapters)} layers, {len(story.events)} events")
    return common.DONE


def made_private(path: Path) -> None:
    """Make the file before anything is in it, so that it is never open to others."""
    from perftui.config.paths import private_file

    try:
        with private_file(path):
            pass
    except OSError as error:
        from perftui.model.errors import ConfigError

        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
