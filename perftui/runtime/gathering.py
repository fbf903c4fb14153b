"""What a session does with answers and findings as they come: pure steps between its parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from perftui.model.errors import PerftuiError, Unsupported
from perftui.model.finding import Finding
from perftui.runtime.events import EventLog, Spans
from perftui.runtime.observer import Observer


async def answer(
    source: str, asked: Callable[[], Coroutine[Any, Any, Any]], deadline: float, before: Any
) -> dict[str, Any]:
    """Fields of a frame: what a power answers, or what it said `before` and why there is nothing newer."""
    try:
        async with asyncio.timeout(deadline):
            return {"report": await asked()}
    except TimeoutError:
        return {"report": before, "error": f"{source}: no answer in {deadline:g} s"}
    except PerftuiError as failure:
        return {"report": before, "error": str(failure), "unsupported": isinstance(failure, Unsupported)}


def collect(
    observers: Mapping[str, Observer], adviser: str, events: EventLog, spans: Spans, now: float
) -> None:
    """Hand the newest findings and events of all engines on."""
    found: dict[str, tuple[Finding, ...]] = {}
    for stem, observer in observers.items():
        frame = observer.topic.value
        if frame is not None and stem != adviser:
            found[stem] = frame.findings
            events.add(*getattr(frame.report, "events", ()))
    spans.observe((f for group in found.values() for f in group), now)
    engine: Any = observers[adviser].engine if adviser in observers else None
    if engine is not None:
        engine.collect(found)
