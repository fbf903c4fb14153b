"""The console itself, and the flags that say how it starts."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perftui.cli import common


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


def appearance(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say how pictures look."""
    parser.add_argument(
        "--theme", metavar="NAME", help="dark, light, high-contrast, colour-blind, mono, terminal"
    )
    parser.add_argument("--mono", dest="theme", action="store_const", const="mono", help="no colours at all")
    parser.add_argument("--ascii", action="store_true", default=None, help="ASCII only")


def run(args: argparse.Namespace) -> int:
    """Open the console and stay until the operator leaves."""
    flags = {name: getattr(args, name) for name in ("theme", "ascii", "mouse", "diff", "read_only")}
    return open_console(args.config, args.env, screen=args.screen, flags=flags)


def open_console(
    config_path: Path | str | None,
    env: str | None = None,
    *,
    screen: str | None = None,
    flags: Mapping[str, Any] | None = None,
) -> int:
    """Open the console on a configuration and return its exit code; ConfigError before anything is drawn."""
    from perftui.app import PerftuiApp
    from perftui.config import load

    config = load(config_path, env, flags)
    app = PerftuiApp(config, screen=screen)
    app.run()
    return app.return_code or 0
