"""A server and its replicas elsewhere: who counts as primary, what is to be done, and who takes over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from perftui.model.cachecluster import ClusterMember

SILENT: Final = 12.0  # a primary says something to its replicas every 10 s, however little there is to do


def latest(members: Iterable[ClusterMember]) -> ClusterMember | None:
    """The primary that answers and was promoted last; None where there is none, or two say the same."""
    led = sorted((m for m in members if m.role == "primary" and m.reading is not None), key=epoch)
    alone = len(led) == 1 or (len(led) > 1 and led[-1].epoch > led[-2].epoch)
    return led[-1] if alone else None


def epoch(member: ClusterMember) -> int:
    """How many promotions it knows of."""
    return member.epoch


def due(
    primaries: list[ClusterMember], members: tuple[ClusterMember, ...], patience: float
) -> tuple[str, str, str] | None:
    """What is to be done while a primary answers."""
    newest, strays = max(primaries, key=epoch), _strays(primaries)
    if strays:
        return ("rejoin", strays[0].address, newest.address)
    cut = next((m for m in members if _cut_off(m, newest.address, patience)), None)
    return ("reattach", cut.address, newest.address) if cut is not None and len(primaries) == 1 else None


def _strays(primaries: list[ClusterMember]) -> list[ClusterMember]:
    """Primaries that somebody was promoted after."""
    newest = max(member.epoch for member in primaries)
    return [member for member in primaries if member.epoch < newest]


def _cut_off(member: ClusterMember, leader: str, patience: float) -> bool:
    """A replica of another one than the primary, which has not reached that one for a while."""
    if member.role != "replica" or member.reading is None or member.primary == leader:
        return False
    now = member.reading.replication
    return not now.link_up and not now.syncing and (now.link_down_s or 0.0) >= patience


def heir(replicas: list[ClusterMember]) -> ClusterMember | None:
    """The whole replica that lost its primary too and got most of it; none while one still hears it."""
    if any(_hears(member) for member in replicas):
        return None
    lost = [member for member in replicas if _orphaned(member)]
    return max(lost, key=lambda m: m.reading.replication.offset if m.reading else 0, default=None)


def _hears(member: ClusterMember) -> bool:
    """Whether it gets something from its primary; whoever takes over a copy does not say so."""
    now = member.reading.replication if member.reading is not None else None
    return now is not None and now.link_up and (now.last_io_s is None or now.last_io_s < SILENT)


def _orphaned(member: ClusterMember) -> bool:
    """A whole replica that does not hear its primary either."""
    if member.role != "replica" or member.reading is None:
        return False
    return not _hears(member) and not member.reading.replication.syncing
