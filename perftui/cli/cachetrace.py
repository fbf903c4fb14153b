"""`perftui cache trace`: record which keys a cache is asked for, and what each policy would hit with them."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from perftui.cli import common
from perftui.cli.when import seconds
from perftui.model.errors import BackendError, ConfigError

if TYPE_CHECKING:
    from perftui.analysis.accesstrace import AccessTrace, TraceWriter
    from perftui.analysis.policies import Rehearsed
    from perftui.model.accesses import AccessBurst

COMMANDS, LONGEST = 5000, 2.0  # of one look
SIZES = "1%,2%,5%,10%,20%,50%"
MOST_SIZES = 16

Look = Callable[[int, float], Awaitable["AccessBurst"]]


def add(parser: argparse.ArgumentParser, source: Callable[..., None]) -> None:
    """`record`, `replay`; `source` adds the options of what asks a server."""
    steps = parser.add_subparsers(dest="step", metavar="record|replay", required=True)
    record = steps.add_parser("record", help="hashed keys, sizes and times of reads, from looks at MONITOR")
    record.add_argument("file", metavar="FILE", type=Path, help="the file to write; it must not exist")
    record.add_argument("--looks", metavar="N", type=int, default=20, help="how many (20)")
    record.add_argument(
        "--length", metavar="TIME", type=seconds, default=0.5, help="of each, 2s at most (0.5s)"
    )
    record.add_argument("--pause", metavar="TIME", type=seconds, default=2.0, help="between two (2s)")
    record.add_argument("--prefix", metavar="TEXT", default="", help="only keys that begin so")
    record.add_argument("--dry-run", action="store_true", help="tell what it costs and look at nothing")
    source(record)
    replay = steps.add_parser("replay", help="what S3-FIFO, LRU, LFU, 2Q, ARC and the optimum would have hit")
    replay.add_argument("file", metavar="FILE", type=Path, help="what `record` wrote")
    replay.add_argument(
        "--sizes", metavar="LIST", type=sizes, default=SIZES, help=f"entries, or %% of the keys ({SIZES})"
    )
    replay.add_argument("--bytes", action="store_true", help="weigh hits by their bytes")
    replay.add_argument("--json", action="store_true", help="print JSON")


def sizes(text: str) -> tuple[tuple[float, bool], ...]:
    """`5%,1000` as figures, and whether each is a share (0-1) of the keys."""
    found = []
    for word in text.replace("%%", "%").split(","):
        share = word.strip().endswith("%")
        try:
            value = float(word.strip().rstrip("%")) / (100 if share else 1)
        except ValueError:
            value = 0.0
        if not 0 < value <= (1 if share else 1e9):
            raise argparse.ArgumentTypeError(f"{text!r} is no list of sizes such as 1%,10%,5000")
        found.append((value, share))
    if len(found) > MOST_SIZES:
        raise argparse.ArgumentTypeError(f"at most {MOST_SIZES} sizes")
    return tuple(found)


# recording


def check(args: argparse.Namespace) -> None:
    """Refuse what would look at a server without end, or write over a file; say the cost.

    Raises:
        ConfigError: figures out of their bounds, or the file exists.
    """
    from perftui.draw import format as fmt

    if not (1 <= args.looks <= 1000 and 0.01 <= args.length <= LONGEST and 0 <= args.pause <= 3600):
        raise ConfigError("--looks takes 1 to 1000, --length 0.01s to 2s, --pause up to 1h")
    if args.file.exists():
        raise ConfigError(f"{args.file} exists: name another file")
    within = args.looks * args.length
    whole = within + (args.looks - 1) * args.pause
    looks = fmt.many(args.looks, "look")
    common.narrate(
        f"{looks} at the command stream (MONITOR) of {args.length:g} s or {COMMANDS:,} commands: for "
        f"up to {within:g} of {whole:g} s each command costs the server 65 to 85 % more CPU\n"
        "what happens between two looks is not seen: sizes needed come out smaller than they are"
    )


async def record(look: Look, args: argparse.Namespace) -> int:
    """Look as often as told; 1 when nothing was read, 5 when the server was lost midway.

    What was seen is kept, also when it is interrupted.
    """
    from perftui.analysis.accesstrace import TraceWriter
    from perftui.draw import format as fmt

    writer, tally = TraceWriter(secrets.token_bytes(32), time.time()), Tally()
    with _begun(args.file) as file:
        try:
            await _looks(look, writer, args, tally)
        finally:
            if len(writer):
                file.write(writer.dump())
    commands = fmt.many(tally.commands, "command")
    if not len(writer):
        common.narrate(f"nothing was read from the cache meanwhile, by {commands}")
        return common.NO
    if args.json:
        common.say({"file": str(args.file), "accesses": len(writer), **asdict(tally)})
    else:
        common.print_lines([str(args.file)])
    common.narrate(tally.error or f"{fmt.many(len(writer), 'read')} among {commands}")
    return common.PARTLY if tally.error else common.DONE


@dataclass(slots=True)
class Tally:
    """How far a recording came."""

    looks: int = 0
    commands: int = 0
    error: str = ""


async def _looks(look: Look, writer: TraceWriter, args: argparse.Namespace, tally: Tally) -> None:
    prefix = os.fsencode(args.prefix)
    while True:
        try:
            burst = await look(COMMANDS, args.length)
        except BackendError as error:
            if not len(writer):
                raise
            tally.error = str(error)
            return
        tally.looks += 1
        tally.commands += burst.commands
        wanted = (a for a in burst.accesses if a.key.startswith(prefix))
        if not all(writer.add(access.key, access.size, access.at) for access in wanted):
            common.narrate(f"the trace is full: {len(writer):,} reads")
            return
        if tally.looks >= args.looks:
            return
        await asyncio.sleep(args.pause)


@contextmanager
def _begun(path: Path) -> Iterator[BinaryIO]:
    """A new file of our own to write to, 0600; gone again when nothing was written."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    try:
        with open(handle, "wb") as file:
            yield file
    finally:
        if not path.stat().st_size:
            path.unlink()


