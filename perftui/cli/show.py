"""What a tab shows, as data: the same frames the console draws from."""

from __future__ import annotations

import argparse
import io
import sys
from typing import TYPE_CHECKING

from perftui.cli import common, stage

if TYPE_CHECKING:
    from perftui.app import PerftuiApp
    from perftui.config import Config
    from perftui.screens.tab import Tab


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("tab", nargs="?", metavar="SCREEN.TAB", help="the tab; a screen alone is its first")
    parser.add_argument("--list", action="store_true", help="print the names of all tabs")
    common.options(parser, json_=False)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="reports, health and findings as JSON")
    form.add_argument("--text", action="store_true", help="the picture's cells (what is done anyway)")
    form.add_argument("--csv", action="store_true", help="the tab's table, else its series")
    stage.options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the tab; 3 when none of its systems can be reached."""
    if args.list:
        return _list()
    if not args.tab:
        common.narrate("which tab? `perftui show --list` prints them")
        return common.USAGE
    name = stage.known(args.tab)
    config = common.configuration(args)
    return common.go(_show(config, name, args))


def _list() -> int:
    from perftui.screens.live import all_tabs

    print("\n".join(all_tabs()))
    return common.DONE


async def _show(config: Config, name: str, args: argparse.Namespace) -> int:
    async with stage.staged(config, name, args) as app:
        tab = await stage.settled(app, args)
        text = _json(app, name) if args.json else _csv(app, tab) if args.csv else f"{app.text()}\n"
        links, unreachable = stage.links(app), stage.absent(app)
    # Inside the block Textual holds the standard streams.
    sys.stdout.write(text)
    return stage.told(links, unreachable)


def _json(app: PerftuiApp, name: str) -> str:
    from perftui.export import json

    env, frames = app.session.env, dict(app.base.frames)
    head = {"tab": name, "environment": env.name, "kind": env.kind, "at": app.session.clock.now().at}
    return json.dumps({**head, "frames": frames}) + "\n"


def _csv(app: PerftuiApp, tab: Tab | None) -> str:
    from perftui.export import csv

    out = io.StringIO(newline="")
    table = tab.export_rows() if tab is not None else None
    if table is not None:
        csv.table(out, *table)
        return out.getvalue()
    history = app.session.history
    sources = {source for frame in app.base.frames.values() for source in frame.health}
    keys = [key for source in sorted(sources) for key in history.keys(source)]
    csv.long(out, (history.series(key, 0.0, app.session.clock.now().at) for key in keys))
    return out.getvalue()
