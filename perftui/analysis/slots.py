"""Which of a cluster's 16,384 slots a key is in.

Source: https://valkey.io/topics/cluster-spec (CRC16/XMODEM of the key, or of what is in its first braces).
"""

from __future__ import annotations

from binascii import crc_hqx
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

SLOTS: Final = 16_384


def slot_of(key: bytes) -> int:
    """The slot, 0 to 16383; `{user}.cart` and `{user}.name` are in the same one, `{}` is text like any."""
    begin = key.find(b"{")
    if begin >= 0:
        end = key.find(b"}", begin + 1)
        if end > begin + 1:
            key = key[begin + 1 : end]
    return crc_hqx(key, 0) & (SLOTS - 1)


Range = tuple[int, int]
"""First and last slot, both included."""


def owners(claims: Iterable[tuple[str, int, Sequence[Range]]]) -> list[tuple[Range, str]]:
    """Who holds which slots, of (node, configuration epoch, slots claimed): ranges in order, '' for nobody's.

    Of two nodes that claim a slot the one of the higher epoch holds it: one that was cut off may still claim
    what it has lost. Source: the cluster specification, "hash slots configuration propagation".
    """
    known = sorted(claims, key=lambda claim: claim[1])
    edges = {edge for _, _, ranges in known for first, last in ranges for edge in (first, last + 1)}
    bounds = sorted({0, SLOTS, *edges})
    holder = [""] * (len(bounds) - 1)
    for node, _, ranges in known:
        for first, last in ranges:
            start, end = bisect_left(bounds, first), bisect_left(bounds, last + 1)
            holder[start:end] = [node] * (end - start)
    found: list[tuple[Range, str]] = []
    for first, after, node in zip(bounds, bounds[1:], holder, strict=False):
        goes_on = found and found[-1][1] == node
        found.append(((found.pop()[0][0] if goes_on else first, after - 1), node))
    return found
