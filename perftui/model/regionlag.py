"""How far a region is behind the one it follows."""

from __future__ import annotations

from typing import NamedTuple

from perftui.model.cachecluster import ClusterMember, ClusterReading


class RegionLag(NamedTuple):
    """How far a replica is behind: bytes of the stream, and seconds since it was known to be in step."""

    bytes_: int | None = None
    seconds: float | None = None


def lag_of(reading: ClusterReading, member: ClusterMember) -> RegionLag:
    """A replica's lag, as far as both sides tell; nothing for a primary, or one that does not answer."""
    if member.role != "replica" or member.reading is None:
        return RegionLag()
    own = member.reading.replication
    ahead = reading.member(member.primary)
    theirs = ahead.reading.replication if ahead is not None and ahead.reading is not None else None
    if not own.link_up:
        return RegionLag(None, own.link_down_s)
    if theirs is None:
        return RegionLag(None, own.last_io_s)
    link = next((link for link in theirs.replicas if link.address == member.address), None)
    if link is None and len(theirs.replicas) == 1:  # it is known there by another address
        link = theirs.replicas[0]
    if link is not None:
        return RegionLag(link.lag_bytes, link.lag_s)
    same = own.stream == theirs.stream
    return RegionLag(max(0, theirs.offset - own.offset) if same else None, own.last_io_s)
