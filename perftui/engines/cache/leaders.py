"""Which primary is the one now, for replicas that follow another: told by the servers, never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from perftui.model.cache import CacheNode, Replication
from perftui.model.health import Link

ANSWERS = {Link.LIVE, Link.LATE}


def with_leaders(nodes: Sequence[CacheNode]) -> list[CacheNode]:
    """The nodes, replicas with the leader they should have, primaries with the strays they should have."""
    primaries = [node for node in nodes if node.role == "primary" and _answers(node) and _address(node)]
    led = [replace(node, leader=_leader(node, nodes, primaries)) for node in nodes]
    leading = {primary.source for primary in primaries}
    return [replace(node, strays=_strays(node, led)) if node.source in leading else node for node in led]


def _answers(node: CacheNode) -> bool:
    return node.health.link in ANSWERS


def _address(node: CacheNode) -> str:
    return node.reading.address if node.reading is not None else ""


def _leader(node: CacheNode, nodes: Sequence[CacheNode], primaries: Sequence[CacheNode]) -> str:
    """The one primary that is known to lead what it holds; empty where it follows that one, or none is."""
    if node.reading is None or node.role != "replica" or not _answers(node):
        return ""
    mine = node.reading.replication
    found: set[str] = set()
    if not mine.link_up:
        followed = next((other for other in nodes if _address(other) == mine.primary), None)
        found = {_address(p) for p in primaries if _goes_on(p, mine) or _is_followed(p, followed)}
    found = found or {_address(p) for p in primaries if _had(p, node)}
    return found.pop() if len(found) == 1 and mine.primary not in found else ""


def _goes_on(primary: CacheNode, mine: Replication) -> bool:
    """Whether it leads the very stream that the replica has, or was promoted in it."""
    assert primary.reading is not None
    theirs = primary.reading.replication
    return bool(mine.stream) and mine.stream in {theirs.stream, theirs.stream_before}


def _is_followed(primary: CacheNode, followed: CacheNode | None) -> bool:
    """Whether the one that the replica follows says that it follows this primary itself."""
    if followed is None or followed.reading is None or followed.role != "replica" or not _answers(followed):
        return False
    return followed.reading.replication.primary == _address(primary)


def _had(primary: CacheNode, node: CacheNode) -> bool:
    """Whether it had this replica since the console looks, and lacks it now."""
    assert primary.reading is not None
    own, theirs = _address(node), primary.reading.replication.replicas
    return own in primary.replicas_known and all(one.address != own for one in theirs)


def _strays(primary: CacheNode, nodes: Sequence[CacheNode]) -> tuple[str, ...]:
    return tuple(node.source for node in nodes if node.leader and node.leader == _address(primary))
