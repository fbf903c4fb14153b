"""Data that leaves the console: samples of the history, dashboards for Grafana."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from perftui.cli import common, when

if TYPE_CHECKING:
    from perftui.config import Config

STEPS = {"raw": 0.0, "10s": 10.0, "1m": 60.0, "1h": 3600.0}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare `metrics grafana`."""
    from perftui.cli import grafana

    verbs = common.verbs(parser)
    grafana.add(verbs.add_parser("grafana", help="links, dashboards and annotations for a Grafana"))
    metrics = verbs.add_parser("metrics", help="print samples of the history, streamed")
    common.options(metrics, json_=False)
    when.options(metrics)
    metrics.add_argument(
        "--series",
        action="append",
        metavar="GLOB",
        help="only series like this, as `source/name` or a name; may be repeated",
    )
    metrics.add_argument(
        "--step", choices=STEPS, help="samples as read, or means of so long (default: as the range wants)"
    )
    form = metrics.add_mutually_exclusive_group()
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="CSV (the default)")
    form.add_argument("--json", dest="form", action="store_const", const="json", help="a JSON array")
    form.add_argument("--ndjson", dest="form", action="store_const", const="ndjson", help="JSON, one a line")
    shape = metrics.add_mutually_exclusive_group()
    shape.add_argument("--wide", action="store_true", help="CSV with a column a series")
    shape.add_argument("--long", action="store_true", help="CSV with a row a sample (the default)")
    metrics.add_argument("--out", metavar="FILE", help="write this file (0600) instead of printing")


def run(args: argparse.Namespace) -> int:
    """Do the verb."""
    if args.verb == "grafana":
        from perftui.cli import grafana

        return grafana.run(args)
    if args.wide and args.form not in (None, "csv"):
        common.narrate("--wide is a shape of CSV; JSON has one object a sample")
        return common.USAGE
    return common.go(_metrics(common.configuration(args), args))


async def _metrics(config: Config, args: argparse.Namespace) -> int:
    from perftui.export import samples
    from perftui.runtime.history import step_for

    write = {"json": samples.json_array, "ndjson": samples.ndjson}.get(args.form, samples.long_csv)
    write = samples.wide_csv if args.wide else write
    step = STEPS[args.step] if args.step else step_for(args.end - args.start)
    async with when.stored(config) as past:
        keys = sorted({key for glob in args.series or ["*"] for key in past.keys(glob)}) if past else []
        if past is None or not keys:
            common.narrate("nothing like this was stored: a console or agent keeps history while it runs")
            return common.NO
        with _opened(args.out) as out:
            count = await write(out, past, keys, (args.start, args.end), step)
    written = f" written to {args.out}" if args.out else ""
    common.narrate(f"{count:,} rows of {len(keys):,} series{written}")
    return common.DONE


@contextmanager
def _opened(where: str | None) -> Iterator[TextIO]:
    if where is None or where == "-":
        yield sys.stdout
        return
    from perftui.config.paths import private_file

    with private_file(Path(where)) as out:
        yield out
