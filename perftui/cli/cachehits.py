"""Hit ratios of a quarter of an hour and of a day, as a console or an agent recorded them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from perftui.cli import common, when
from perftui.model.errors import StoreError
from perftui.model.hitpast import WINDOWS, HitPast, PastRatio

if TYPE_CHECKING:
    from perftui.session import Session

NAMES = dict(zip(WINDOWS, ("15m", "24h"), strict=True))


async def recorded(session: Session, sources: Iterable[str]) -> Mapping[str, HitPast]:
    """What the store holds of each; nothing, said on stderr, where it cannot be read."""
    from perftui.runtime.hitpast import HitRecords

    try:
        async with when.stored(session.config) as past:
            if past is None:
                return {}
            records = HitRecords(past.history, session.clock)
            return {source: await records.hits(source) for source in sources}
    except StoreError as error:
        common.narrate(str(error))
        return {}


def columns(ratios: Sequence[PastRatio], name: str = "hit_ratio") -> dict[str, float | None]:
    """Of JSON and CSV: the ratio of each window, and how many seconds of it are recorded."""
    known = {past.window: past for past in ratios}
    row: dict[str, float | None] = {}
    for window, word in NAMES.items():
        past = known.get(window)
        row[f"{name}_{word}"] = past.ratio if past else None
        row[f"{name}_{word}_recorded_s"] = past.seen_s if past else 0.0
    return row


def text(ratios: Sequence[PastRatio]) -> str:
    """Of a line: `15 m 93.1%, 24 h 95.0% (3 h recorded)`; that nothing is recorded where nothing is."""
    from perftui.draw.hitpast import words

    return words(ratios) or "nothing recorded of the last 24 h"
