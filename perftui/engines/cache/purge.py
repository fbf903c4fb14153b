"""Purging keys by pattern: planned by counting, run in small batches, taken back from quarantine."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.edges import Edges
from perftui.engines.cache.keyfile import OWN, Full
from perftui.engines.cache.purgepace import BOUND, Pace
from perftui.engines.cache.restore import BATCH_KEYS, Report, batches, checked_id, count_quarantine, restore
from perftui.engines.cache.worklease import Hold
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.cache import KeyInfo, KeySurvey, KeyTally
from perftui.model.errors import BackendError, Cancelled, Lost, PartlyDone, PlanRejected, Refused, Unsupported
from perftui.model.ports import KeyPurger
from perftui.model.tagtokens import OWN as OWN_KEYS

T = TypeVar("T")

KEEP = 3600.0
"""Seconds a purged key can be brought back."""

DEADLINE = 1800.0
STEP, LONGEST_STEP = 500, 1000  # keys that one SCAN looks at: more where few match
SLOW_BATCH = 0.02
HANDED_ON = 1.0  # seconds that a replica may take to have it
RECONNECT = 30.0
CONFIRM = 3.0
MOST_NODES = 10


def literal(name: bytes) -> bytes:
    """A glob that matches this name alone."""
    return b"".join(b"\\" + bytes([c]) if c in b"*?[]\\^" else bytes([c]) for c in name)


def shown(key: bytes, limit: int = 80) -> str:
    """A key's name as inert text."""
    text = inert(key[: limit + 1].decode("utf-8", "backslashreplace"), limit)
    return f"{text} ({fmt.bytes_(len(key))} name)" if len(key) > limit else text


