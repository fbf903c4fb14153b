"""What callers at nodes of the library wait for, and how much of it the server takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from perftui.draw import format as fmt
from perftui.model.cache import CommandLatency
from perftui.model.tierview import ClientLatency

NAMES: Final = {"l2.get": ("get from L2", "read"), "l2.set": ("set in L2", "write"), "load": ("load", "")}
ALONE: Final = "the server's side alone: no process of the cache library publishes"


def shares(server: Sequence[CommandLatency], client: Sequence[ClientLatency]) -> Iterator[tuple[str, str]]:
    """(what, words) of each: quantiles at the nodes, and the medians of both sides."""
    classes = {one.name: one for one in server}
    for one in client:
        name, kind = NAMES.get(one.name, (one.name, ""))
        quantiles = (("p50", one.p50_s), ("p95", one.p95_s), ("p99", one.p99_s), ("p99.9", one.p999_s))
        text = ", ".join(f"{at} {fmt.duration(value)}" for at, value in quantiles)
        there = classes.get(kind)
        if there is not None:
            way = max(0.0, one.p50_s - there.p50_s)
            text += f"; of p50 {fmt.duration(there.p50_s)} server, {fmt.duration(way)} network and queue"
        yield name, text
