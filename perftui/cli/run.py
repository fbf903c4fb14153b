"""The console itself, and the flags that say how it starts."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from perftui.cli import common
from perftui.model.errors import ConfigError

if TYPE_CHECKING:
    from perftui.app import PerftuiApp
    from perftui.config import Config, Environment
    from perftui.session import Session


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perftui run` (and of `perftui` alone)."""
    common.options(parser, json_=False)
    parser.add_argument("--screen", metavar="SCREEN[.TAB]", help="screen or tab to start on")
    appearance(parser)
    parser.add_argument("--no-mouse", dest="mouse", action="store_false", default=None, help="no mouse")
    parser.add_argument(
        "--no-diff",
        dest="diff",
        action="store_false",
        default=None,
        help="send whole regions, not changed cells",
    )
    parser.add_argument("--read-only", action="store_true", default=None, help="refuse every change")
    parser.add_argument(
        "--metrics",
        nargs="?",
        const="",
        metavar="HOST:PORT",
        help="serve /metrics while the console is open (default: where agent.metrics says)",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="no picture: say what changes as plain lines on stdout, for screen readers and logs",
    )


def appearance(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say how pictures look."""
    from perftui.config.settings import Theme

    themes = get_args(Theme)
    parser.add_argument("--theme", choices=themes, metavar="NAME", help=", ".join(themes))
    parser.add_argument("--mono", dest="theme", action="store_const", const="mono", help="no colours at all")
    parser.add_argument("--ascii", action="store_true", default=None, help="ASCII only")


def run(args: argparse.Namespace) -> int:
    """Open the console and stay until the operator leaves."""
    if args.plain:
        return _plain(args)
    return open_console(
        args.config, args.env, screen=args.screen or "", flags=common.flags(args), metrics=args.metrics
    )


def _plain(args: argparse.Namespace) -> int:
    """Say what changes, without a picture."""
    if args.screen:
        raise ConfigError("--plain tells of every screen: leave --screen out")
    config = common.configuration(args)
    from perftui.cli.plain import stream

    session = session_on(config, config.environment, remember=True, metrics=args.metrics)
    return common.go(stream(session, config.ui.timezone))


def open_console(
    config_path: Path | str | None,
    env: str | None = None,
    *,
    screen: str = "",
    flags: Mapping[str, Any] | None = None,
    metrics: str | None = None,
) -> int:
    """Open the console on a configuration and return its exit code; ConfigError before anything is drawn."""
    gc.disable()  # until all modules are in: half a hundred walks over what only grows
    config = common.loaded(config_path, env, flags)
    for warning in config.warnings:
        common.narrate(warning)
    if metrics is not None:
        from perftui.agent import try_address

        try_address(config, metrics)
    app = console(config, screen, remember=True, metrics=metrics)
    app.run(mouse=config.ui.mouse)
    return app.return_code or 0


def _keep_what_is_loaded() -> None:
    """Modules and classes stay for good: the collector need not walk them again."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def session_on(
    config: Config, environment: Environment, *, remember: bool = False, metrics: str | None = None
) -> Session:
    """A session not yet started; see `console`."""
    if metrics is not None:
        from perftui.agent import serving

        return serving(config, environment, metrics)
    from perftui.session import Session

    only_read = not remember
    return Session.open(config, environment, read_only=config.read_only, remember=remember, recall=only_read)


def console(
    config: Config,
    screen: str = "",
    colours: int | None = None,
    *,
    remember: bool = False,
    metrics: str | None = None,
) -> PerftuiApp:
    """The application on a configuration, not yet running; `colours` when no terminal can tell.

    With `remember` its session keeps history in the store, else it shows what others keep there; with
    `metrics` it serves them (empty: where the configuration says).
    """
    from perftui.app import Options, PerftuiApp

    now = [config]

    def session(name: str) -> Session:
        return session_on(now[0], now[0].environments[name], remember=remember, metrics=metrics)

    def reread() -> tuple[str, ...]:
        from perftui.config import reload
        from perftui.config.effective import changes

        new = reload(now[0])
        told = changes(now[0], new)
        now[0] = new
        return told

    options = Options(
        env=config.chosen,
        screen=screen or "overview",
        theme=config.ui.theme,
        mono=config.ui.theme == "mono",
        ascii_=config.ui.ascii,
        mouse=config.ui.mouse,
        diff=config.ui.diff,
        ring=config.ui.ring,
        tz=config.ui.timezone,
        keys=config.keys,
        environments=tuple(config.environments),
        export_dir=str(config.export_folder()),
        config_name=config.where("keys"),
        reload=reread,
        colours=colours,
        settled=_keep_what_is_loaded,
    )
    return PerftuiApp(session, options)
