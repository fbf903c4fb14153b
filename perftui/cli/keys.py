"""Every key from the registry, as the operator's own map makes it."""

from __future__ import annotations

import argparse
import dataclasses

from perftui.cli import common


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser)
    parser.add_argument("scope", nargs="?", default="", help="only this screen or screen.tab, or `global`")


def run(args: argparse.Namespace) -> int:
    """Print the effective map, one command a line; problems of `[keys]` are told and end with 2."""
    from perftui.screens.commands import every_command, keymap

    config = common.configuration(args)
    keys = keymap(config.keys, config.where("keys"))
    for problem in keys.problems:
        common.narrate(problem)
    commands = [keys.effective(c) for c in every_command() if _within(c.scope, args.scope)]
    if args.json:
        common.say([{**dataclasses.asdict(c), "keys": c.keys} for c in commands])
    else:
        for command in commands:
            shown = " ".join(command.keys)
            print(f"{command.scope:<24} {shown:<14} {command.id:<24} {command.title}: {command.help}")
    return common.USAGE if keys.problems else common.DONE


def _within(scope: str, wanted: str) -> bool:
    return not wanted or scope == wanted or scope.startswith(f"{wanted}.") or wanted.startswith(f"{scope}.")
