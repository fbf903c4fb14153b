"""A picture of a tab without a terminal, for documents, post-mortems and the tests."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from perftui.cli import common, stage

if TYPE_CHECKING:
    from perftui.config import Config


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("tab", metavar="SCREEN.TAB", help="the tab; a screen alone is its first")
    common.options(parser, json_=False)
    parser.add_argument("--svg", metavar="FILE", help="write an SVG; `-` prints it")
    parser.add_argument("--text", metavar="FILE", help="write the cells as text; `-` prints them")
    stage.options(parser)


def run(args: argparse.Namespace) -> int:
    """Draw it; without a file, both go into the export folder."""
    name = stage.known(args.tab)
    config = common.configuration(args)
    if not args.svg and not args.text:
        stem = _stem(config, name)
        args.svg, args.text = f"{stem}.svg", f"{stem}.txt"
    return common.go(_draw(config, name, args))


async def _draw(config: Config, name: str, args: argparse.Namespace) -> int:
    from perftui.screens.pictures import svg_of

    async with stage.staged(config, name, args) as app:
        await stage.settled(app, args)
        svg, text = svg_of(app, name), f"{app.text()}\n"
        links, unreachable = stage.links(app), stage.absent(app)
    # Inside the block Textual holds the standard streams.
    for where, made in ((args.svg, svg), (args.text, text)):
        if where:
            _put(where, made)
    return stage.told(links, unreachable)


def _stem(config: Config, name: str) -> Path:
    from perftui.screens.copying import picture_name

    return config.export_folder() / picture_name(config.chosen, name, dt.datetime.now(dt.UTC))


def _put(where: str, text: str) -> None:
    from perftui.config.paths import write_private

    if where == "-":
        sys.stdout.write(text)
        return
    write_private(Path(where), text)
    common.narrate(f"wrote {where}")
