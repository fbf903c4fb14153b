"""Bringing purged keys back from quarantine, over keys that were written since only where that is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import ClassVar

from perftui.draw import format as fmt
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.cache import KeyTally
from perftui.model.errors import BackendError, Cancelled, PartlyDone, PlanRejected
from perftui.model.ports import KeyPurger

BATCH_KEYS, BATCH_BYTES = 128, 1024 * 1024

Report = Callable[[Progress], None]


class RestoreKeys:
    """Bring back what an earlier purge moved to quarantine, by its id.

    With `replace` also over keys that were written again meanwhile: those are lost.
    """

    id: ClassVar[str] = "cache.restore"
    title: str = "Restore purged keys"
    risk: Risk = Risk.CHANGES
    deadline: float = 1800.0

    def __init__(self, power: KeyPurger, source: str, *, quarantine: str, replace: bool = False) -> None:
        self._power = power
        self._replace = replace
        self.risk = Risk.DESTROYS if replace else Risk.CHANGES
        self._source = source
        self.quarantine = checked_id(quarantine)
        self.target = f"{source} quarantine {self.quarantine}"
        self.params = {"quarantine": self.quarantine, "replace": replace}
        self._planned = 0

    async def plan(self) -> Plan:
        """Count what waits in quarantine."""
        if not self.quarantine:
            raise PlanRejected("a restore needs the id that the purge printed")
        self._planned = await count_quarantine(self._power, self.quarantine)
        if not self._planned:
            raise PlanRejected(f"no key waits in quarantine {self.quarantine} of {self._source}")
        return Plan(
            summary=f"restore {fmt.many(self._planned, 'key')} of {self._source}",
            affects=(f"values and TTLs as they were; keys written again meanwhile {self._others}",),
            count=self._planned,
            challenge=self.quarantine if self._replace else "",
        )

    @property
    def _others(self) -> str:
        return "are lost" if self._replace else "stay as they are now"

    async def run(self, report: Report) -> Receipt:
        """Move every key back."""
        return await restore(self._power, self.quarantine, self._planned, report, over=self._replace)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: purging again is a decision of its own."""
        raise PlanRejected(f"a restore is not undone: purge again instead ({receipt.summary})")


async def restore(
    power: KeyPurger, quarantine: str, expected: int, report: Report, *, over: bool = False
) -> Receipt:
    """Bring a quarantine back; raises Cancelled or PartlyDone with what was restored by then."""

    async def put(tally: KeyTally) -> None:
        cursor = 0
        while True:
            cursor, names = await power.scan_quarantine(quarantine, cursor)
            for batch in batches(names):
                await power.restore_keys(batch, quarantine, tally, over)
                report(Progress(tally.done, expected, "keys restored"))
            if cursor == 0:
                return

    return await restored(put, expected, f"quarantine {quarantine}")


async def restored(put: Callable[[KeyTally], Awaitable[None]], expected: int, where: str) -> Receipt:
    """The receipt of `put`, which brings keys back from `where`.

    Raises:
        Cancelled, PartlyDone: with what was restored by then, or when keys could not be, or were left.
    """
    tally = KeyTally()
    try:
        await put(tally)
    except asyncio.CancelledError:
        receipt = _receipt(tally, expected, where, "cancelled: ")
        raise Cancelled(receipt.summary, receipt) from None
    except BackendError as error:
        if not (tally.done or tally.unsure):
            raise
        receipt = _receipt(tally, expected, where, "stopped half-way: ")
        raise PartlyDone(f"{receipt.summary}; {error}", receipt) from error
    receipt = _receipt(tally, expected, where, "")
    if tally.failed or tally.kept:
        raise PartlyDone(receipt.summary, receipt)
    return receipt


def _receipt(tally: KeyTally, expected: int, where: str, lead: str) -> Receipt:
    parts = [f"{fmt.many(tally.done, 'key')} restored"]
    if tally.same:
        parts.append(f"{fmt.count(tally.same)} stood there with the same values")
    if tally.kept:
        parts.append(
            f"{fmt.count(tally.kept)} left in {where}: newer keys stand in their place"
            " (`undo --replace` puts these over them)"
        )
    gone = max(0, expected - tally.done - tally.same - tally.kept - tally.failed - tally.unsure)
    if gone and not lead:
        parts.append(f"{fmt.count(gone)} had expired or {fmt.plural(gone, 'was', 'were')} evicted")
    if tally.failed:
        parts.append(f"{fmt.count(tally.failed)} failed")
    return Receipt(
        summary=lead + ", ".join(parts),
        done=tally.done,
        failed=(*tally.errors, *(f"{name}: a newer key stands in its place" for name in tally.held)),
        untouched=tally.kept,
        facts={
            "kept": tally.kept,
            "same": tally.same,
            "gone": gone,
            "unsure": tally.unsure,
            "from": where,
            "nodes": dict(tally.nodes),
        },
    )


async def count_quarantine(power: KeyPurger, quarantine: str) -> int:
    """Keys that wait in a quarantine now."""
    names: set[bytes] = set()
    cursor = 0
    while True:
        cursor, found = await power.scan_quarantine(quarantine, cursor)
        names.update(found)
        if cursor == 0:
            return len(names)


def batches(names: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Names in pieces that hold the server up for well under a millisecond, and fit one write."""
    batch: list[bytes] = []
    size = 0
    for name in names:
        if batch and (len(batch) >= BATCH_KEYS or size + len(name) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(name)
        size += len(name)
    if batch:
        yield batch


def checked_id(quarantine: str) -> str:
    """The id itself; it becomes part of a key and of a glob, so only letters and digits pass."""
    if quarantine and not (quarantine.isascii() and quarantine.isalnum() and len(quarantine) <= 32):
        raise PlanRejected("a quarantine id has letters and digits only")
    return quarantine
