"""Moving hash slots, with their keys, from one primary to another while both serve."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import ClassVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.worklease import MOVES, Hold
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.cachecluster import SLOTS, ClusterMember, Range, words
from perftui.model.clusterports import SlotMover
from perftui.model.errors import BackendError, Cancelled, PartlyDone, PlanRejected

Report = Callable[[Progress], None]


class MoveSlots:
    """Moves `slots` of `node` to `to`: ranges such as `0-99,200-200`, or how many, taken from the end.

    A server that can (Valkey 9.0) moves all at once: all arrive or none. Others are told to move one slot
    after the other, with their keys; cut short, those that arrived stay there and can be moved back.
    """

    id: ClassVar[str] = "cache.reshard"
    title: str = "Move hash slots"
    risk: Risk = Risk.CHANGES
    deadline: float = 3600.0

    def __init__(self, power: SlotMover, source: str, *, node: str, to: str, slots: str) -> None:
        self._power = power
        self._source = source
        self._node, self._to, self._slots = node, to, slots
        self.params = {"node": node, "to": to, "slots": slots}
        self.target = f"{source} {inert(slots, 60)} of {inert(node, 60)}"
        what = f"slots {slots} from {node} to {to}"
        self._hold = Hold(power, source, what, secrets.token_hex(16), MOVES)

    async def plan(self) -> Plan:
        """Which slots with how many keys go where.

        Raises:
            PlanRejected: no such nodes or slots, a node that does not answer, or slots under way already,
                by another console too.
        """
        await self._hold.look()
        holder, taker, slots = await self._settled()
        keys, count = await self._power.slot_keys(holder, slots), counted(slots)
        left, then = holder.slot_count - count, taker.slot_count + count
        return Plan(
            summary=f"move {count:,} slots from {holder.address} to {taker.address}",
            affects=(
                f"slots {words(slots)} with {fmt.count(keys)} keys",
                f"{holder.address} keeps {left:,} slots, {taker.address} has {then:,} then",
            ),
            count=count,
            reversible=True,
            undo_note=f"undo moves them back to {holder.address}",
            warnings=("keys stay readable; clients that ask at the old place are sent on",),
        )

    async def run(self, report: Report) -> Receipt:
        """Move them and see that they have arrived.

        Raises:
            PlanRejected: another console began meanwhile.
            Cancelled, PartlyDone: cut short; the receipt says which slots arrived, and undo moves those back.
        """
        holder, taker, slots = await self._settled()
        total, done = counted(slots), 0

        def tell(count: int, note: str) -> None:
            nonlocal done
            done = count
            report(Progress(count, total, note))

        await self._hold.take(total)
        try:
            moving = self._power.move_slots(holder, taker, slots, tell)
            whole = await self._hold.during(moving, lambda: done, total)
        except asyncio.CancelledError:
            raise Cancelled("stopped", self._receipt(holder, taker, first(slots, done), total)) from None
        except BackendError as error:
            if not done:
                raise
            raise PartlyDone(str(error), self._receipt(holder, taker, first(slots, done), total)) from error
        finally:
            await self._hold.let_go()
        await self._arrived(taker, slots)
        how = "at once" if whole else "one after the other"
        receipt = self._receipt(holder, taker, slots, total)
        return Receipt(f"{receipt.summary}, {how}", done=total, undo=receipt.undo)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Move back what arrived."""
        kept = receipt.undo or {}
        back = MoveSlots(
            self._power, self._source, node=str(kept["to"]), to=str(kept["node"]), slots=str(kept["slots"])
        )
        await back.plan()
        return await back.run(lambda _progress: None)

    def _receipt(
        self, holder: ClusterMember, taker: ClusterMember, moved: Sequence[Range], total: int
    ) -> Receipt:
        count = counted(moved)
        exact = ",".join(f"{begin}-{last}" for begin, last in moved)
        undo = {"node": holder.address, "to": taker.address, "slots": exact, "source": self._source}
        text = f"{count:,} slots are at {taker.address}"
        return Receipt(text, done=count, untouched=total - count, undo=undo if count else None)

    async def _settled(self) -> tuple[ClusterMember, ClusterMember, tuple[Range, ...]]:
        holder: ClusterMember = await self._power.member(self._node)
        taker: ClusterMember = await self._power.member(self._to)
        for member in (holder, taker):
            if member.role != "primary":
                raise PlanRejected(f"{member.address} is a replica: slots go from primary to primary")
            if member.state != "ok":
                raise PlanRejected(
                    f"{member.address} is {member.state}: {member.why or 'it does not answer'}"
                )
            if member.moving:
                raise PlanRejected(
                    f"slots of {member.address} are under way already: {', '.join(member.moving[:5])}"
                )
        if holder.id == taker.id:
            raise PlanRejected("the slots are there already")
        return holder, taker, chosen(self._slots, holder)

    async def _arrived(self, taker: ClusterMember, slots: Sequence[Range]) -> None:
        now: ClusterMember = await self._power.member(taker.id)
        if not all(held(now, pair) for pair in slots):
            raise PartlyDone(
                f"{taker.address} does not hold all of slots {words(slots)}",
                Receipt(f"see slots {words(now.slots)}"),
            )


def counted(slots: Sequence[Range]) -> int:
    """Slots in these ranges."""
    return sum(last - begin + 1 for begin, last in slots)


def first(slots: Sequence[Range], count: int) -> tuple[Range, ...]:
    """The first `count` slots of these ranges."""
    found: list[Range] = []
    for begin, last in slots:
        if count <= 0:
            break
        found.append((begin, min(last, begin + count - 1)))
        count -= last - begin + 1
    return tuple(found)


def held(member: ClusterMember, slots: Range) -> bool:
    """Whether a node claims all of a range."""
    return any(begin <= slots[0] and slots[1] <= last for begin, last in member.slots)


def chosen(text: str, holder: ClusterMember) -> tuple[Range, ...]:
    """The slots meant: `0-99,200-200`, or `100`: that many, from the end of what the node holds.

    Raises:
        PlanRejected: it is neither, or the node does not hold them.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        if len(parts) == 1 and parts[0].isdecimal():
            return _last(int(parts[0]), holder)
        ranges = tuple(sorted(_range(part) for part in parts))
    except ValueError as error:
        raise PlanRejected(
            f"slots are ranges such as 0-99,200-200 or a number of slots, not {inert(text, 60)!r}"
        ) from error
    if not ranges:
        raise PlanRejected("name slots, such as 0-99,200-200, or a number of slots")
    wrong = [pair for pair in ranges if not held(holder, pair)]
    if wrong or any(a[1] >= b[0] for a, b in pairwise(ranges)):
        raise PlanRejected(
            f"{holder.address} holds slots {words(holder.slots)}, not {words(wrong or ranges)}"
        )
    return ranges


def _range(text: str) -> Range:
    begin, _, last = text.partition("-")
    pair = int(begin), int(last or begin)
    if not 0 <= pair[0] <= pair[1] < SLOTS:
        raise ValueError(text)
    return pair


def _last(count: int, holder: ClusterMember) -> tuple[Range, ...]:
    if not 0 < count <= holder.slot_count:
        raise PlanRejected(f"{holder.address} holds {holder.slot_count:,} slots: name 1 to that many")
    found: list[Range] = []
    for begin, last in reversed(holder.slots):
        if count <= 0:
            break
        found.insert(0, (max(begin, last - count + 1), last))
        count -= last - begin + 1
    return tuple(found)
