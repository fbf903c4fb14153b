"""Powers of cache servers that stand in clusters, groups and pairs; `perftui.model.ports` has all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class FailoverDriver(Protocol):
    """A cluster whose replicas can be made primaries while all live."""

    async def member(self, node: str) -> Any:
        """A `ClusterMember` (`perftui.model.cachecluster`) by id or address; PlanRejected: there is none."""

    async def lag(self, member: Any) -> int | None:
        """Bytes a replica is behind its primary, as that one says; None where it says nothing."""

    async def fail_over(self, replica: Any, deadline: float) -> float:
        """Make a replica the primary of its slots; seconds it took. Lost: not within `deadline` seconds."""


@runtime_checkable
class GroupFailover(Protocol):
    """A group of servers in which somebody else chooses who takes over."""

    async def member(self, node: str) -> Any:
        """A `ClusterMember` (`perftui.model.cachecluster`) by its address; PlanRejected: there is none."""

    async def candidates(self, primary: Any) -> tuple[Any, ...]:
        """Replicas that could take over."""

    async def switch(self, primary: Any, deadline: float) -> tuple[str, float]:
        """Have one promoted; its address and the seconds it took. Lost: not within `deadline` seconds."""


@runtime_checkable
class SlotMover(Protocol):
    """A cluster whose hash slots can be moved between primaries while both serve."""

    async def member(self, node: str) -> Any:
        """A `ClusterMember` (`perftui.model.cachecluster`) by id or address; PlanRejected: there is none."""

    async def slot_keys(self, holder: Any, slots: Sequence[tuple[int, int]]) -> int:
        """Keys in slots that a primary holds."""

    async def move_slots(
        self,
        holder: Any,
        taker: Any,
        slots: Sequence[tuple[int, int]],
        tell: Callable[[int, str], None],
    ) -> bool:
        """Move them; whether all at once. Else `tell` counts those moved, also where it is cut short."""


@runtime_checkable
class SlotReader(Protocol):
    """A cluster whose servers count keys and traffic of their hash slots."""

    async def slot_map(self) -> Any:
        """A `SlotMap` (`perftui.model.slottraffic`): every slot, with rates since the look before."""


@runtime_checkable
class TagKeeper(Protocol):
    """A server, or a cluster, in which a cache's namespaces keep the tokens of their tags."""

    async def tag_tokens(self, namespace: str, tags: Sequence[str]) -> tuple[bytes, ...]:
        """The tokens of each; empty where there are none."""

    async def swap_tokens(self, namespace: str, tag: str, known: bytes, drawn: bytes) -> bool:
        """Put `drawn` in the place of `known`; False when other tokens stand there by now."""

    async def keep_note(self, id_: str, text: bytes, seconds: float) -> None:
        """Keep a text for that long, for whoever knows its id."""

    async def note_kept(self, id_: str) -> bytes:
        """That text; empty when it is gone."""


@runtime_checkable
class RegionPair(Protocol):
    """Servers in different regions, one of which the others follow.

    `bound` are the seconds a replica may have heard nothing when it is promoted.
    """

    bound: float

    def region(self, node: str) -> Any:
        """A `ReplicaPromoter` for one of them; PlanRejected: there is none of that address."""

    async def attend(self) -> tuple[str, str, str]:
        """Wait until something is to be done: takeover, rejoin or reattach; which region, its primary."""


@runtime_checkable
class FailoverRehearser(Protocol):
    """A cluster, or a group with sentinels, that a lab of ours holds. `lab` can kill its nodes.

    It has `number(member)` (None: not the lab's), `node_timeout(member)`, the seconds of silence after which
    one is suspected, and `rehearse(victim, members, patience, tell)`: a `Measured` of
    `perftui.model.rehearsal`.
    """

    lab: Any

    async def member(self, node: str) -> Any:
        """A `ClusterMember` (`perftui.model.cachecluster`) by id or address; PlanRejected: there is none."""

    async def members(self) -> Any:
        """All of them, as they are now."""

    async def lag(self, member: Any) -> int | None:
        """Bytes a replica is behind its primary, as that one says; None where it says nothing."""


@runtime_checkable
class RehearsalShelf(Protocol):
    """Where rehearsals are kept."""

    async def rehearsals(self, most: int) -> Any:
        """The newest `Rehearsals` (`perftui.model.rehearsal`)."""
