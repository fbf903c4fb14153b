"""`perftui cache cluster --slots`: keys and traffic of hash slots, the hottest of each primary."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from perftui.cli import common
from perftui.cli.cachecluster import settled
from perftui.draw import format as fmt
from perftui.model.cachecluster import ClusterReport
from perftui.model.errors import Lost
from perftui.model.slottraffic import ShardTraffic, SlotMap, SlotTraffic

if TYPE_CHECKING:
    from perftui.session import Session

TOPIC, POWER = "cache.slots", "SlotReader"
SPAN: Final = 2.0
"""Seconds from the first look to the one that it makes rates with."""


async def show(session: Session, args: argparse.Namespace) -> int:
    """Print what each primary tells of its slots; exit code 1 when none tells anything.

    Raises:
        Lost: no cluster answers.
    """
    frame = await common.first_frame(session, "cachecluster", 6.0, lambda f: settled(f.report))
    report = common.report_of(frame, ClusterReport)
    able = [view.source for view in report.clusters if view.source in session.sources(POWER)]
    if not able:
        raise Lost("no cluster is configured: kind = valkey-cluster")
    told = {source: found for source in able if (found := await _map(session, source)) is not None}
    if args.json:
        common.say([row for source, found in told.items() for row in _rows(source, found)], args.json)
    else:
        common.print_lines(line for source, found in told.items() for line in _lines(source, found))
    for shard in (shard for found in told.values() for shard in found.facts.shards if shard.why):
        common.narrate(shard.why)
    return common.DONE if told else common.NO


async def _map(session: Session, source: str) -> SlotMap | None:
    """Two looks, or one where that has rates; None, and why, where nothing is told."""
    frame = await session.probe(TOPIC, source, POWER, _look)
    if not frame.error and not frame.report.facts.measured:
        await asyncio.sleep(SPAN)
        frame = await session.probe(TOPIC, source, POWER, _look)
    if frame.error:
        common.narrate(frame.error)
        return None
    found: SlotMap = frame.report
    return found


async def _look(power: Any) -> Any:
    return await power.slot_map()


def _shown(shard: ShardTraffic) -> tuple[SlotTraffic, ...]:
    """The hottest; where traffic is not counted, or there is none, the fullest."""
    return shard.top or shard.fullest


def _rows(source: str, found: SlotMap) -> Iterator[dict[str, Any]]:
    names = ("slot", "node", "keys", "cpu", "cpu_share", "bytes_per_s", "bytes_share")
    for shard in found.facts.shards:
        for slot in _shown(shard):
            row = {name: getattr(slot, name) for name in names}
            yield {"source": source, **row, "key": _name(slot) or None}


def _lines(source: str, found: SlotMap) -> Iterator[str]:
    for shard in found.facts.shards:
        traffic = f", {fmt.rate(shard.cpu, 's')} of commands, {fmt.rate(shard.bytes_per_s, 'bytes')}"
        counts = f"{fmt.count(shard.slots)} slots, {fmt.count(shard.keys)} keys"
        yield f"{source}: {shard.node}: {counts}{traffic if shard.measured else ''}"
        for slot in _shown(shard):
            parts = (
                f"{fmt.ratio(slot.cpu_share, 6)} of its time {fmt.rate(slot.cpu, 's', 12)}",
                f"{fmt.ratio(slot.bytes_share, 6)} of its bytes {fmt.rate(slot.bytes_per_s, 'bytes', 12)}",
            )
            told = f"{'  '.join(parts)}  " if shard.measured else ""
            yield f"  slot {slot.slot:>5}  {told}{fmt.count(slot.keys, 9)} keys  {_name(slot)}".rstrip()


def _name(slot: SlotTraffic) -> str:
    return slot.only.decode("utf-8", "backslashreplace")
