"""`perftui cache hot`: the keys asked for most, how their ranks move, and what reads found, by prefix."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from perftui.analysis.ranks import Ranks
from perftui.cli import common
from perftui.model.cache import CommandSample, HotKey
from perftui.model.prefixhits import PrefixHits

SHOWN = 30


def show(sample: CommandSample, source: str, args: argparse.Namespace) -> int:
    """Print a look; from the second on, places moved since the one before."""
    from perftui.draw import format as fmt

    ranks = args.ranks = getattr(args, "ranks", None) or Ranks()
    ranks.see(source, sample.at, sample.keys)
    if args.json:
        rows = [_row(hot, ranks) for hot in sample.keys]
        told = {"commands": sample.commands, "took_s": sample.took_s, "keys": rows}
        prefixes = {"prefixes": [_hits(row) for row in sample.hits], "prefixes_limit": sample.hits_limit}
        common.say(told | prefixes, args.json)
        return common.DONE
    common.print_lines(_lines(sample, ranks))
    common.print_lines(_hit_lines(sample))
    common.narrate(f"{fmt.many(sample.commands, 'command')} in {fmt.duration(sample.took_s)}")
    return common.DONE


def _row(hot: HotKey, ranks: Ranks) -> dict[str, Any]:
    move = ranks.move(hot.key)
    key = hot.key.decode("utf-8", "backslashreplace")
    row: dict[str, Any] = {"key": key, "count": hot.count, "share": hot.share, "error": hot.error}
    return row | {"moved": move.words if move else None, "moved_surely": move.sure if move else None}


def _hits(row: PrefixHits) -> dict[str, Any]:
    return {
        "prefix": row.prefix.decode("utf-8", "backslashreplace"),
        "reads": row.reads,
        "hits": row.hits,
        "misses": row.misses,
        "unsure": row.unsure,
        "hit_ratio": row.ratio,
        "low": row.low,
        "high": row.high,
    }


def _hit_lines(sample: CommandSample) -> Iterator[str]:
    from perftui.draw import format as fmt

    for row in sample.hits[:SHOWN]:
        prefix = row.prefix.decode("utf-8", "backslashreplace")
        unsure = f", {fmt.count(row.unsure)} unsure" if row.unsure else ""
        ratio = f"hit {fmt.ratio(row.ratio, 6)} ({fmt.between((row.low, row.high))})"
        yield f"{ratio} of {fmt.many(row.reads, 'read')}{unsure}  {prefix}"
    if sample.hits_limit:
        yield f"hits by prefix: {sample.hits_limit}"


def _lines(sample: CommandSample, ranks: Ranks) -> Iterator[str]:
    from perftui.draw import format as fmt

    for hot in sample.keys[:SHOWN]:
        move = ranks.move(hot.key)
        moved = f"{move.words if move.sure else f'({move.words})':>6}  " if move else ""
        name = hot.key.decode("utf-8", "backslashreplace")
        yield f"{fmt.ratio(hot.share, 6)} ± {fmt.ratio(hot.error, 5)}  {moved}{name}"
