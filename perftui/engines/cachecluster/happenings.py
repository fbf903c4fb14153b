"""Two looks at a cluster compared: suspicion, failure, promotion, slots that moved, outages that ended."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.analysis.slots import SLOTS, owners
from perftui.model.cachecluster import ClusterEvent, ClusterMember, ClusterReading, Outage, words

KEPT = 200
UNTOLD = frozenset({"lost", "unknown"})  # roles of nodes that say nothing of themselves


def happened(before: ClusterReading | None, now: ClusterReading, at: float) -> tuple[ClusterEvent, ...]:
    """What is different since the look before, newest first; nothing at the first look."""
    if before is None:
        return ()
    old = {m.id: m for m in before.members}
    found = [event for m in now.members for event in _changes(old.get(m.id), m, at)]
    gone = set(old) - {m.id for m in now.members}
    found += [ClusterEvent(at, "left", old[id_].address, "forgotten by the others") for id_ in sorted(gone)]
    found += _slots(before, now, at)
    known = {(o.node, o.since) for o in before.outages if o.until is not None}
    found += [_outage(o) for o in now.outages if o.until is not None and (o.node, o.since) not in known]
    return tuple(sorted(found, key=lambda event: -event.at))


def _changes(old: ClusterMember | None, new: ClusterMember, at: float) -> Iterator[ClusterEvent]:
    def event(kind: str, text: str) -> ClusterEvent:
        return ClusterEvent(at, kind, new.address, text)

    if old is None:
        yield event("joined", f"as {new.role}")
        return
    if new.role != old.role and not UNTOLD & {old.role, new.role}:
        kind = "promoted" if new.role == "primary" else "demoted"
        epoch = f"epoch {old.epoch} to {new.epoch}, " if new.epoch != old.epoch else ""
        yield event(kind, f"{epoch}was {old.role}")
    elif new.primary != old.primary and not UNTOLD & {old.role, new.role}:
        yield event("demoted", "follows another primary now")
    if new.failed and not old.failed:
        yield event("failed", "the others agree that it gives no answer")
    elif new.suspected_by and not old.suspected_by and not old.failed:
        yield event("suspected", f"{new.suspected_by} nodes get no answer from it")
    elif new.state == "ok" and old.state != "ok":
        yield event("back", f"answers again as {new.role}")
    elif new.state == "silent" and old.state == "ok":
        yield event("silent", new.why or "does not answer this console")


def _slots(before: ClusterReading, now: ClusterReading, at: float) -> Iterator[ClusterEvent]:
    """Slots that another primary holds than before, where no node was promoted into them."""
    if not now.slotted:
        return
    held = {id_: ranges for id_, ranges in _held(before).items() if id_}
    for id_, ranges in _held(now).items():
        was = held.get(id_)
        member = now.member(id_)
        if not id_:
            if ranges != _held(before).get("", []):
                yield ClusterEvent(at, "slots", "", f"nobody serves slots {words(ranges)}")
        elif was is not None and was != ranges and member is not None:
            yield ClusterEvent(at, "slots", member.address, f"holds {words(ranges)} now")


def _held(reading: ClusterReading) -> dict[str, list[tuple[int, int]]]:
    held: dict[str, list[tuple[int, int]]] = {}
    claims = [(m.id, m.epoch, m.slots) for m in reading.members if m.role == "primary" and not m.failed]
    for slots, id_ in owners(claims):
        held.setdefault(id_, []).append(slots)
    return held


def _outage(outage: Outage) -> ClusterEvent:
    until = outage.until if outage.until is not None else outage.since
    what = "" if outage.slots == (0, SLOTS - 1) else f" of slots {words([outage.slots])}"
    text = f"{(until - outage.since) * 1e3:.0f} ms without writes{what}, {outage.missed} tried"
    return ClusterEvent(until, "outage", outage.node, text)
