"""Removal by tag in O(1): entries carry their tags' tokens, and a removal draws new ones."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from functools import partial
from typing import NamedTuple

from perftui.instrument.cache.entry import Entry, Facts
from perftui.instrument.cache.names import EVERYTHING, tag_key
from perftui.instrument.cache.ports import Clock, Guard, Store, unguarded
from perftui.instrument.cache.resp import Full
from perftui.model.errors import BackendError
from perftui.model.tagtokens import LIFE, TOKEN

TOUCHED_EVERY = 86400.0  # a key whose life has lost as much is drawn out by who uses it
AGAIN = 5.0  # seconds after which a tag that could not be put into L2 is tried again
REMEMBERED = 100_000
_RACES = 3  # an answer that a change crossed is asked for again so often

EXPIRE = """
local had = redis.call('GET', KEYS[1])
local kept = ARGV[2]
if had and #had == 12 then kept = string.sub(had, 7) end
redis.call('SET', KEYS[1], ARGV[1] .. kept, 'PX', ARGV[3])
return kept"""

# Only where a day of its life is gone: others are told of every change, and would draw it out in turn.
TOUCH = """
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left < ARGV[1] - ARGV[2] then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return left"""

Tokens = tuple[tuple[str, bytes, bytes], ...]
MOST_SHARED = 1000  # combinations of tags and tokens
MOST_FACTS = 4000  # combinations of these with a ttl and a time of loading


class Pair(NamedTuple):
    """A tag's tokens as known here; `remove` is None while it is not known, b"" when L2 has none.

    `own`: L2 did not say, and what it has of them may be others.
    """

    expire: bytes
    remove: bytes | None
    touched: float = 0.0
    own: bool = False


class Verdict(Enum):
    """What an entry's tags say about it."""

    FRESH = "fresh"
    STALE = "stale"  # a tag was expired: fail-safe may still serve it
    GONE = "gone"  # a tag was removed, or L2 does not know it: as if the entry were not there
    UNKNOWN = "unknown"  # a tag's tokens are not known here: `fetch` first


