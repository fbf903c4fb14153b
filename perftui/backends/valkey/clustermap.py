"""CLUSTER NODES of several nodes made one map: what a node says of itself, and what the others say of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from perftui.analysis import clusternodes
from perftui.analysis.clusternodes import NodeLine
from perftui.model.cachecluster import ClusterMember
from perftui.model.errors import Protocol


def parse(text: bytes, asked: str) -> tuple[NodeLine, ...]:
    """The nodes of a map; `asked` is where it came from, for a node that does not know its own address.

    Raises:
        Protocol: it is no map.
    """
    try:
        lines = clusternodes.parse(text)
    except ValueError as error:
        raise Protocol(f"{asked} answered CLUSTER NODES with something else than a map") from error
    host, _, port = asked.rpartition(":")
    here = [line if line.host else replace(line, host=host, port=int(port)) for line in lines if line.joined]
    return tuple(here)


def joined(views: Iterable[tuple[NodeLine, ...]]) -> tuple[ClusterMember, ...]:
    """One member a node: its own line where it answered, else the line of the highest epoch others have."""
    own: dict[str, NodeLine] = {}
    told: dict[str, NodeLine] = {}
    suspects: dict[str, int] = {}
    failed: set[str] = set()
    for view in views:
        for line in view:
            if line.mine:
                own[line.id] = line
            elif line.id not in told or line.epoch > told[line.id].epoch:
                told[line.id] = line
            if "fail?" in line.flags:
                suspects[line.id] = suspects.get(line.id, 0) + 1
            if "fail" in line.flags and not line.mine:
                failed.add(line.id)
    lines = {**told, **own}
    members = (_member(line, suspects.get(id_, 0), id_ in failed) for id_, line in lines.items())
    return tuple(sorted(members, key=lambda m: m.address))


def _member(line: NodeLine, suspected_by: int, failed: bool) -> ClusterMember:
    return ClusterMember(
        line.id,
        f"{line.host}:{line.port}",
        "primary" if line.leads else "replica",
        line.primary,
        line.epoch,
        line.slots,
        suspected_by,
        failed,
        line.moving,
    )
