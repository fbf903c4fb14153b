"""Purging an edge, done only when the next GET is a MISS: a 200 says accepted, not evicted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.cdn import CacheState, EdgeLook, PurgeRequest, UrlUse, Verification
from perftui.model.errors import BackendError, PartlyDone, PlanRejected
from perftui.model.ports import EdgeContent, EdgeVerifier, Purger

SAMPLE = 20  # URLs verified at most
PATIENCE = 1.0  # seconds for the MISS to show
FRESH = (CacheState.MISS, CacheState.PASS)
RECENT = 500  # URLs of the log searched for a tag


class PurgeEdge:
    """Forget URLs (paths) or tags at one edge, then ask for a sample and report what answered."""

    id: ClassVar[str] = "cdn.purge"
    title: ClassVar[str] = "Purge a URL or tag"
    risk: ClassVar[Risk] = Risk.CHANGES
    deadline: ClassVar[float] = 60.0

    def __init__(self, power: Purger, source: str, *, targets: Sequence[str], kind: str = "url") -> None:
        self._power = power
        self.target = source
        self._request = PurgeRequest(kind, tuple(t.strip() for t in targets if t.strip()))
        self._sample: tuple[str, ...] = ()
        self._before: dict[str, EdgeLook] = {}

    async def plan(self) -> Plan:
        """What the edge holds of it now; PlanRejected for targets that cannot be meant."""
        request = self._request
        _check(request)
        tagged = await self._tagged() if request.kind == "tag" else ()
        self._sample = tuple(use.url for use in tagged)[:SAMPLE] if tagged else self._urls()[:SAMPLE]
        looks = [look for url in self._sample if (look := await self._held(url)) is not None]
        self._before = dict(zip(self._sample, looks, strict=False))
        what = ", ".join(request.targets[:3]) + (" …" if len(request.targets) > 3 else "")
        return Plan(
            f"Purge {request.kind} {what} at {self.target}",
            tuple(_line(look) for look in looks[:10]),
            count=len(request.targets),
            reversible=False,
            undo_note="an edge cannot take it back: the next visits fill it again from the origin",
            warnings=self._warnings(),
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Purge, then verify; PartlyDone when some URL still answers from cache or cannot be asked."""
        began = time.monotonic()
        report(Progress(0, len(self._sample) or None, "purging"))
        dropped = await self._power.purge_edge(self._request)
        checks = []
        for url in self._sample:
            checks.append(await self._verify(url, began))
            report(Progress(len(checks), len(self._sample), f"{url} {_word(checks[-1].after)}"))
        return self._receipt(dropped, checks)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Never called: the plan says it is not reversible."""
        raise PlanRejected("a purge cannot be undone; the next visits fill the edge again")

    def _urls(self) -> tuple[str, ...]:
        return self._request.targets if self._request.kind == "url" else ()

    def _warnings(self) -> tuple[str, ...]:
        if not isinstance(self._power, EdgeVerifier):
            return ("this edge does not say how it answered: the purge cannot be verified",)
        if not self._sample:
            return ("no URL with this tag in the edge's recent log: the purge cannot be verified by a GET",)
        return (f"{len(self._sample)} GETs verify it, and fill the edge again with those objects",)

    async def _tagged(self) -> tuple[UrlUse, ...]:
        if not isinstance(self._power, EdgeContent):
            return ()
        wanted = set(self._request.targets)
        return tuple(use for use in await self._power.recent_urls(RECENT) if wanted & set(use.tags))

    async def _look(self, url: str) -> EdgeLook | None:
        return await self._power.look_at(url) if isinstance(self._power, EdgeVerifier) else None

    async def _held(self, url: str) -> EdgeLook | None:
        """A look that names the stored copy: the first one may just have fetched it."""
        first = await self._look(url)
        return await self._look(url) if first is not None and first.state in FRESH else first

    async def _verify(self, url: str, began: float) -> Verification:
        before = self._before.get(url)
        while True:
            try:
                look = await self._look(url)
            except BackendError:
                look = None
            seen, gone = time.monotonic() - began, _gone(before, look)
            if gone or look is None or seen > PATIENCE:
                return Verification(
                    url, before.state if before else None, look.state if look else None, seen, gone
                )
            await asyncio.sleep(0.05)

    def _receipt(self, dropped: int | None, checks: Sequence[Verification]) -> Receipt:
        bad = tuple(f"{c.url}: {_word(c.after)}" for c in checks if not c.verified)
        slowest = max((c.seconds for c in checks if c.verified), default=None)
        words = [f"{len(self._request.targets)} {self._request.kind}(s) purged at {self.target}"]
        if dropped is not None:
            words.append(f"{dropped} objects dropped")
        if slowest is not None:
            words.append(f"{len(checks) - len(bad)} verified gone in {slowest * 1000:.0f} ms")
        if not checks:
            words.append("accepted, not verified")
        receipt = Receipt(", ".join(words), len(checks) - len(bad), bad, facts=self._facts(dropped, checks))
        if bad or not checks:
            raise PartlyDone(receipt.summary + (f"; still cached: {bad[0]}" if bad else ""), receipt)
        return receipt

    def _facts(self, dropped: int | None, checks: Sequence[Verification]) -> dict[str, Any]:
        rows = [
            asdict(c) | {"before": _word(c.before), "after": _word(c.after), "seconds": round(c.seconds, 4)}
            for c in checks
        ]
        return {"kind": self._request.kind, "targets": list(self._request.targets)} | {
            "dropped": dropped,
            "checks": rows,
        }


def _check(request: PurgeRequest) -> None:
    if request.kind not in ("url", "tag"):
        raise PlanRejected(f"a purge is by url or tag, not by {request.kind!r}")
    if not request.targets:
        raise PlanRejected(f"say which {request.kind} to purge")
    for target in request.targets:
        bad = any(ord(c) < 33 or ord(c) == 127 for c in target) or len(target) > 2048
        if bad or (request.kind == "url" and not target.startswith(("/", "http://", "https://"))):
            raise PlanRejected(f"not a {request.kind} that can be purged: {target[:60]!r}")


def _gone(before: EdgeLook | None, after: EdgeLook | None) -> bool:
    """Whether the copy from before is served no more: a MISS, or a hit on a copy fetched since."""
    if after is None:
        return False
    if after.state in FRESH:
        return True
    return before is not None and bool(before.object) and before.object != after.object


def _word(state: CacheState | None) -> str:
    return state.name if state is not None else "no answer"


def _line(look: EdgeLook) -> str:
    age = f", age {look.age:.0f} s" if look.age is not None else ""
    return f"{look.url}: {_word(look.state)} now{age}"
