"""What other eviction policies would hit: reads recorded from looks at the command stream, then replayed."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import ClassVar

from perftui.analysis import accesstrace, policies
from perftui.analysis.accesstrace import AccessTrace, TraceWriter
from perftui.draw import format as fmt
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import BackendError, Cancelled, PartlyDone, PlanRejected
from perftui.model.policytable import PolicyRow, PolicyTable
from perftui.model.ports import CommandSampler

LOOKS, LENGTH, PAUSE, COMMANDS = 20, 0.5, 1.5, 5000
MOST = 250_000
"""Reads of one trace: 4 MB, and some seconds of replaying."""

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Sizes, as shares of the keys seen."""

Report = Callable[[Progress], None]


class PolicyTrial:
    """Records `looks` short looks at the command stream into `folder`, then replays them at several sizes.

    Of keys only salted hashes are kept; the newest `kept` files stay. Cancelled, what was recorded so far
    stays in its file. The receipt's fact `table` is a `PolicyTable`.
    """

    id: ClassVar[str] = "cache.policies"
    title: str = "Try eviction policies on what is read"
    risk: Risk = Risk.READS
    deadline: float = 600.0

    def __init__(
        self,
        power: CommandSampler,
        source: str,
        *,
        folder: str,
        looks: int = LOOKS,
        length: float = LENGTH,
        pause: float = PAUSE,
        kept: int = 5,
    ) -> None:
        self._power = power
        self._source = source
        self._folder = Path(folder)
        self._looks, self._length, self._pause = looks, length, pause
        self._kept = kept
        self.target = source
        self.params = {"looks": looks, "length": length, "pause": pause}

    async def plan(self) -> Plan:
        """What it costs the server, and how long it takes."""
        if not (1 <= self._looks <= 1000 and 0.01 <= self._length <= 2 and 0 <= self._pause <= 60):
            raise PlanRejected("1 to 1000 looks of 0.01 to 2 s, up to 60 s apart")
        within = self._looks * self._length
        whole = within + (self._looks - 1) * self._pause
        return Plan(
            summary=f"record what {self._source} is asked for in {fmt.many(self._looks, 'look')} over"
            f" {fmt.duration(whole)}, and replay it",
            affects=(
                f"looks (MONITOR) of {fmt.duration(self._length)} or {COMMANDS:,} commands each",
                f"at most {MOST:,} reads into a file of {fmt.bytes_(MOST * 16)}: hashed keys, sizes, times",
            ),
            warnings=(
                f"for up to {fmt.duration(within)} each command costs the server 65 to 85 % more CPU",
                "what happens between two looks is not seen: sizes needed come out smaller than they are",
            ),
        )

    async def run(self, report: Report) -> Receipt:
        """Record, write the file, replay.

        Raises:
            PlanRejected: nothing was read meanwhile.
            Cancelled, PartlyDone: cut short; the receipt names the file of what was recorded.
        """
        writer = TraceWriter(secrets.token_bytes(32), time.time(), MOST)
        try:
            await self._record(writer, report)
        except asyncio.CancelledError:
            raise Cancelled("stopped while recording", self._cut(writer)) from None
        except BackendError as error:
            if not len(writer):
                raise
            raise PartlyDone(str(error), self._cut(writer)) from error
        if not len(writer):
            raise PlanRejected(f"nothing was read from {self._source} meanwhile")
        file = await asyncio.to_thread(self._write, writer)
        try:
            table = await self._replay(accesstrace.read(writer.dump()), file, report)
        except asyncio.CancelledError:
            raise Cancelled("stopped while replaying", self._receipt(writer, file)) from None
        receipt = self._receipt(writer, file)
        best = ", ".join(f"{name} {fmt.ratio(hit)}" for name, hit in table.rows[-1].hits)
        text = f"{receipt.summary}; at {fmt.many(table.rows[-1].entries, 'entry', 'entries')}: {best}"
        return Receipt(text, done=len(writer), facts={"table": table, "file": str(file)})

    async def _record(self, writer: TraceWriter, report: Report) -> None:
        for look in range(self._looks):
            burst = await self._power.watch_accesses(COMMANDS, self._length)
            room = all(writer.add(access.key, access.size, access.at) for access in burst.accesses)
            report(Progress(look + 1, self._looks, f"looks, {fmt.count(len(writer))} reads"))
            if not room:
                return
            if look + 1 < self._looks:
                await asyncio.sleep(self._pause)

    async def _replay(self, trace: AccessTrace, file: Path, report: Report) -> PolicyTable:
        """One size after the other, each in a thread: the screen goes on meanwhile."""
        keys = trace.distinct
        shares = {max(1, round(share * keys)): share for share in SHARES}
        rows: list[PolicyRow] = []
        for entries, share in shares.items():
            found = await asyncio.to_thread(policies.rehearse, trace.keys, trace.sizes, (entries,))
            for size, same in groupby(found, lambda one: one.entries):
                rows.append(PolicyRow(size, share, tuple((one.policy, one.hit_ratio) for one in same)))
            report(Progress(len(rows), len(shares), "sizes replayed"))
        return PolicyTable(
            self._source, trace.began, len(trace), keys, trace.mean_size, tuple(rows), str(file)
        )

    def _cut(self, writer: TraceWriter) -> Receipt:
        return self._receipt(writer, self._write(writer)) if len(writer) else Receipt("nothing was recorded")

    def _receipt(self, writer: TraceWriter, file: Path) -> Receipt:
        many, are = fmt.many(len(writer), "read"), fmt.plural(len(writer), "is", "are")
        text = f"{many} of {self._source} {are} in {file}"
        return Receipt(text, done=len(writer), facts={"file": str(file)})

    def _write(self, writer: TraceWriter) -> Path:
        """A new 0600 file; the oldest of more than `kept` of ours go."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stem = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = self._folder / f"{stem}-{secrets.token_hex(3)}.trace"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(writer.dump())
        for old in sorted(self._folder.glob("*.trace"))[: -self._kept]:
            old.unlink(missing_ok=True)
        return path

    async def undo(self, receipt: Receipt) -> Receipt:
        """A look leaves nothing to take back."""
        raise PlanRejected(f"there is nothing to take back ({receipt.summary})")
