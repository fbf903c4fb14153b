"""`perftui cache curve`: what half or twice the memory of a cache's nodes would miss, and which size pays."""

from __future__ import annotations

import argparse
from typing import Any

from perftui.analysis import misscurves
from perftui.analysis.misscurves import Advice
from perftui.cli import common
from perftui.model.misscurve import MissCurve, Point
from perftui.model.noderecord import NodesLook

SHOWN = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16)


def add(parser: argparse.ArgumentParser) -> None:
    """The options of its own."""
    parser.add_argument("--namespace", metavar="NAME", help="the cache's name (default: each that publishes)")
    parser.add_argument(
        "--price-per-gb", metavar="N", type=price, help="what a GB (10^9 bytes) costs, to tell sizes in money"
    )


def price(text: str) -> float:
    """A price: a number that is not below 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no price such as 4.50")
    return value


def show(look: NodesLook, args: argparse.Namespace) -> int:
    """Print each namespace's curve, its nodes `merged` (misscurves says how); 1 when there is none."""
    curves = misscurves.by_namespace(look)
    if args.namespace is not None:
        curves = {name: curve for name, curve in curves.items() if name == args.namespace}
    rows = [(name, curve, misscurves.advice(curve, args.price_per_gb)) for name, curve in curves.items()]
    if args.json:
        common.say([_row(*row) for row in rows], args.json)
    else:
        common.print_lines(line for row in rows for line in _lines(*row))
    if not rows:
        common.narrate("no node publishes a curve: it takes L1 in use, 200 lookups and Cache(curve=True)")
    elif args.price_per_gb is not None and any(a.bytes_now is None for _, _, a in rows):
        common.narrate("no price where bytes are not counted: entries that never went to L2 have no size")
    return common.DONE if rows else common.NO


def _row(name: str, curve: MissCurve, said: Advice) -> dict[str, Any]:
    return {
        "namespace": name,
        "nodes": curve.nodes,
        "accesses": curve.seen,
        "sampled_keys": curve.rate,
        "entries": curve.room,
        "entry_bytes": curve.entry_bytes or None,
        "bytes": said.bytes_now,
        "price": said.price_now,
        "miss_ratio": said.now.miss_ratio,
        "error": said.error,
        "half_costs": said.half_costs,
        "double_brings": said.double_brings,
        "recommended": {
            "entries": said.entries,
            "bytes": said.bytes_then,
            "price": said.price_then,
            "miss_ratio": said.then.miss_ratio,
            "error": said.then.error,
            "larger_may_help": said.open_end,
        },
        "points": [
            {"entries": p.entries, "miss_ratio": p.miss_ratio, "error": p.error} for p in curve.points
        ],
    }


def _lines(name: str, curve: MissCurve, said: Advice) -> list[str]:
    from perftui.draw import format as fmt
    from perftui.draw.clean import inert

    now, then = (
        _size(curve.room, said.bytes_now, said.price_now),
        _size(said.entries, said.bytes_then, said.price_then),
    )
    more = "; a larger one may bring more, but none was measured" if said.open_end else ""
    nodes, looked = fmt.many(curve.nodes, "node"), fmt.many(curve.seen, "lookup")
    half, double = _points(said.half_costs), _points(said.double_brings)
    lines = [
        f"{inert(name)}: {nodes}, L1 of {now} misses {_missed(said.now)} of {looked}",
        f"  half the memory costs {half} points, double brings {double}",
        f"  recommended: {then} misses {_missed(said.then)}{more}",
    ]
    for factor in SHOWN:
        point = misscurves.at(curve, max(1.0, curve.room * factor))
        size = fmt.bytes_(curve.entry_bytes * point.entries, 10) if curve.entry_bytes else ""
        hit = f"{fmt.ratio(1 - point.miss_ratio, 6)} ± {_points(point.error)} hit"
        lines.append(f"  {factor:>7g}x {fmt.count(point.entries, 12)} entries {size} {hit}")
    return lines


def _size(entries: int, bytes_: float | None, money: float | None) -> str:
    from perftui.draw import format as fmt

    size = "" if bytes_ is None else f" ({fmt.bytes_(bytes_)})"
    paid = "" if money is None else f" for {money:,.2f}"
    return f"{fmt.many(entries, 'entry', 'entries')}{size}{paid}"


def _missed(point: Point) -> str:
    from perftui.draw import format as fmt

    return f"{fmt.ratio(point.miss_ratio)} ± {_points(point.error)} points"


def _points(share: float) -> str:
    return f"{100 * share:.1f}"
