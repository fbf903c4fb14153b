"""Findings about queues: nobody takes what waits, or more comes than goes for minutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from perftui.analysis.promduration import show_duration
from perftui.model.finding import Effort, Finding, Severity
from perftui.model.queues import QueueDepth, QueueView

GROWING = 300.0  # seconds of growth from which a queue is behind
LEAST = 10  # messages below which a backlog says little
Key = tuple[str, str]


class Backlog:
    """Remembers since when each queue has had no fewer messages than then."""

    def __init__(self) -> None:
        self._since: dict[Key, QueueDepth] = {}

    def seen(self, views: Sequence[QueueView]) -> None:
        """These looks are the newest."""
        lows: dict[Key, QueueDepth] = {}
        for view in views:
            depth, key = view.depth, (view.depth.source, view.depth.name)
            low = self._since.get(key)
            lows[key] = depth if low is None or depth.waiting <= low.waiting else low
        self._since = lows

    def findings(self, views: Sequence[QueueView]) -> Iterator[Finding]:
        """What is wrong with these queues now."""
        for view in views:
            yield from _findings(view, self._since.get((view.depth.source, view.depth.name), view.depth))


def _findings(view: QueueView, low: QueueDepth) -> Iterator[Finding]:
    depth = view.depth
    if depth.waiting < LEAST:
        return
    labels = (("queue", depth.name),)
    if depth.consumers == 0:
        yield Finding(
            "queue.no-consumer",
            Severity.WARNING,
            depth.source,
            f"{depth.name}: nobody takes what waits",
            (f"{depth.waiting} waiting, no consumer connected", *_pace(view)),
            labels=labels,
        )
    elif depth.at - low.at >= GROWING and depth.waiting > low.waiting + LEAST:
        minutes = (depth.at - low.at) / 60
        yield Finding(
            "queue.growing",
            Severity.WARNING,
            depth.source,
            f"{depth.name}: more comes than goes",
            (
                f"{low.waiting} waiting {minutes:.0f} min ago, {depth.waiting} now",
                *_pace(view),
                *_ahead(depth, low),
            ),
            effort=Effort.HOURS,
            labels=labels,
        )


def _ahead(depth: QueueDepth, low: QueueDepth) -> tuple[str, ...]:
    """When twice as many wait at this growth, and how old the oldest is where that is known."""
    doubled = depth.waiting * (depth.at - low.at) / (depth.waiting - low.waiting)
    oldest = () if depth.oldest is None else (f"the oldest has waited {_minutes(depth.oldest)}",)
    return (f"at this growth {2 * depth.waiting} wait in about {_minutes(doubled)}", *oldest)


def _minutes(seconds: float) -> str:
    return show_duration(60.0 * max(1, round(seconds / 60)))


def _pace(view: QueueView) -> tuple[str, ...]:
    if view.in_per_s is None or view.out_per_s is None:
        return ()
    return (f"{view.in_per_s:.1f}/s in, {view.out_per_s:.1f}/s out",)
