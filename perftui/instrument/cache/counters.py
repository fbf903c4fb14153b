"""What a namespace has counted in this process, and who is told of each event."""

from __future__ import annotations

import logging
from collections.abc import Callable

from perftui.analysis.quantile import Sketch

log = logging.getLogger(__name__)

Plugin = Callable[[str, str], None]
"""Gets the event (`hit miss stale set remove evict load load_failed timeout breaker recover`) and the key.

`evict`: L1 let an entry go for want of room, or because its time was over. `breaker`: L2 is left alone from
now on; no key. `recover`: what could not be told to L2, the other nodes or the edge has been; its key or tag.
"""


class Tally(dict[str, int]):
    """Counts by name, 0 where there is none; to count with a Counter takes five times as long."""

    def __missing__(self, name: str) -> int:
        return 0


class Counters:
    """Counts, and plugins; one that raises is heard no more, and logged once.

    `hits` of L1 are counted by themselves until somebody asks: it is what a hit can afford.
    """

    __slots__ = ("_counts", "_plugins", "heard", "hits")

    def __init__(self) -> None:
        self._counts = Tally()
        self.hits = 0
        self._plugins: list[Plugin] = []
        self.heard = False  # whether anybody listens

    def count(self, what: str) -> None:
        """One more of `what`."""
        self._counts[what] += 1

    @property
    def counts(self) -> Tally:
        """All of them."""
        if self.hits:
            self._counts["hit.l1"] += self.hits
            self.hits = 0
        return self._counts

    def event(self, what: str, key: str) -> None:
        """Tell the plugins; a loop over none where nobody listens."""
        for plugin in tuple(self._plugins):
            try:
                plugin(what, key)
            except Exception:
                log.exception("a cache plugin raised, and is heard no more")
                self._plugins = [one for one in self._plugins if one is not plugin]
                self.heard = bool(self._plugins)

    def listen(self, plugin: Plugin) -> None:
        """One more plugin."""
        self._plugins.append(plugin)
        self.heard = True


class Latencies:
    """How long operations took, as mergeable sketches: `get`, `set`, `load`, of each tier."""

    __slots__ = ("_sketches",)

    def __init__(self) -> None:
        self._sketches: dict[str, Sketch] = {}

    def observe(self, what: str, seconds: float) -> None:
        """One that took so long."""
        sketch = self._sketches.get(what)
        if sketch is None:
            sketch = self._sketches[what] = Sketch()
        sketch.add(seconds)

    def packed(self) -> dict[str, bytes]:
        """Their bytes, as TierStats has them."""
        return {what: sketch.pack() for what, sketch in self._sketches.items()}