class Tags:
    """The tokens of one namespace as this process knows them, kept current by the invalidation link.

    `changed` is called when entries that were found current may no longer be, with the tags of which it is
    known that somebody changed them. Without a store the tokens are this process' own. A tag that L2 does not
    have (evicted, flushed) counts as removed: nothing comes back to life.
    """

    def __init__(
        self, namespace: str, store: Store | None, clock: Clock, changed: Callable[[Collection[str]], None]
    ) -> None:
        self.store = store
        self.guarded: Guard = unguarded
        self._namespace = namespace
        self._clock = clock
        self._changed = changed
        self._known: dict[str, Pair] = {}
        self._telling: Counter[str] = Counter()  # changes that are on their way to L2
        self.owed: Callable[[str], bool] = _nothing  # whether L2 is still to be told of a change of this tag
        self._turn = 0
        self._asking = 0
        self._turned: dict[str, int] = {}  # what changed while something was being asked
        self._carried: dict[Tokens, Tokens] = {}
        self._facts: dict[Facts, Facts] = {}

    def shared(self, tags: Tokens) -> Tokens:
        """Equal tokens as one object: thousands of entries carry the same few."""
        if len(self._carried) >= MOST_SHARED:
            self._carried.clear()
        return self._carried.setdefault(tags, tags)

    def slim(self, entry: Entry) -> None:
        """Share what is equal in an entry and others, or twice in it."""
        tags, ttl, load_s, etag, modified = entry.facts
        facts = (self.shared(tags), ttl, load_s, etag, modified)
        if len(self._facts) >= MOST_FACTS:
            self._facts.clear()
        entry.facts = facts if etag or modified else self._facts.setdefault(facts, facts)
        if entry.kept_until == entry.fresh_until:
            entry.kept_until = entry.fresh_until
        if entry.ends == entry.fresh_until:
            entry.ends = entry.fresh_until

    def judge(self, tags: Tokens) -> Verdict:
        """Whether an entry that carries `tags` is current, from what is known here."""
        known, verdict, sure = self._known, Verdict.FRESH, True
        for name, expire, remove in tags:
            pair = known.get(name)
            if pair is None or (pair.own and pair.remove != remove):
                sure = False
            elif pair.remove is not None and (pair.remove != remove or not remove):
                return Verdict.GONE
            elif pair.expire != expire:
                verdict = Verdict.STALE
        return verdict if sure else Verdict.UNKNOWN

    def renewed(self, tags: Tokens) -> Tokens:
        """The tokens by which what a tag's expiry made stale counts as current; not what a removal ended."""
        known = self._known
        pairs = ((name, expire, remove, known.get(name)) for name, expire, remove in tags)
        return tuple(
            (name, expire if pair is None or pair.remove not in {None, remove} else pair.expire, remove)
            for name, expire, remove, pair in pairs
        )

    async def tokens(
        self, names: Iterable[str], *, before: Tokens = (), within: float | None = None
    ) -> Tokens:
        """The current tokens of `names` and of everything, as an entry loaded from now on carries them.

        Of a tag that is in `before` the ones that are there: the load began when it had these.

        A new tag gets its tokens. When L2 does not answer, or has no room, a tag unknown here gets some of
        this process alone: its entries are current here, and gone once L2 takes them. It is asked again soon.
        """
        wanted = tuple(dict.fromkeys((EVERYTHING, *names)))
        old = self._clock.monotonic() - TOUCHED_EVERY
        # What is told of a tag while another is asked for lets its tokens be forgotten.
        for _ in range(_RACES):
            unsure = [name for name in wanted if not self._usable(name, old)]
            if not unsure:
                break
            try:
                await self._make(unsure, within)
            except BackendError:
                self._keep(
                    {name: self._instead(name, old + AGAIN) for name in unsure if not self._usable(name)}
                )
                break
        found = [(name, self._known.get(name) or _drawn(old)) for name in wanted]
        had = {one[0]: one for one in before}
        return tuple(had.get(name) or (name, pair.expire, pair.remove or b"") for name, pair in found)

    def _instead(self, name: str, touched: float) -> Pair:
        """Tokens for a tag while L2 does not take any; what had others is gone if L2 said it has none."""
        return _drawn(touched)._replace(own=name not in self._known)

    def _usable(self, name: str, since: float = float("-inf")) -> bool:
        pair = self._known.get(name)
        return pair is not None and bool(pair.remove) and pair.touched >= since

    async def fetch(self, names: Iterable[str], *, within: float | None = None) -> None:
        """Learn the tokens of those that are not known here.

        Raises:
            BackendError: L2 does not answer.
        """
        asked = [name for name in dict.fromkeys(names) if name not in self._known]
        if self.store is None:
            self._keep({name: Pair(b"", b"") for name in asked})
        elif asked:
            await self._ask(self.store, asked, within)

    async def bump(self, names: Iterable[str], *, remove: bool, within: float | None = None) -> None:
        """Make every entry with one of these tags stale, or gone with `remove`: here at once, then in L2.

        Raises:
            BackendError: L2 was not told; here it holds all the same, and `bump` may be called again.
        """
        drawn: dict[str, Pair] = {}
        for name in dict.fromkeys(names):
            known = self._known.get(name)
            kept = _token() if remove else (known.remove if known and not known.own else None)
            drawn[name] = Pair(_token(), kept, self._clock.monotonic())
        self._change(drawn)
        self._keep(drawn)
        self._changed(drawn)
        if self.store is not None:
            self._telling.update(drawn.keys())
            try:
                await self.guarded(partial(self._write, self.store, drawn, within, remove=remove))
            finally:
                self._telling -= Counter(drawn.keys())
        else:
            self._keep({n: p._replace(remove=_token()) for n, p in drawn.items() if p.remove is None})

    async def adopt(self, tags: Tokens, *, within: float | None = None) -> bool:
        """Let an entry's tokens be those of tags that L2 lost; whether all of them are current then.

        For what was stored while L2 was away: a server that came back empty knows none of them.

        Raises:
            BackendError: L2 does not answer.
        """
        store = self.store
        if store is None:
            return True
        await self.guarded(partial(self._put, store, [(n, e + r) for n, e, r in tags], within))
        await self.fetch([name for name, _, _ in tags], within=within)
        return self.judge(tags) is Verdict.FRESH and not any(self._ours(name) for name, _, _ in tags)

    def heard(self, name: str) -> None:
        """Another node, or somebody foreign, changed this tag."""
        self._change((name,))
        if self.owed(name) and name not in self._telling:  # what L2 has may be of before our change
            self._known[name] = _drawn(float("-inf"))
        else:
            self._known.pop(name, None)
        self._changed((name,))

    def forget(self) -> None:
        """Nothing known here counts, but of what L2 does not know: the link was lost, or L2 was flushed.

        What was stored since such a change is no more fresh: others may have changed the tag after it.
        """
        self._change(self._known)
        self._known = {
            name: pair if name in self._telling else pair._replace(expire=_token(), touched=float("-inf"))
            for name, pair in self._known.items()
            if self._ours(name)
        }
        self._changed(())

    def _ours(self, name: str) -> bool:
        """Whether a change made here is not, or not surely, in L2."""
        return name in self._telling or self.owed(name)

    async def _make(self, names: list[str], within: float | None) -> None:
        """Learn the tokens of `names`, draw those that L2 lacks, and draw out all their lives."""
        store = self.store
        if store is None:
            self._keep({name: self._alive(name) for name in names})
            return
        await self._ask(store, names, within)
        new = [name for name in names if not self._usable(name)]
        if new:
            drawn = [(name, _token() + _token()) for name in new]
            await self.guarded(partial(self._put, store, drawn, within))
            for name in new:
                self._known.pop(name, None)
            await self._ask(store, new, within)
        else:
            await self.guarded(partial(self._touch, store, names, within))

    async def _put(self, store: Store, tokens: Iterable[tuple[str, bytes]], within: float | None) -> None:
        """Tokens to L2, where it has none of the tag."""
        puts, life = [(tag_key(self._namespace, name), both) for name, both in tokens], int(LIFE * 1000)
        await asyncio.gather(
            *(store.command("SET", k, v, "NX", "PX", life, key=k, within=within) for k, v in puts)
        )

    async def _touch(self, store: Store, names: Iterable[str], within: float | None) -> None:
        whole, day = int(LIFE * 1000), int(TOUCHED_EVERY * 1000)
        keys = [tag_key(self._namespace, name) for name in names]
        await asyncio.gather(
            *(store.command("EVAL", TOUCH, 1, k, whole, day, key=k, within=within) for k in keys)
        )

    def _alive(self, name: str) -> Pair:
        """This process' own tokens, without a store: those there are, for as long as wanted."""
        pair = self._known.get(name)
        now = self._clock.monotonic()
        return pair._replace(touched=now) if pair and pair.remove else _drawn(now)

    async def _ask(self, store: Store, names: list[str], within: float | None) -> None:
        self._asking += 1
        try:
            for _ in range(_RACES):
                began = self._turn
                keys = [tag_key(self._namespace, name) for name in names]
                answers = await self.guarded(partial(store.get_many, keys, within=within))
                now = self._clock.monotonic()
                got = dict(zip(names, (_read(answer, now) for answer in answers), strict=True))
                self._keep({n: self._with(n, p) for n, p in got.items() if self._turned.get(n, 0) <= began})
                names = [n for n in names if n not in self._known]
                if not names:
                    return
        finally:
            self._asking -= 1
            if not self._asking:
                self._turned.clear()

    def _with(self, name: str, said: Pair) -> Pair:
        """What L2 said of a tag, and what it does not know yet."""
        known = self._known.get(name)
        if known is None or not self._ours(name):
            return said
        return known._replace(remove=known.remove or said.remove)

    async def _write(
        self, store: Store, drawn: Mapping[str, Pair], within: float | None, *, remove: bool
    ) -> None:
        """Tokens to L2; one whose other half is not known here learns it from there."""
        results = await asyncio.gather(
            *(self._write_or_drop(store, name, pair, within, remove=remove) for name, pair in drawn.items()),
            return_exceptions=True,
        )
        failed = next((r for r in results if isinstance(r, BaseException)), None)
        if failed is not None:
            raise failed

    async def _write_or_drop(
        self, store: Store, name: str, pair: Pair, within: float | None, *, remove: bool
    ) -> None:
        """To a full server nothing can be written; a tag that it lacks counts as removed."""
        try:
            await self._write_one(store, name, pair, within, remove=remove)
        except Full:
            key = tag_key(self._namespace, name)
            await store.command("UNLINK", key, key=key, within=within)

    async def _write_one(
        self, store: Store, name: str, pair: Pair, within: float | None, *, remove: bool
    ) -> None:
        key = tag_key(self._namespace, name)
        if remove:
            await store.put(key, pair.expire + (pair.remove or b""), LIFE, within=within)
            return
        spare, life = pair.remove or _token(), int(LIFE * 1000)
        kept = await store.command("EVAL", EXPIRE, 1, key, pair.expire, spare, life, key=key, within=within)
        known = self._known.get(name)
        if known and known.expire == pair.expire and isinstance(kept, bytes) and len(kept) == TOKEN:
            self._known[name] = known._replace(remove=kept)

    def _change(self, names: Iterable[str]) -> None:
        """Answers to questions asked before now say nothing about these."""
        if self._asking:
            self._turn += 1
            self._turned.update(dict.fromkeys(names, self._turn))

    def _keep(self, pairs: Mapping[str, Pair]) -> None:
        if len(self._known) + len(pairs) > REMEMBERED:
            self.forget()
        self._known.update(pairs)


def _nothing(_name: str) -> bool:
    return False


def _token() -> bytes:
    return secrets.token_bytes(TOKEN)


def _drawn(touched: float) -> Pair:
    return Pair(_token(), _token(), touched)


def _read(answer: bytes | None, now: float) -> Pair:
    """A tag's value; what is none of ours, or half of one, counts as missing."""
    if answer is None or len(answer) != 2 * TOKEN:
        return Pair(b"", b"", now)
    return Pair(answer[:TOKEN], answer[TOKEN:], now)