# replaying


def replay(args: argparse.Namespace) -> int:
    """Print what each policy would have hit at each size; 1 for a trace without accesses."""
    from perftui.analysis import policies
    from perftui.draw import format as fmt

    trace = _read(args.file)
    keys = trace.distinct
    entries = sorted({max(1, round(value * keys if share else value)) for value, share in args.sizes})
    if len(trace):
        reads, sizes = fmt.many(len(trace), "read"), fmt.many(len(entries), "size")
        common.narrate(f"{reads} of {fmt.many(keys, 'key')}, at {sizes}")
    rows = policies.rehearse(trace.keys, trace.sizes, entries)
    if args.json:
        common.say(
            {
                "accesses": len(trace),
                "keys": keys,
                "mean_bytes": trace.mean_size,
                "began": trace.began,
                "cut": trace.cut,
                "rows": rows,
            }
        )
    elif rows:
        common.print_lines(_table(rows, trace, weigh=args.bytes))
    if trace.cut:
        common.narrate("the file ends within an access: what was whole is replayed")
    return common.DONE if rows else common.NO


def _read(path: Path) -> AccessTrace:
    from perftui.analysis import accesstrace

    try:
        with path.open("rb") as file:
            return accesstrace.read(file.read(accesstrace.BYTES_MOST + 1))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def _table(rows: Sequence[Rehearsed], trace: AccessTrace, *, weigh: bool) -> Iterator[str]:
    from perftui.draw import format as fmt

    names = list(dict.fromkeys(row.policy for row in rows))
    yield f"{'entries':>10} {'bytes':>10} " + " ".join(f"{name:>7}" for name in names)
    found = {(row.entries, row.policy): row.byte_ratio if weigh else row.hit_ratio for row in rows}
    for entries in dict.fromkeys(row.entries for row in rows):
        size = fmt.bytes_(entries * trace.mean_size, 10) if trace.mean_size else f"{'':10}"
        hits = " ".join(fmt.ratio(found[entries, name], 7) for name in names)
        yield f"{fmt.count(entries, 10)} {size} {hits}"
