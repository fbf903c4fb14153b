"""The configuration from a shell: write a first one, check it, show what is in force."""

from __future__ import annotations

import argparse
from pathlib import Path

from perftui.cli import common


def add(parser: argparse.ArgumentParser) -> None:
    """Declare `init check show path schema`."""
    verbs = common.verbs(parser)
    init = verbs.add_parser("init", help="write a first configuration, everything in it explained")
    init.add_argument("--config", metavar="FILE", help="file to write")
    init.add_argument("--force", action="store_true", help="replace a file that exists")
    init.add_argument("--print", action="store_true", help="print it instead of writing it")
    common.options(verbs.add_parser("check", help="find every mistake"))
    common.options(verbs.add_parser("show", help="print what is in force, secrets left out"))
    path = verbs.add_parser("path", help="print which file is read")
    path.add_argument("--config", metavar="FILE", help="configuration file to use")
    verbs.add_parser("schema", help="print the JSON Schema of the file")


def run(args: argparse.Namespace) -> int:
    """Do the verb."""
    return {"init": _init, "check": _check, "show": _show, "path": _path, "schema": _schema}[args.verb](args)


def _file(args: argparse.Namespace) -> Path:
    from perftui.config import paths

    return Path(args.config).expanduser() if args.config else paths.config_file()


def _init(args: argparse.Namespace) -> int:
    from perftui.config import paths, starter

    text = starter.starter()
    if args.print:
        print(text, end="")
        return common.DONE
    file = _file(args)
    if file.exists() and not args.force:
        common.narrate(f"{file} exists; --force replaces it, `perftui config check` reads it")
        return common.REFUSED
    paths.write_private(file, text)
    print(file)
    for hint in starter.found():
        common.narrate(f"{hint.seen}: offered in the file as a comment, not used")
    return common.DONE


def _check(args: argparse.Namespace) -> int:
    config = common.configuration(args)
    if args.json:
        names = {env.name: sorted(env.backends) for env in config.environments.values()}
        common.say({"file": config.path, "ok": True, "warnings": config.warnings, "environments": names})
        return common.DONE
    count = sum(len(env.backends) for env in config.environments.values())
    where = config.path if config.exists else f"no {config.path}: defaults"
    print(
        f"ok: {where}; {len(config.environments)} environments, {count} backends; starts on {config.chosen}"
    )
    return common.DONE


def _show(args: argparse.Namespace) -> int:
    from perftui.config import effective

    config = common.configuration(args)
    if args.json:
        common.say(
            {
                "file": config.path,
                "environment": config.chosen,
                "read_only": config.read_only,
                "tables": dict(effective.tables(config)),
            }
        )
    else:
        print(effective.shown(config), end="")
    return common.DONE


def _path(args: argparse.Namespace) -> int:
    print(_file(args))
    return common.DONE


def _schema(_: argparse.Namespace) -> int:
    from perftui.config import describe

    common.say(describe.schema())
    return common.DONE