class PurgeKeys:
    """Move every key that matches `pattern`, or the named `keys`, to quarantine for `keep` seconds.

    With `namespace` these are the entries of that cache whose names match: its tags and leases stay, or undo
    could not make entries current again. `keep` 0 deletes at once. `quarantine` continues an earlier,
    interrupted purge under its id, so that one undo covers both. `rate` keys a second go at most (0: as many
    as the server takes), and none while a probe's p99 is over `pause_over` seconds (0: no such pause).
    """

    id: ClassVar[str] = "cache.purge"
    title: str = "Purge keys by pattern"
    risk: Risk = Risk.DESTROYS
    deadline: float = DEADLINE

    def __init__(
        self,
        power: KeyPurger,
        source: str,
        *,
        pattern: str | bytes = b"",
        namespace: str = "",
        keys: Sequence[bytes] = (),
        keep: float = KEEP,
        quarantine: str = "",
        rate: float = 0.0,
        pause_over: float = BOUND,
    ) -> None:
        self._power = power
        self._pattern = pattern if isinstance(pattern, bytes) else pattern.encode("utf-8", "surrogateescape")
        self._own = (namespace + OWN_KEYS).encode("utf-8", "surrogatepass") if namespace else b""
        if namespace:
            self._pattern = literal(f"{namespace}:".encode("utf-8", "surrogatepass")) + (
                self._pattern or b"*"
            )
        self._keys = tuple(dict.fromkeys(keys))
        self._keep = keep
        self._source = source
        self.quarantine = checked_id(quarantine) or secrets.token_hex(4)
        named = f"{len(self._keys)} keys" if len(self._keys) > 1 else shown(self._keys[0]) if keys else ""
        self.target = f"{source} {named or shown(self._pattern)}"
        self.params = {
            "pattern": self._pattern.decode("utf-8", "backslashreplace")[:1024],
            "keys": [shown(key) for key in self._keys[:100]],
            "keep_s": keep,
            "quarantine": self.quarantine,
        }
        self._edges = Edges(power)
        self._pace = Pace(power, rate, pause_over)
        self.params |= {"rate": rate, "pause_over_s": pause_over}
        self._hold = Hold(power, source, shown(self._pattern) if self._pattern else named)
        self._planned: int | None = None
        self._interrupted = self._alone = False
        self._there: int | None = None

    async def plan(self) -> Plan:
        """Count, weigh and name what would go.

        Raises:
            PlanRejected: a replica, an unusable pattern, or somebody else purges there.
        """
        await self._hold.look()
        await self._edges.look()
        await self._pace.look()
        found = await self._look()
        if found.role != "primary":
            raise PlanRejected(f"{self._source} is a replica: purge on its primary")
        self._planned = found.count
        self.deadline = DEADLINE + 2 * self._pace.seconds(found.count)
        size = fmt.bytes_(found.bytes_)
        about = "" if found.scanned == 1.0 else "about "
        return Plan(
            summary=f"{self._verb} {about}{fmt.many(found.count, 'key')} ({size}) of {self._source}",
            affects=tuple(self._affects(found)),
            count=found.count,
            bytes_=found.bytes_,
            reversible=bool(self._undo_note),
            undo_note=self._undo_note,
            warnings=tuple(self._warnings(found)),
            challenge=self._challenge() if found.count else "",
        )

    async def _look(self) -> KeySurvey:
        if any(name.startswith(OWN) for name in (self._pattern, *self._keys)):
            raise PlanRejected("what is in quarantine already is not purged: it ends by itself")
        if not self._keys:
            if not self._pattern:
                raise PlanRejected("a purge needs a pattern, such as product:*")
            survey: KeySurvey = await self._power.survey_keys(self._pattern)
            return await self._entries(survey) if self._own else survey
        rows: tuple[KeyInfo, ...] = await self._power.weigh(self._keys)
        size = sum(row.bytes_ or 0 for row in rows)
        return KeySurvey(b"", len(rows), 1.0, rows, size, 0, len(self._keys), "primary", "?")

    async def _entries(self, survey: KeySurvey) -> KeySurvey:
        """Without the namespace's tags and leases."""
        own: KeySurvey = await self._power.survey_keys(literal(self._own) + b"*")
        sample = tuple(row for row in survey.sample if not row.key.startswith(self._own))
        count, size = max(0, survey.count - own.count), max(0, survey.bytes_ - own.bytes_)
        return replace(survey, count=count, bytes_=size if count else 0, sample=sample)

    @property
    def _verb(self) -> str:
        return "move to quarantine" if self._keep else "delete"

    @property
    def _gone(self) -> str:
        return "moved to quarantine" if self._keep else "deleted"

    @property
    def _undo_note(self) -> str:
        """How it is taken back; nothing where it cannot be."""
        return f"kept for {fmt.age(self._keep)}: undo brings values and TTLs back" if self._keep else ""

    def _affects(self, found: KeySurvey) -> Iterator[str]:
        error = f" ± {fmt.bytes_(found.bytes_error)}" if found.bytes_error else ""
        keys = fmt.plural(found.total, "key")
        match = fmt.plural(found.count, "matches", "match")
        what = "of the keys named exist" if self._keys else f"{keys} {match} {shown(self._pattern)}"
        size = f"{fmt.bytes_(found.bytes_)}{error}"
        yield f"{fmt.count(found.count)} of {fmt.count(found.total)} {what}, {size}"
        yield from self._pace.planned(found.count)
        yield from map(_line, found.sample[:10])
        if found.count > 10:
            yield f"… and {fmt.count(found.count - min(10, len(found.sample)))} more"
        caches = {name for row in found.sample if (name := self._edges.of(row.key)) is not None}
        if caches:
            pages = f"pages at the edge made of {inert(', '.join(sorted(caches)), 80)}"
            yield f"{pages}: queued for `perftui cdn relay`"

    def _warnings(self, found: KeySurvey) -> Iterator[str]:
        if found.scanned < 1.0:
            yield f"counted in {fmt.ratio(found.scanned)} of the keyspace only; the rest is extrapolated"
        if self._keep and found.count:
            yield f"memory is freed when the quarantine ends, in {fmt.age(self._keep)}"
            if found.policy.startswith("allkeys"):
                yield f"under memory pressure {inert(found.policy, 24)} may evict what waits in quarantine"
        if not self._undo_note and found.count:
            yield "this cannot be undone"

    def _challenge(self) -> str:
        """The pattern; for one that matches everything, or cannot be typed, the server's name."""
        name = self._keys[0] if len(self._keys) == 1 else self._pattern
        text = name.decode("utf-8", "backslashreplace")
        everything = not name.strip(b"*?")
        return self._source if everything or inert(text) != text or len(text) > 60 else text

    async def run(self, report: Report) -> Receipt:
        """One pass over the keyspace, again from its start after a lost connection."""
        tally = KeyTally()
        await self._hold.take(self._planned)
        try:
            await self._sweep(tally, report)
        except asyncio.CancelledError:
            receipt = await self._receipt(tally, "cancelled: ")
            raise Cancelled(receipt.summary, receipt) from None
        except (BackendError, Full) as error:
            if isinstance(error, BackendError) and not (tally.done or tally.unsure):
                raise
            receipt = await self._receipt(tally, "stopped half-way: ")
            raise PartlyDone(f"{receipt.summary}; {error}", receipt) from error
        finally:
            await self._hold.let_go()
        receipt = await self._receipt(tally, "")
        if tally.failed:
            raise PartlyDone(receipt.summary, receipt)
        return receipt

    async def _sweep(self, tally: KeyTally, report: Report) -> None:
        wait, limit = 0.1, 0.0
        while True:
            before = tally.done
            try:
                async for names in self._names():
                    await self._take(names, tally, report)
                await self._settle(tally)
            except Lost:
                self._interrupted = True
                now = time.monotonic()
                limit = now + RECONNECT if tally.done > before or not limit else limit
                if now > limit:
                    raise
                report(Progress(tally.done, self._planned, "connection lost, trying again"))
                await asyncio.sleep(wait)
                wait = min(2.0, wait * 2)
            else:
                return

    async def _settle(self, tally: KeyTally) -> None:
        """A primary that dies right after would take with it that keys are gone."""
        if tally.done or tally.unsure:
            with contextlib.suppress(Refused, Unsupported):
                self._alone = not await self._power.hand_on(HANDED_ON)

    async def _take(self, names: Sequence[bytes], tally: KeyTally, report: Report) -> None:
        """What one page of the scan met."""
        for batch in self._pace.slices(batches(names)):
            await self._hold.keep(tally.done, self._planned)
            await paced(self._remove(batch, tally))
            self._edges.gone(batch)
            report(Progress(tally.done, self._planned, "keys moved" if self._keep else "keys deleted"))
            await self._wait(len(batch), tally, report)

    async def _wait(self, keys: int, tally: KeyTally, report: Report) -> None:
        """Keep the pace after so many keys; a pause is told."""
        await self._pace.after(keys, lambda why: report(Progress(tally.done, self._planned, why)))

    async def _names(self) -> AsyncIterator[Sequence[bytes]]:
        if self._keys:
            yield self._keys
            return
        cursor, step = -1, STEP
        while cursor:
            cursor, names = await self._power.scan(self._pattern, max(0, cursor), step)
            yield [n for n in names if not n.startswith(self._own)] if self._own else names
            step = min(LONGEST_STEP, max(STEP, step * BATCH_KEYS // max(1, len(names))))  # for a whole batch

    async def _remove(self, batch: Sequence[bytes], tally: KeyTally) -> None:
        if self._keep:
            await self._power.quarantine_keys(batch, self.quarantine, self._keep, tally)
        else:
            await self._power.delete_keys(batch, tally)

    async def _receipt(self, tally: KeyTally, lead: str) -> Receipt:
        done = await self._confirmed(tally)
        parts = [f"{fmt.many(done, 'key')} {self._gone}", *self._whereabouts(done)]
        if tally.failed:
            parts.append(f"{fmt.count(tally.failed)} could not be")
        if tally.unsure and not self._keep:
            parts.append(f"{fmt.count(tally.unsure)} more were under way when the connection broke")
        if lead and self._undo_note:
            parts.append(f"`{self._resume}` goes on")
        if self._alone:
            parts.append("no replica has it yet, so a failover now may bring keys back")
        if told := await self._edges.tell():
            parts.append(told)
        parts += self._pace.told()
        if len(tally.nodes) > 1:
            parts.append(f"by node: {_by_node(tally.nodes)}")
        return Receipt(
            summary=lead + ", ".join(parts),
            done=done,
            failed=tuple(tally.errors),
            untouched=max(0, (self._planned or 0) - done - tally.absent),
            facts={
                "absent": tally.absent,
                "failed": tally.failed,
                "unsure": tally.unsure,
                "nodes": dict(tally.nodes),
                "pace": self._pace.facts,
            },
            undo=self._undo() if done else None,
        )

    @property
    def _resume(self) -> str:
        """What is added to the command to go on after a stop."""
        return f"--resume {self.quarantine}"

    def _whereabouts(self, done: int) -> Iterator[str]:
        if self._keep and done:
            yield f"undo within {fmt.age(self._keep)} with id {self.quarantine}"
        if self._there is not None and self._there < done:
            yield f"but only {fmt.count(self._there)} of them are still there: the server lost data"

    def _undo(self) -> dict[str, Any] | None:
        undo = {"quarantine": self.quarantine, "source": self._source, "until": time.time() + self._keep}
        return undo if self._keep else None

    async def _confirmed(self, tally: KeyTally) -> int:
        """Keys done; batches that were sent without an answer are looked up in the quarantine."""
        if not self._keep or not (tally.unsure or self._interrupted):
            return tally.done
        try:
            async with asyncio.timeout(CONFIRM):
                there = await count_quarantine(self._power, self.quarantine)
        except (BackendError, TimeoutError):
            return tally.done  # the server is away or slow: only what it confirmed is claimed
        if self._interrupted:
            self._there = there
        found = min(max(there, tally.done), tally.done + tally.unsure)
        tally.unsure -= found - tally.done
        return found

    async def undo(self, receipt: Receipt) -> Receipt:
        """Bring everything back; keys written again meanwhile are left alone and counted."""
        kept = (receipt.undo or {}).get("quarantine", self.quarantine)
        return await restore(self._power, checked_id(str(kept)), receipt.done, lambda _progress: None)


async def paced(work: Awaitable[T]) -> T:
    """Its result; a server that was busy with it is left half of the time."""
    started = time.monotonic()
    result = await work
    took = time.monotonic() - started
    if took > SLOW_BATCH:
        await asyncio.sleep(min(1.0, took))
    return result


def _by_node(nodes: Mapping[str, int]) -> str:
    most = sorted(nodes.items(), key=lambda one: -one[1])
    more = f" and {len(most) - MOST_NODES} more" if len(most) > MOST_NODES else ""
    return ", ".join(f"{inert(node, 60)} {fmt.count(done)}" for node, done in most[:MOST_NODES]) + more


def _line(row: KeyInfo) -> str:
    ttl = "no expiry" if row.ttl_s is None else f"TTL {fmt.age(row.ttl_s)}"
    return f"{shown(row.key, 48)}  {inert(row.kind, 16)}, {ttl}, {fmt.bytes_(row.bytes_)}"
