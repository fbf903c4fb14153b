"""Purging keys whose values go to a file first: it outlives the server, and memory is free at once."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, ClassVar, Protocol

from perftui.draw import format as fmt
from perftui.engines.cache.filework import settled, whole
from perftui.engines.cache.keyfile import Full, KeyFile, contents, path_text
from perftui.engines.cache.keyrecords import HEAD, LONGEST_NAME, About
from perftui.engines.cache.purge import CONFIRM, PurgeKeys, paced, shown
from perftui.engines.cache.purgepace import BOUND
from perftui.engines.cache.restore import BATCH_BYTES, BATCH_KEYS, Report
from perftui.engines.cache.restorefile import restore_from
from perftui.model.action import Progress, Receipt
from perftui.model.cache import KeySurvey, KeyTally
from perftui.model.errors import BackendError, PlanRejected
from perftui.model.keydumps import CAP, KeyDump, KeyDumper
from perftui.model.ports import KeyPurger

PAGE_KEYS, PAGE_BYTES = 4000, 8 << 20
"""What is saved by one fsync, and deleted after it: as much as was dumped meanwhile is held in memory."""

SAMPLE, SMALL = 50, 64 * 1024
TRIES = 4
"""Times that a key which is written meanwhile is saved again."""


class DumpingPurger(KeyPurger, KeyDumper, Protocol):
    """What a purge into a file needs of its server."""


class PurgeToFile(PurgeKeys):
    """Save every key that matches in the new `file` (0600), then delete it; of `cap` bytes at most.

    Nothing is deleted that is not on the disk with this very value: at the cap, or when the disk is full, the
    purge stops. `quarantine` continues an earlier one in its own file.
    """

    id: ClassVar[str] = "cache.purge-file"
    title: str = "Purge keys, saved in a file"

    def __init__(
        self,
        power: DumpingPurger,
        source: str,
        *,
        file: str,
        cap: int = CAP,
        pattern: str | bytes = b"",
        namespace: str = "",
        keys: Sequence[bytes] = (),
        quarantine: str = "",
        rate: float = 0.0,
        pause_over: float = BOUND,
    ) -> None:
        what: dict[str, Any] = {"pattern": pattern, "namespace": namespace, "keys": keys}
        how: dict[str, Any] = {"quarantine": quarantine, "rate": rate, "pause_over": pause_over}
        super().__init__(power, source, keep=0.0, **what, **how)
        self._dumper = power
        self._path = whole(file)
        self._cap = cap
        self._again = bool(quarantine)
        self._file: KeyFile | None = None
        self._estimate = 0
        self._free = self._had = 0
        self.params |= {"file": path_text(self._path), "cap_bytes": cap}

    async def _look(self) -> KeySurvey:
        """Refuse a file that cannot be written, then count, and dump a few keys: what they would take."""
        await asyncio.to_thread(self._check)
        found = await super()._look()
        small = {row.key for row in found.sample if (row.bytes_ or 0) <= SMALL}
        dumps, _ = await self._dumper.dump_keys(list(small)[:SAMPLE], KeyTally()) if small else ([], [])
        taken = {dump.key: HEAD + dump.size for dump in dumps}
        mean = sum(taken.values()) / len(taken) if taken else SMALL
        large = sum(row.bytes_ or 0 for row in found.sample if row.key not in small)
        whole_sample = mean * len(small) + large
        self._estimate = round(whole_sample / len(found.sample) * found.count) if found.sample else 0
        return found

    def _check(self) -> None:
        folder = self._path.parent
        if self._again:
            found = contents(self._path)
            if found.about.id != self.quarantine:
                raise PlanRejected(f"{path_text(self._path)} is of purge {found.about.id}")
            self._had = found.end
        elif os.path.lexists(self._path):
            raise PlanRejected(f"{path_text(self._path)} exists: name a file that does not")
        elif not os.access(folder, os.W_OK | os.X_OK):
            raise PlanRejected(f"{path_text(folder)} is no folder that can be written to")
        self._free = shutil.disk_usage(folder).free

    @property
    def _verb(self) -> str:
        return "save in a file and delete"

    @property
    def _gone(self) -> str:
        return "saved and deleted"

    @property
    def _undo_note(self) -> str:
        return "for as long as the file is kept undo brings values and TTLs back; TTLs run on meanwhile"

    def _affects(self, found: KeySurvey) -> Iterator[str]:
        yield f"values go to {path_text(self._path)}, which only this login may read"
        most = f"of {fmt.bytes_(self._cap)} at most, {fmt.bytes_(self._free)} are free on its disk"
        yield f"about {fmt.bytes_(self._estimate)} there, {most}"
        yield from super()._affects(found)

    def _warnings(self, found: KeySurvey) -> Iterator[str]:
        yield from super()._warnings(found)
        cap, free = fmt.bytes_(self._cap), fmt.bytes_(self._free)
        for room, what in (
            (self._cap - self._had, f"its cap of {cap}"),
            (self._free, f"the {free} that are free"),
        ):
            if self._estimate > room:
                yield (
                    f"the file would take more than {what}: the purge stops there, and"
                    " deletes nothing that it has not saved"
                )
        if found.count:
            yield "the file holds the values as they are, and whatever secrets are in them"

    async def run(self, report: Report) -> Receipt:
        """One pass over the keyspace, again from its start after a lost connection.

        Raises:
            PlanRejected: the file cannot be made; nothing was deleted.
            PartlyDone: it takes no more; what could not be saved is there still.
        """
        opened: list[KeyFile] = []
        try:
            await settled(lambda: opened.append(self._open()))
            self._file = opened[0]
            return await super().run(report)
        finally:
            for file in opened:
                file.close()

    def _open(self) -> KeyFile:
        if self._again:
            return KeyFile.resume(self._path, self.quarantine, self._cap)
        about = About(self.quarantine, self._source, str(self.params["pattern"]) or "keys by name")
        return KeyFile.create(self._path, about, self._cap)

    async def _names(self) -> AsyncIterator[Sequence[bytes]]:
        """Pages of the scan together: what few keys a page has of a pattern need no fsync of their own."""
        held: dict[bytes, None] = {}
        async for names in super()._names():
            held |= dict.fromkeys(names)
            if len(held) >= PAGE_KEYS:
                yield tuple(held)
                held = {}
        if held:
            yield tuple(held)

    async def _take(self, names: Sequence[bytes], tally: KeyTally, report: Report) -> None:
        """Save and delete; what is written between is saved again."""
        left = [name for name in names if len(name) <= LONGEST_NAME]
        for name in names:
            if len(name) > LONGEST_NAME:
                tally.fail(f"{shown(name)}: too long a name to be saved")
        for _ in range(TRIES):
            tally.changed.clear()
            while left:
                page, left = await self._dump(left, tally)
                await self._put_away(page, tally, report)
            left = list(tally.changed)
            if not left:
                return
        for name in left:
            tally.fail(f"{shown(name)}: it was written each time it had been saved")

    async def _dump(self, names: list[bytes], tally: KeyTally) -> tuple[list[KeyDump], list[bytes]]:
        """As many as are saved together, and the names of the rest."""
        page: list[KeyDump] = []
        size = 0
        while names and size < PAGE_BYTES:
            await self._hold.keep(tally.done, self._planned)
            dumps, names = await paced(self._dumper.dump_keys(names, tally))
            page += dumps
            size += sum(dump.size for dump in dumps)
        return page, names

    async def _put_away(self, page: Sequence[KeyDump], tally: KeyTally, report: Report) -> None:
        file = self._file
        assert file is not None
        saved = await settled(lambda: file.append(page))
        for batch in self._pace.slices(pieces(page[:saved])):
            await self._hold.keep(tally.done, self._planned)
            await paced(self._dumper.unlink_dumps(batch, tally))
            self._edges.gone(dump.key for dump in batch)
            report(Progress(tally.done, self._planned, "keys saved and deleted"))
            await self._wait(len(batch), tally, report)
        if saved < len(page):
            raise Full(file.why)

    async def _confirmed(self, tally: KeyTally) -> int:
        """Keys done; after a lost connection those of the file that are not there any more."""
        if not (tally.unsure or self._interrupted) or self._again:
            return tally.done
        try:
            async with asyncio.timeout(CONFIRM):
                gone = await self._missing()
        except (BackendError, PlanRejected, OSError):
            return tally.done  # the server is away or slow: only what it confirmed is claimed
        tally.unsure = 0
        return gone

    async def _missing(self) -> int:
        found = await settled(lambda: contents(self._path))
        groups, there = found.groups(), 0
        try:
            while group := await settled(lambda: next(groups, [])):
                there += len(await self._power.weigh([dump.key for dump in group]))
        finally:
            groups.close()
        return found.keys - there

    @property
    def _resume(self) -> str:
        return f"--resume {self.quarantine} --quarantine {path_text(self._path)}"

    def _whereabouts(self, done: int) -> Iterator[str]:
        if done:
            yield f"undo with id {self.quarantine} from {path_text(self._path)}"

    def _undo(self) -> dict[str, Any]:
        return {"quarantine": self.quarantine, "source": self._source, "file": str(self._path)}

    async def undo(self, receipt: Receipt) -> Receipt:
        """Bring everything back; keys written again meanwhile are left alone and counted."""
        kept = receipt.undo or {}
        path = whole(str(kept.get("file", self._path)))
        found = await settled(lambda: contents(path))
        if found.about.id != kept.get("quarantine", self.quarantine) or found.damage:
            raise PlanRejected(found.damage or f"{path_text(path)} is of purge {found.about.id}")
        return await restore_from(self._dumper, found, lambda _progress: None)


def pieces(dumps: Sequence[KeyDump]) -> Iterator[list[KeyDump]]:
    """Dumps in batches that hold the server up for no more than a batch of names does."""
    batch: list[KeyDump] = []
    size = 0
    for dump in dumps:
        if batch and (len(batch) >= BATCH_KEYS or size + dump.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(dump)
        size += dump.size
    if batch:
        yield batch
