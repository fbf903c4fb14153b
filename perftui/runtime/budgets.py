"""How the targets fared over an hour, a day and a month, found out while somebody looks at them."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from perftui.analysis.budget import SPANS, Objective, Pinned, Spent, TargetsReport, spent
from perftui.model.errors import StoreError
from perftui.model.frame import Frame
from perftui.model.series import SeriesKey
from perftui.model.target import Target
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.store import Store
from perftui.runtime.topic import Topic

TOPIC = "overview.targets"
EVERY = 60.0  # seconds between two looks; a month is forty thousand rows a target
SOON = 5.0  # as long as nothing was stored yet
LAST = "targets.baseline"
STEPS = {3600.0: 0.0, 86400.0: 10.0}  # of the shorter spans; a month is read by the minute
MINUTE = 60.0


def keys_of(keys: Iterable[SeriesKey], target: Target, kinds: Mapping[str, str]) -> list[SeriesKey]:
    """The series that feed a target."""
    if not target.series:
        return []
    return [
        key
        for key in keys
        if key.name == target.series
        and not key.labels
        and target.fed_by(key.source, kinds.get(key.source, ""))
    ]


async def objective(history: History, target: Target, keys: Sequence[SeriesKey], end: float) -> Objective:
    """The worst of the series that feed it; StoreError when the history cannot be read."""
    if not keys:
        return Objective(target, None)
    spans: list[tuple[str, Spent]] = []
    values: list[float] = []
    known, since = dict.fromkeys(keys, Spent(0.0, 0.0, 0.0)), end
    for name, span in SPANS:  # of a longer span only what is older is read, coarser
        for key in known:
            rows = await history.rollup(key, end - span, since, STEPS.get(span, MINUTE))
            older = await asyncio.to_thread(spent, target, rows.at, rows.mean, end - span, since)
            known[key] = known[key].before(older)
            if since == end:
                values += [value for value in rows.last if math.isfinite(value)][-1:]
        since = end - span
        spans.append((name, max(known.values(), key=lambda one: one.ratio or 0.0)))
    worst = max if target.below is not None else min
    return Objective(target, worst(values) if values else None, tuple(spans))


async def missed(
    history: History, target: Target, keys: Sequence[SeriesKey], start: float, end: float
) -> bool:
    """Whether it was missed at any time of a range, as far as one can see; StoreError as `objective`."""
    step = next((step for span, step in STEPS.items() if end - start <= span), MINUTE)
    for key in keys:
        rows = await history.rollup(key, start, end, step)
        if (await asyncio.to_thread(spent, target, rows.at, rows.mean, start, end)).breach > 0:
            return True
    return False


class Budgets:
    """Publishes a TargetsReport on the topic for as long as it is watched; keeps the pinned baseline."""

    def __init__(self, history: History, store: Store, clock: Clock) -> None:
        self._history, self._store, self._clock = history, store, clock
        self._targets: tuple[Target, ...] = ()
        self._kinds: Mapping[str, str] = {}
        self._topic: Topic[Frame] | None = None
        self._pinned: Pinned | None = None
        self._objectives: tuple[Objective, ...] = ()

    def follow(self, targets: tuple[Target, ...], kinds: Mapping[str, str], topic: Topic[Frame]) -> None:
        """What to look at, and where to tell it; before `run`."""
        self._targets, self._kinds, self._topic = targets, kinds, topic

    async def run(self) -> None:
        """Until cancelled; rests while nobody watches."""
        topic = self._topic
        if topic is None:
            return
        wanted = asyncio.Event()
        release = topic.on_demand(lambda on: wanted.set() if on else wanted.clear())
        if topic.level:
            wanted.set()
        try:
            while True:
                await wanted.wait()
                await self.look()
                measured = any(one.spent and one.spent[0][1].observed for one in self._objectives)
                await asyncio.sleep(EVERY if measured else SOON)
        finally:
            release()

    async def look(self) -> None:
        """One look; a store that cannot be read leaves the last one standing, and says so by itself."""
        end = self._clock.wall()
        with suppress(StoreError):  # a new store has no names yet
            await self._history.known()
        known = self._history.keys()
        try:
            self._pinned = _pinned(await self._store.last_of(LAST))  # another console may have pinned
            found = [
                await objective(self._history, t, keys_of(known, t, self._kinds), end) for t in self._targets
            ]
        except StoreError:
            return
        self._objectives = tuple(found)
        self._tell(end)

    async def pin(self, values: Mapping[str, float]) -> None:
        """Take these figures, by name of target, as what later ones are compared with; none: no baseline.

        Raises:
            StoreError: it cannot be kept; the one before stands.
        """
        at = self._clock.wall()
        await self._store.keep_last(LAST, json.dumps({"at": at, "values": dict(values)}))
        self._pinned = Pinned(at, dict(values)) if values else None
        self._tell(at)

    def _tell(self, at: float) -> None:
        if self._topic is not None:
            report = TargetsReport(self._objectives, self._pinned)
            self._topic.publish(Frame(TOPIC, at, report, {}, seen=at))


def _pinned(last: str) -> Pinned | None:
    """The baseline that is kept; None when there is none, or none that can be read."""
    try:
        found = json.loads(last)
        values = {str(name): float(value) for name, value in found["values"].items()}
        return Pinned(float(found["at"]), values) if values else None
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
