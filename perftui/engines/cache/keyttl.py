"""When one key ends: set by an operator, and set back."""

from __future__ import annotations

from typing import ClassVar, Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Receipt, Risk
from perftui.model.envelope import MAGIC
from perftui.model.errors import PlanRejected
from perftui.model.keyvalue import KeyEditor, KeyEnd, read_ttl

GONE = "it is not there any more"
SAME: Final = 5000
"""Milliseconds by which an end may differ from what was set: a busy server takes the command so late."""


class SetKeyTtl:
    """Let `key` end after `ttl` such as `5m`, or not at all with `never`; undo sets its old end back."""

    id: ClassVar[str] = "cache.set-key-ttl"
    title: str = "Set when a key ends"
    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(self, power: KeyEditor, source: str, *, key: bytes, ttl: str) -> None:
        self._power, self._source, self._key = power, source, key
        self._ttl = ttl
        self._name = inert(key[:80].decode("utf-8", "backslashreplace"), 80)
        self.target = f"{source} {self._name}"
        self.params = {"key": self._name, "ttl": ttl}

    def _after(self) -> int | None:
        try:
            return read_ttl(self._ttl)
        except ValueError as error:
            raise PlanRejected(str(error)) from None

    async def plan(self) -> Plan:
        """From when to when; PlanRejected where there is no such key, or it is so already."""
        after, page = self._after(), await self._power.value_page(self._key)
        if page.kind == "none":
            raise PlanRejected(f"{self._name}: {GONE}")
        if after is None and page.ttl_s is None:
            raise PlanRejected(f"{self._name} never ends as it is")
        now = "never ends" if page.ttl_s is None else f"ends in {fmt.duration(page.ttl_s)}"
        mine = page.data.startswith(MAGIC)
        return Plan(
            summary=f"let {self._name} {_words(after)}",
            affects=(f"{inert(page.kind, 16)} of {fmt.bytes_(page.bytes_)}, now it {now}",),
            count=1,
            reversible=True,
            undo_note="sets it back to end when it would have",
            warnings=(
                "an entry of the cache library also has its end inside: it is served for no longer than that",
            )
            if mine
            else (),
        )

    async def run(self, report: Report) -> Receipt:
        """Set it."""
        after, before = self._after(), await self._power.key_end(self._key)
        if not before.there or not await self._power.end_key(self._key, after):
            raise PlanRejected(f"{self._name}: {GONE}")
        made = None if after is None else before.now + after
        undo = {"source": self._source, "key": self._key.hex(), "end": before.end, "set": made}
        return Receipt(f"{self._name} will {_words(after)}", done=1, undo=undo)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Let it end when it would have.

        Raises:
            PlanRejected: it is gone, somebody set another end, or that time is past: it would be deleted.
        """
        old = receipt.undo or {}
        end, made = old.get("end"), old.get("set")
        now: KeyEnd = await self._power.key_end(self._key)
        if not now.there:
            raise PlanRejected(f"{self._name}: {GONE}")
        if not _same(now.end, made):
            left = None if now.end is None else now.end - now.now
            raise PlanRejected(f"{self._name} will {_words(left)} by now: somebody changed it since")
        if end is not None and end <= now.now:
            raise PlanRejected(f"{self._name} would have ended by now: purge it instead")
        after = None if end is None else int(end) - now.now
        if not await self._power.end_key(self._key, after):
            raise PlanRejected(f"{self._name}: {GONE}")
        return Receipt(f"{self._name} will {_words(after)} again", done=1)


def _same(end: int | None, other: int | None) -> bool:
    return end == other or (end is not None and other is not None and abs(end - other) <= SAME)


def _words(after: int | None) -> str:
    return "never end" if after is None else f"end in {fmt.duration(after / 1000)}"
