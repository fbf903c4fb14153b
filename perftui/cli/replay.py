"""The console on recordings: the same screens, no system behind them, no socket."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from perftui.cli import common
from perftui.cli import run as console
from perftui.model.errors import ConfigError

if TYPE_CHECKING:
    from perftui.app import PerftuiApp
    from perftui.config import Config
    from perftui.replay import Replay


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "file", nargs="+", metavar="FILE", help="recordings; each is an environment of its own"
    )
    parser.add_argument("--config", metavar="FILE", help="configuration file to use (keys, theme, time zone)")
    parser.add_argument(
        "--at", metavar="T", help="instant to begin at: 14:02, 20m (before its end), ISO 8601"
    )
    parser.add_argument("--speed", type=float, choices=(1, 10, 60), default=1, help="how fast it plays")
    parser.add_argument("--loop", action="store_true", help="begin again at the end")
    parser.add_argument("--screen", metavar="SCREEN[.TAB]", help="screen or tab to start on")
    console.appearance(parser)


def run(args: argparse.Namespace) -> int:
    """Open the console on the recordings and stay until the operator leaves."""
    config = common.configuration(args)
    files = [Path(name) for name in args.file]
    how = {"speed": args.speed, "loop": args.loop, "playing": args.at is None}
    app = replaying(config, files, args.screen or "", how=how, at=args.at)
    app.run(mouse=config.ui.mouse)
    return app.return_code or 0


def replaying(
    config: Config,
    files: Sequence[Path],
    screen: str = "",
    colours: int | None = None,
    *,
    how: dict[str, float | bool] | None = None,
    at: str | None = None,
) -> PerftuiApp:
    """The console on recordings, not yet running; the first file is in front."""
    from perftui.replay import of_file

    opened = [of_file(config, path, how or {}) for path in files]
    for replay in opened:
        go_to(replay, at)
        if replay.note_of_file:
            common.narrate(replay.note_of_file)
    named = {_name(replay, place): replay for place, replay in enumerate(opened)}
    return on_session(console.console(config, screen, colours), opened[0], named)


def _name(replay: Replay, place: int) -> str:
    return replay.env.name if not place else f"{replay.env.name} {place + 1}"


def on_session(app: PerftuiApp, replay: Replay, named: dict[str, Replay] | None = None) -> PerftuiApp:
    """Let an application that is not running yet stand on a replay."""
    names = named or {replay.env.name: replay}
    app.session_factory = lambda name: names[name]
    app.session = replay
    app.options = dataclasses.replace(
        app.options, env=replay.env.name, environments=tuple(names), reload=None
    )
    return app


def go_to(replay: Replay, text: str | None) -> None:
    """Let a replay stand at a typed instant; ConfigError when it is none."""
    from perftui.analysis.instant import instant
    from perftui.draw.format import zone

    if text is None:
        return
    try:
        at = instant(text, replay.clock.latest(), zone(replay.config.ui.timezone))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    replay.clock.travel(at)
