"""CLUSTER NODES as values: what one node of a cluster says of all of them.

Source: https://valkey.io/commands/cluster-nodes (the serialization format; shard ids and host names may
follow the address).
"""

from __future__ import annotations

from dataclasses import dataclass

from perftui.analysis.slots import SLOTS, Range

MOST = 1_000
"""Nodes of a map: the specification's own limit."""


@dataclass(frozen=True, slots=True)
class NodeLine:
    """One node in another's map, or in its own (`mine`).

    `primary` is whose replica it is, or ""; `link` how the node that was asked is connected to it; `slots`
    are inclusive ranges; `moving` has those on their way, as `123>` (leaves) and `123<` (arrives).
    """

    id: str
    host: str
    port: int
    flags: frozenset[str]
    primary: str
    epoch: int
    link: str
    slots: tuple[Range, ...] = ()
    moving: tuple[str, ...] = ()

    @property
    def mine(self) -> bool:
        """Whether it is the node that was asked."""
        return "myself" in self.flags

    @property
    def joined(self) -> bool:
        """Whether its id is its own: during a handshake it has one for the time being."""
        return not self.flags & {"handshake", "noaddr"}

    @property
    def leads(self) -> bool:
        """Whether it is a primary."""
        return "master" in self.flags


def parse(text: bytes) -> tuple[NodeLine, ...]:
    """All nodes of a map, those that have not joined yet among them; one without an address has host "".

    Raises:
        ValueError: it is no map.
    """
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line]
    if not 0 < len(lines) <= MOST:
        raise ValueError(f"{len(lines)} lines are no map of a cluster")
    return tuple(_line(line.split(" ")) for line in lines)


def _line(words: list[str]) -> NodeLine:
    id_, place, flags, primary, _ping, _pong, epoch, link, *slots = words
    host, _, port = place.split(",", 1)[0].split("@", 1)[0].rpartition(":")
    return NodeLine(
        id_,
        host,
        int(port),
        frozenset(flags.split(",")),
        "" if primary == "-" else primary,
        int(epoch),
        link,
        tuple(_range(word) for word in slots if not word.startswith("[")),
        tuple(_moving(word) for word in slots if word.startswith("[")),
    )


def _moving(word: str) -> str:
    slot, arrow, _node = word[1:-1].partition("->-" if "->-" in word else "-<-")
    return f"{int(slot)}{'>' if arrow == '->-' else '<'}"


def _range(word: str) -> Range:
    begin, _, end = word.partition("-")
    first, last = int(begin), int(end or begin)
    if not 0 <= first <= last < SLOTS:
        raise ValueError(f"{word} are no slots")
    return first, last
