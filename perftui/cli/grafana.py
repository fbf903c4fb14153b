"""`export grafana`: links that carry the window, and dashboards and annotations pushed to a server."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from perftui.cli import common, when
from perftui.model.errors import ConfigError

if TYPE_CHECKING:
    from perftui.config import Config


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
    from perftui.backends.grafana import Grafana
    from perftui.config.secret import resolve
    from perftui.engines.grafana.push import Push
    from perftui.export.grafana import annotation, dashboards
    from perftui.session import Session

    settings = config.grafana
    async with when.stored(config) as past:
        events = await past.events(args.start, args.end) if past else ()
    token = resolve(settings.token, f"{config.where('grafana', 'token')}: grafana.token")
    server = Grafana(_address(config), token, settings.folder)
    session = Session.open(config, config.environment, only=set(), read_only=config.read_only)
    try:
        action = Push(
            server,
            server.url,
            dashboards=dashboards(settings),
            annotations=[
                annotation(event, config.environment.name)
                for event in events
                if event.source != server.url  # that we wrote to it before is no news there
            ],
        )
        return await common.perform(session, action, args)
    finally:
        await server.close()
        await session.close()
