"""Why an entry was not there: counted where a miss is, so that a hit pays nothing for it."""

from __future__ import annotations

from typing import Final

from perftui.instrument.cache.core import Core
from perftui.instrument.cache.entry import Entry
from perftui.instrument.cache.l2 import Kept
from perftui.instrument.cache.state import DIRTY
from perftui.instrument.cache.tags import Verdict

ABSENT: Final = "miss.absent"
EXPIRED: Final = "miss.expired"
REMOVED: Final = "miss.removed"
TAG: Final = "miss.tag"
AWAY: Final = "miss.away"


def cause(core: Core, kept: Kept, had: Entry | None, found: Entry | None) -> str:
    """The counter of a miss: what L2 said, what L1 had, what L2 had.

    `absent`: no tier has it (never loaded, evicted, or gone at its end); `expired`: past its life; `removed`:
    somebody removed it; `tag`: one of its tags was; `away`: L2 did not say, and L1 has nothing that is known.
    """
    newest = found or had
    silent = kept is Kept.FAILED and core.l2 is not None
    if kept is Kept.REMOVED:
        return REMOVED
    if kept is Kept.EXPIRED:
        return EXPIRED
    if newest is None:
        return AWAY if silent else ABSENT
    if core.tags.judge(newest.tags) in {Verdict.STALE, Verdict.GONE}:
        return TAG
    if newest.fresh_until <= core.now():
        return EXPIRED
    if newest.epoch == DIRTY:  # somebody changed it since
        return AWAY if silent else REMOVED
    return TAG
