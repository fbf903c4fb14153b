"""`perftui cache purge`, `undo`: by pattern, by namespace or by tag, and back by the id that was printed."""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import TYPE_CHECKING

from perftui.model.errors import ConfigError

if TYPE_CHECKING:
    from perftui.model.action import Action
    from perftui.model.auditlog import AuditEntry
    from perftui.session import Session

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SIZES = {"K": 10, "M": 20, "G": 30, "T": 40}
KEEP = "1h"
LOOK_BACK = 20_000  # lines of the audit in which an id is looked for


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
    parser.add_argument(
        "--keep", metavar="TIME", default="", help=f"how long undo is possible, default {KEEP}"
    )
    parser.add_argument("--delete", action="store_true", help="delete at once; cannot be undone")
    parser.add_argument(
        "--quarantine",
        metavar="FILE",
        default="",
        help="save values and TTLs in this new file, then delete: undo is possible as long as it is kept",
    )
    parser.add_argument(
        "--quarantine-cap",
        metavar="SIZE",
        default="",
        help="such as 500M: what the file may take (cache.quarantine_bytes); at it the purge stops",
    )
    parser.add_argument(
        "--rate", metavar="N", type=float, default=0.0, help="keys a second at most (as fast as is gentle)"
    )
    parser.add_argument(
        "--pause-over",
        metavar="TIME",
        default="20ms",
        help="pause while a probe's p99 is so much above what it was before (20ms); 0: no pauses",
    )
    parser.add_argument("--resume", metavar="ID", default="", help="go on under the id of a purge cut short")


def add_undo(parser: argparse.ArgumentParser) -> None:
    """Which purge is taken back, and from where."""
    parser.add_argument("id", metavar="ID", nargs="?", default="", help="the id that the purge printed")
    parser.add_argument(
        "--quarantine",
        metavar="FILE",
        default="",
        help="from this file, where this login's audit does not know of it",
    )
    parser.add_argument(
        "--replace", action="store_true", help="over keys that were written since: they are lost"
    )
    parser.add_argument(
        "--damaged", action="store_true", help="of a damaged file what comes before the damage"
    )


async def action(session: Session, source: str, args: argparse.Namespace) -> Action:
    """The purge that was typed.

    Raises:
        ConfigError: nothing says what to purge, a tag lacks its namespace, or options do not go together.
    """
    if args.quarantine and (args.delete or args.keep):
        raise ConfigError("--quarantine FILE takes neither --keep nor --delete: the file is kept by you")
    if args.quarantine_cap and not args.quarantine:
        raise ConfigError("--quarantine-cap takes --quarantine FILE")
    keep = 0.0 if args.delete else seconds(args.keep or KEEP)
    pace = {"rate": args.rate, "pause_over": _short(args.pause_over)}
    if args.tag:
        if args.rate:
            raise ConfigError("--tag takes no --rate: no key is touched")
        if not args.namespace or args.pattern or args.resume:
            raise ConfigError("--tag takes --namespace NAME, and neither PATTERN nor --resume")
        tags, file = tuple(args.tag), args.quarantine
        return session.action(
            "cache.purge-tag", source, namespace=args.namespace, tags=tags, keep=keep, file=file
        )
    if not (args.pattern or args.namespace):
        raise ConfigError(
            "say what to purge: PATTERN, --namespace NAME or both, or --tag TAG beside --namespace"
        )
    pattern, what = os.fsencode(args.pattern), {"namespace": args.namespace, "quarantine": args.resume}
    if args.quarantine:
        cap = size(args.quarantine_cap) if args.quarantine_cap else session.setting("cache.quarantine_bytes")
        how = {"file": args.quarantine, "cap": cap, **pace}
        return session.action("cache.purge-file", source, pattern=pattern, **what, **how)
    return session.action("cache.purge", source, pattern=pattern, **what, **pace, keep=keep)


async def back(session: Session, source: str, args: argparse.Namespace) -> Action:
    """What brings back what was purged: from a file, named or as the audit has it, or from the server.

    Raises:
        ConfigError: neither an id nor a file, or the purge was of another environment.
    """
    how = {"replace": args.replace, "damaged": args.damaged, "elsewhere": bool(args.source)}
    if args.quarantine:
        return session.action("cache.restore-file", source, file=args.quarantine, quarantine=args.id, **how)
    if not args.id:
        raise ConfigError("say which purge: the ID that it printed, or --quarantine FILE")
    saved = await _saved(session, args.id)
    if saved is not None:
        if saved.env != session.env.name:
            raise ConfigError(f"purge {args.id} was in environment {saved.env}: name it with --env")
        return session.action(
            "cache.restore-file", source, file=str(saved.params["file"]), quarantine=args.id, **how
        )
    if source in session.sources("TagKeeper") and args.id.isalnum():
        frame = await session.probe("cache.cli", source, "TagKeeper", lambda power: power.note_kept(args.id))
        if isinstance(frame.report, bytes) and frame.report and not frame.error:
            return session.action("cache.restore-tag", source, id_=args.id)
    return session.action("cache.restore", source, quarantine=args.id, replace=args.replace)


async def _saved(session: Session, id_: str) -> AuditEntry | None:
    """The audit's newest line of a purge into a file under this id."""
    audit = session.conductor.audit
    found = await asyncio.to_thread(audit.entries, LOOK_BACK, 0.0, "cache.purge")
    ours = (entry for entry in found if entry.params.get("quarantine") == id_ and entry.params.get("file"))
    return next(ours, None)


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


def _short(text: str) -> float:
    """`20ms`, `1.5s` or `0` in seconds; ConfigError for anything else."""
    number, scale = (text[:-2], 1000) if text.endswith("ms") else (text.removesuffix("s"), 1)
    try:
        value = float(number) / scale
    except ValueError:
        value = -1.0
    if not 0 <= value <= 60:
        raise ConfigError(f"--pause-over takes a time such as 20ms or 1s, or 0; not {text!r}")
    return value


def size(text: str) -> int:
    """`500M`, `2G`, `1.5GiB`, or bytes, as bytes; ConfigError for anything else or less than one."""
    number = text.upper().removesuffix("B").removesuffix("I")
    power = SIZES.get(number[-1:], 0)
    try:
        value = float(number[:-1] if power else number) * (1 << power)
    except ValueError:
        value = 0.0
    if not 1 <= value < 1 << 60:
        raise ConfigError(f"--quarantine-cap takes a size such as 500M, 2G or bytes; not {text!r}")
    return int(value)
