"""When a value that is still fresh is loaded again, so that nobody finds it gone."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Final

from perftui.analysis import xfetch
from perftui.instrument.cache.entry import Entry
from perftui.model.tiers import EntryOptions

MOST: Final = 1000  # keys that are left alone


class Rests:
    """Keys whose early load failed: a source that fails is not asked again at each hit."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until: dict[str, float] = {}

    def begin(self, key: str, seconds: float) -> None:
        """Leave it alone for so long."""
        self.end(key)
        self._until[key] = self._now() + seconds
        if len(self._until) > MOST:
            del self._until[next(iter(self._until))]

    def end(self, key: str) -> None:
        """It was loaded."""
        self._until.pop(key, None)

    def __contains__(self, key: str) -> bool:
        return bool(self._until) and self._until.get(key, 0.0) > self._now()


def early(entry: Entry, now: float, options: EntryOptions) -> bool:
    """Whether a fresh hit should begin a load: past the eager point, or by XFetch's draw."""
    if entry.ends == math.inf:
        return False
    if options.eager_at is not None and entry.ends - now <= entry.ttl * (1 - options.eager_at):
        return True
    beta = options.early_beta
    if not beta or not entry.load_s:
        return False
    draw = random.random()  # noqa: S311 - a draw, not a secret
    return xfetch.early(entry.ends - now, entry.load_s, beta, draw)
