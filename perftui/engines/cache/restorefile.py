"""Bringing keys back from the file that a purge saved them in, or what undoes a removal by tag."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.filework import settled, whole
from perftui.engines.cache.keyfile import Contents, contents, path_text
from perftui.engines.cache.keyrecords import Damaged
from perftui.engines.cache.restore import Report, restored
from perftui.engines.cache.tags import RestoreTag
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.cache import KeyTally
from perftui.model.clusterports import TagKeeper
from perftui.model.errors import PlanRejected, Protocol
from perftui.model.keydumps import KeyDumper


class RestoreFile:
    """Bring back what is in `file`, to the server it was taken from, or `elsewhere`.

    With `quarantine` it must be of the purge of that id. With `replace` also over keys that were written
    again meanwhile: those are lost. With `damaged` what comes before the damage.
    """

    id: ClassVar[str] = "cache.restore-file"
    title: str = "Restore keys from a file"
    risk: Risk = Risk.CHANGES
    deadline: float = 1800.0

    def __init__(
        self,
        power: KeyDumper,
        source: str,
        *,
        file: str,
        quarantine: str = "",
        replace: bool = False,
        damaged: bool = False,
        elsewhere: bool = False,
    ) -> None:
        self._power = power
        self._source = source
        self._path = whole(file)
        self._id = quarantine
        self._replace = replace
        self._damaged = damaged
        self._elsewhere = elsewhere
        self._found: Contents | None = None
        self._tags: RestoreTag | None = None
        self.risk = Risk.DESTROYS if replace else Risk.CHANGES
        self.target = f"{source} file {path_text(self._path)}"
        self.params: dict[str, Any] = {
            "file": path_text(self._path),
            "quarantine": quarantine,
            "replace": replace,
            "damaged": damaged,
        }

    async def plan(self) -> Plan:
        """Look through the whole file.

        Raises:
            PlanRejected: it is missing, damaged, of another purge, or has nothing in it.
        """
        self._found = found = await settled(lambda: contents(self._path))
        self._check(found)
        if found.note:
            if not isinstance(self._power, TagKeeper):
                raise PlanRejected(f"{self._source} keeps no tags: name the server with --source")
            self._tags = RestoreTag(self._power, self._source, id_=found.about.id, note=found.note)
            return await self._tags.plan()
        return Plan(
            summary=f"restore {fmt.many(found.keys, 'key')} of {self._source} from a file",
            affects=tuple(self._affects(found)),
            count=found.keys,
            bytes_=found.bytes_,
            warnings=tuple(self._warnings(found)),
            challenge=found.about.id if self._replace else "",
        )

    def _check(self, found: Contents) -> None:
        name, about = path_text(self._path), found.about
        if self._id and about.id != self._id:
            raise PlanRejected(f"{name} is of purge {about.id}, not of {inert(self._id, 40)}")
        if about.source != self._source and not self._elsewhere:
            was = inert(about.source, 60)
            raise PlanRejected(
                f"{name} was taken from {was}, not {self._source}: name the server with --source"
            )
        if found.damage and not self._damaged:
            before = f"{fmt.many(found.keys, 'key')} before it can be read: --damaged restores those"
            raise PlanRejected(f"{found.damage}; {before}")
        if not (found.keys or found.note):
            raise PlanRejected(f"{name} has no key in it")

    def _affects(self, found: Contents) -> list[str]:
        about, ago = found.about, fmt.age(time.time() - found.about.at)
        others = "are lost" if self._replace else "stay as they are now"
        return [
            f"{path_text(self._path)}, {fmt.bytes_(found.end)}",
            f"purge {about.id} of {inert(about.what, 80)} at {inert(about.source, 60)}, {ago} ago",
            f"values and TTLs as they were; keys written again meanwhile {others}",
        ]

    def _warnings(self, found: Contents) -> list[str]:
        said = [f"{found.damage}; what comes after is left out"] if found.damage else []
        if found.cut:
            said.append(f"its last {fmt.bytes_(found.cut)} were cut short: those keys were never deleted")
        if found.about.source != self._source:
            said.append(f"it was taken from {inert(found.about.source, 60)}, not from {self._source}")
        return said

    async def run(self, report: Report) -> Receipt:
        """Put every key back."""
        if self._tags is not None:
            return await self._tags.run(report)
        if self._found is None:
            raise PlanRejected("nothing was planned yet")
        return await restore_from(self._power, self._found, report, over=self._replace)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: purging again is a decision of its own."""
        raise PlanRejected(f"a restore is not undone: purge again instead ({receipt.summary})")


async def restore_from(power: KeyDumper, found: Contents, report: Report, *, over: bool = False) -> Receipt:
    """Bring the keys of a file back; raises Cancelled or PartlyDone with what was restored by then."""

    async def put(tally: KeyTally) -> None:
        groups = found.groups()
        try:
            while group := await settled(lambda: next(groups, [])):
                await power.put_dumps(group, tally, over)
                report(Progress(tally.done, found.keys, "keys restored"))
        except (Damaged, OSError) as error:
            raise Protocol(f"{path_text(found.path)} is not what it was: {error}") from error
        finally:
            groups.close()

    return await restored(put, found.keys, path_text(found.path))
