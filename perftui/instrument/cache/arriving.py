"""What was done to a cache in another region, done here: by stamps, so that late or twice does no harm."""

from __future__ import annotations

from typing import Final

from perftui.instrument.cache.core import Core
from perftui.instrument.cache.l2 import L2
from perftui.instrument.cache.names import EVERYTHING
from perftui.instrument.cache.ports import Notice, NoticeKind
from perftui.instrument.cache.stamp import shifted
from perftui.model.envelope import NEVER, Envelope, pack, unpack
from perftui.model.errors import Lost
from perftui.model.tiers import EntryOptions

WITHIN: Final = 1.0
APART: Final = 0.1


async def arrive(core: Core, notice: Notice, *, gone: bool, data: bytes | None, now: float) -> bool:
    """Do it in L2 and here; whether the value in `data` was of use: the envelope there, or None.

    `now` is what the other L2's clock shows: its stamps and lives are put into this one's time. How far they
    are apart is known to half a round trip only, so a change without a value counts as APART later: no load
    that may have begun before it is kept.

    Raises:
        BackendError: L2 did not take it; do it again.
    """
    if notice.kind in {NoticeKind.TAG, NoticeKind.CLEAR}:
        await core.tags.bump((notice.key,), remove=gone, within=WITHIN)
        if gone and notice.key == EVERYTHING and core.memory is not None:
            core.memory.clear()
        taken = False
    else:
        taken = await _key(core, notice, data, now)
    await core.tell(notice.kind, notice.key, notice.stamp, EntryOptions())
    return taken


async def _key(core: Core, notice: Notice, data: bytes | None, now: float) -> bool:
    l2 = core.l2
    if l2 is None:
        raise Lost("there is no L2 to tell of it")
    taken, ahead = False, l2.store.now() - now
    later = shifted(notice.stamp, ahead + APART)
    if notice.kind is NoticeKind.EXPIRE:
        await l2.expire(notice.key, later, WITHIN)
    else:
        taken = data is not None and await _taken(core, l2, notice, data, ahead)
        if not taken:
            await l2.bury(notice.key, later, WITHIN)
    core.dropped(notice.key)
    return taken


async def _taken(core: Core, l2: L2, notice: Notice, data: bytes, ahead: float) -> bool:
    """Keep the value with this region's tokens and clock; False where it is not the one meant, or cannot be.

    One packed with a dictionary cannot: the other region has dictionaries of its own.
    """
    had = unpack(data)
    if not isinstance(had, Envelope) or had.removed or had.dictionary or had.stamp < notice.stamp:
        return False
    now = l2.store.now()
    until = had.fresh_until if had.fresh_until == NEVER else had.fresh_until + ahead
    if until <= now:
        return False
    names = [name for name, _, _ in had.tags if name != EVERYTHING]
    tokens = await core.tags.tokens(names, within=WITHIN)
    stamp = shifted(had.stamp, ahead)
    core.stamps.seen(stamp)
    made = had._replace(stamp=stamp, tags=tokens, fresh_until=until)
    life = None if until == NEVER else until - now + had.kept
    await l2.write(notice.key, pack(*made), life, if_newer=True, within=WITHIN)
    return True
