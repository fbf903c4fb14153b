"""`perftui cache purge`, `undo`: by pattern, by namespace or by tag, and back by the id that was printed."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from perftui.model.errors import ConfigError

if TYPE_CHECKING:
    from perftui.model.action import Action
    from perftui.session import Session

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add(parser: argparse.ArgumentParser) -> None:
    """What is purged, and how long it can be brought back."""
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", default="", help="glob, such as 'product:*'")
    parser.add_argument("--namespace", metavar="NAME", default="", help="entries of this cache")
    parser.add_argument(
        "--tag",
        metavar="TAG",
        action="append",
        default=[],
        help="those with this tag (with --namespace)",
    )
    parser.add_argument("--keep", metavar="TIME", default="1h", help="how long undo is possible, default 1h")
    parser.add_argument("--delete", action="store_true", help="delete at once; cannot be undone")
    parser.add_argument("--resume", metavar="ID", default="", help="go on under the id of a purge cut short")


async def action(session: Session, source: str, args: argparse.Namespace) -> Action:
    """The purge that was typed.

    Raises:
        ConfigError: nothing says what to purge, or a tag lacks its namespace.
    """
    keep = 0.0 if args.delete else seconds(args.keep)
    if args.tag:
        if not args.namespace or args.pattern or args.resume:
            raise ConfigError("--tag takes --namespace NAME, and neither PATTERN nor --resume")
        return session.action(
            "cache.purge-tag", source, namespace=args.namespace, tags=tuple(args.tag), keep=keep
        )
    if not (args.pattern or args.namespace):
        raise ConfigError(
            "say what to purge: PATTERN, --namespace NAME or both, or --tag TAG beside --namespace"
        )
    pattern = os.fsencode(args.pattern)
    return session.action(
        "cache.purge", source, pattern=pattern, namespace=args.namespace, keep=keep, quarantine=args.resume
    )


async def back(session: Session, source: str, args: argparse.Namespace) -> Action:
    """What brings back what was purged under an id: keys from quarantine, else the tokens of tags."""
    if source in session.sources("TagKeeper") and args.id.isalnum():
        frame = await session.probe("cache.cli", source, "TagKeeper", lambda power: power.note_kept(args.id))
        if isinstance(frame.report, bytes) and frame.report and not frame.error:
            return session.action("cache.restore-tag", source, id_=args.id)
    return session.action("cache.restore", source, quarantine=args.id, replace=args.replace)


def seconds(text: str) -> float:
    """`90s`, `15m`, `1h`, `2d` in seconds; ConfigError for anything else or less than a second."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in UNITS else (text, "s")
    try:
        value = float(number) * UNITS[unit]
    except ValueError:
        value = 0.0
    if not 1 <= value <= 30 * 86400:
        raise ConfigError(f"--keep takes a time such as 90s, 15m, 1h or 2d, at most 30d; not {text!r}")
    return value
