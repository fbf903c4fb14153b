"""`export grafana`: links that carry the window, and dashboards and annotations pushed to a server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from perftui.cli import common, when
from perftui.model.dashboards import HOST
from perftui.model.errors import ConfigError

if TYPE_CHECKING:
    from perftui.config import Config
    from perftui.session import Session


def add(grafana: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(grafana, change=True)
    when.options(grafana)
    what = grafana.add_mutually_exclusive_group()
    what.add_argument("--link", action="store_true", help="print the links of the screens over the range")
    what.add_argument(
        "--push", action="store_true", help="write our dashboards, and the range's events as annotations"
    )
    grafana.add_argument("--screen", metavar="SCREEN.TAB", help="only this screen or tab (links)")
    grafana.add_argument("--series", metavar="NAME", default="", help="the link of this series")
    grafana.add_argument("--source", metavar="NAME", default="", help="the backend the link is about")


def run(args: argparse.Namespace) -> int:
    """Print the dashboards' JSON, or links with `--link`, or write with `--push`."""
    from perftui.export.grafana import dashboards

    config = common.configuration(args)
    if args.push:
        return common.go(_push(config, args))
    if args.link:
        return _links(config, args)
    common.say(dashboards(config.grafana))
    return common.DONE


def _links(config: Config, args: argparse.Namespace) -> int:
    from perftui.export.gather import SCREENS
    from perftui.export.grafana import link

    _address(config)
    views = [args.screen] if args.screen else list(SCREENS)
    found = {
        view: link(
            config.grafana,
            view,
            (args.start, args.end),
            env=config.environment.name,
            source=args.source,
            series=args.series,
        )
        for view in views
    }
    if args.json:
        common.say(found)
    elif sys.stdout.isatty():
        from perftui.draw.clean import inert

        for view, url in found.items():
            shown = inert(url, 2000)
            print(f"{inert(view, 60):<14} \x1b]8;;{shown}\x1b\\{shown}\x1b]8;;\x1b\\")
    else:
        common.print_lines(f"{view:<14} {url}" for view, url in found.items())
    return common.DONE


def _address(config: Config) -> str:
    if not config.grafana.url:
        raise ConfigError('no Grafana is configured: add [grafana] url = "https://…"')
    return config.grafana.url


async def _push(config: Config, args: argparse.Namespace) -> int:
    from perftui.export.grafana import annotation, dashboards

    _address(config)
    async with when.stored(config) as past:
        events = await past.events(args.start, args.end) if past else ()
    news = [e for e in events if e.source != HOST]  # that we wrote to it before is no news there
    what = {
        "dashboards": dashboards(config.grafana),
        "annotations": [annotation(event, config.environment.name) for event in news],
    }
    async with hosted(config) as session:
        return await common.perform(session, session.action("grafana.push", HOST, **what), args)


@asynccontextmanager
async def hosted(config: Config) -> AsyncIterator[Session]:
    """A session that reads no backend and has the server of dashboards; ConfigError without its token."""
    from perftui.config.secret import resolve
    from perftui.session import Session

    resolve(config.grafana.token, f"{config.where('grafana', 'token')}: grafana.token")
    session = Session.open(config, config.environment, only=set(), read_only=config.read_only)
    try:
        await session.start()
        yield session
    finally:
        await session.close()
