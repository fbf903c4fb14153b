"""A write-behind journal in a Stream of L2: it survives this node, and another node takes over what it left.

Each item is pending (as a consumer group has it) for the node that added it. A node that says nothing for
CLAIM_S, seen twice, is dead; who claims an item first has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

from perftui.instrument.cache.journal import MOST_DEAD, Dead, Item
from perftui.instrument.cache.lease import RELEASE
from perftui.instrument.cache.names import stream_key
from perftui.instrument.cache.ports import Store
from perftui.model.errors import BackendError, Protocol, Unsupported

GROUP: Final = "writers"
PAGE: Final = 500
CLAIM_S: Final = 10.0
GRAVE_S: Final = 3600.0  # after which the name of a dead node that left nothing is forgotten
WAIT_MS: Final = 300  # for a replica to have what was added; a link silent for half a second is cut
LEASE_S: Final = 10.0  # after which another node may try dead letters again
# Adds items and makes them pending for their node in one step; the group is made with the stream.
ADD: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
end
local ids = {}
for i = 3, #ARGV, 4 do
  local id
  if ARGV[i + 2] == '1' then
    id = redis.call('XADD', KEYS[1], '*', 'q', ARGV[i], 'k', ARGV[i + 1], 'v', ARGV[i + 3])
  else
    id = redis.call('XADD', KEYS[1], '*', 'q', ARGV[i], 'k', ARGV[i + 1])
  end
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'FORCE', 'JUSTID')
  ids[#ids + 1] = id
end
return ids
"""


class StreamJournal:
    """The journal of one namespace, shared by its nodes; `node` is this one's name.

    With a name that stays the same over restarts, what is left is taken up at once, else after CLAIM_S by
    whoever lives. Nothing is acknowledged unless a replica has it too (`WAIT 1`): a primary may die. `store`
    should be this journal's own, for WAIT holds up its connection; and it sends what it is given in one tick
    for one key over one connection, in order.
    """

    shared = True

    def __init__(self, store: Store, namespace: str, node: str, *, replicas: int = 1) -> None:
        self.last = 0
        self.damaged = 0  # entries that were none of ours, and were dropped
        self._store = store
        self._key = stream_key(namespace, "writes")
        self._dead = stream_key(namespace, "dead-writes")
        self._reviving = stream_key(namespace, "dead-writes-lease")
        self._node = node
        self._replicas = replicas
        self._ids: dict[int, bytes] = {}
        self._lock = asyncio.Lock()
        self._unsure = False  # the stream may have what we said it has not
        self._quiet: dict[bytes, int] = {}

    async def open(self) -> list[Item]:
        """What this node left unwritten.

        Raises:
            Unsupported: the server may evict the stream, as `maxmemory-policy allkeys-*` does.
            BackendError: it cannot be asked.
        """
        memory = await self._ask("INFO", "memory", key=self._key)
        facts = dict(line.split(":", 1) for line in memory.decode().splitlines() if ":" in line)
        if facts.get("maxmemory", "0") != "0" and facts.get("maxmemory_policy", "").startswith("allkeys"):
            raise Unsupported(
                f"maxmemory-policy {facts['maxmemory_policy']} may evict the journal: "
                "use volatile-* or noeviction, or a journal in a file"
            )
        return await self._claim(self._node.encode(), 0)

    async def commit(self, added: Sequence[Item], done: Sequence[int]) -> None:
        """Forget, add, and wait for a replica.

        Raises:
            Unsupported: too few replicas have it; it was taken back, as far as that could be done.
            BackendError: no answer; what was added may be there or not, and is taken back later.
        """
        async with self._lock:
            await self._commit(added, done)

    async def _commit(self, added: Sequence[Item], done: Sequence[int]) -> None:
        await self._forget([self._ids[number] for number in done if number in self._ids])
        for number in done:
            self._ids.pop(number, None)
        if not added:
            return
        words: list[bytes | str] = []
        for item in added:
            raw = item.key.encode("utf-8", "surrogatepass")
            words += [str(item.sequence), raw, "0" if item.data is None else "1", item.data or b""]
        unsure, self._unsure = self._unsure, True
        ids, copies = await asyncio.gather(
            self._ask("EVAL", ADD, "1", self._key, GROUP, self._node, *words, key=self._key),
            self._ask("WAIT", str(self._replicas), str(WAIT_MS), key=self._key, within=WAIT_MS / 1000 + 1),
        )
        self._unsure = unsure
        if copies < self._replicas:
            await self._forget(ids)
            raise Unsupported(f"{copies} replicas have the write where {self._replicas} must")
        self._ids.update((item.sequence, name) for item, name in zip(added, ids, strict=True))

    async def bury(self, dead: Sequence[Dead]) -> None:
        """Move to the stream of dead letters; one that is there twice is the same one."""
        for one in dead:
            words = [*_fields(one.item), "e", one.error.encode("utf-8", "replace"), "t", f"{one.at:.3f}"]
            await self._ask("XADD", self._dead, "*", *words, key=self._dead)
        await self.commit([], [one.item.sequence for one in dead])

    async def dead(self) -> list[Dead]:
        """The dead letters, oldest first, each once."""
        return list({d.item.sequence: d for _, d in await self._dead_letters()}.values())

    async def dead_count(self) -> int:
        """How many there are; one that is there twice counts twice.

        A length asked of a stream that is not there would be a miss in the server's counts; this is none.
        """
        try:
            await self._ask("ZADD", self._dead, "XX", "INCR", "0", "0", key=self._dead)
        except Protocol:  # of another type: there is a stream
            return int(await self._ask("XLEN", self._dead, key=self._dead))
        return 0

    async def revive(self, sequences: Sequence[int]) -> list[Item]:
        """Add them again as this node's, then drop them from the dead; none while another node does."""
        lease, token = self._reviving, secrets.token_bytes(12)
        if not await self._ask("SET", lease, token, "NX", "PX", str(round(LEASE_S * 1000)), key=lease):
            return []
        try:
            return await self._revive(set(sequences))
        finally:
            with contextlib.suppress(BackendError):  # it ends by itself, and what was added is ours
                await self._ask("EVAL", RELEASE, "1", lease, token, key=lease)

    async def _revive(self, wanted: set[int]) -> list[Item]:
        letters = [(name, d.item) for name, d in await self._dead_letters() if d.item.sequence in wanted]
        items = list({item.sequence: item for _, item in letters}.values())
        for at in range(0, len(items), PAGE):
            await self.commit(items[at : at + PAGE], [])
        if letters:
            await self._ask("XDEL", self._dead, *(name for name, _ in letters), key=self._dead)
        return items

    async def take_over(self) -> list[Item]:
        """Say that we live; claim what nodes left that have not said so for CLAIM_S at two looks."""
        await self._ask("XCLAIM", self._key, GROUP, self._node, "0", "0-1", "JUSTID", key=self._key)
        async with self._lock:
            await self._take_back()
        found: list[Item] = []
        before, self._quiet = self._quiet, {}
        for name, pending, idle_ms in await self._consumers():
            if name == self._node.encode() or idle_ms < CLAIM_S * 1000:
                continue
            self._quiet[name] = idle_ms
            if idle_ms <= before.get(name, idle_ms):
                continue  # the first look, or it stirred: after a failover idle times are not to be believed
            if pending:
                found += await self._claim(name, 1000)
            elif idle_ms > GRAVE_S * 1000:
                await self._ask("XGROUP", "DELCONSUMER", self._key, GROUP, name, key=self._key)
        return found

    async def close(self) -> None:
        """The store is the caller's."""

    async def _take_back(self) -> None:
        """Forget what an answer that never came has left in our name."""
        if self._unsure:
            ours = set(self._ids.values())
            async for names in self._pending(self._node.encode()):
                await self._forget([name for name in names if name not in ours])
            self._unsure = False

    async def _claim(self, consumer: bytes, idle_ms: int) -> list[Item]:
        """All that is pending for a consumer becomes ours; what another claimed meanwhile does not."""
        found: list[Item] = []
        async for names in self._pending(consumer):
            claim: list[bytes | str] = ["XCLAIM", self._key, GROUP, self._node, str(idle_ms), *names]
            found += await self._items(await self._ask(*claim, key=self._key))
        return found

    async def _pending(self, consumer: bytes) -> AsyncIterator[list[bytes]]:
        """Names of entries that are pending for a consumer, by the page."""
        start = b"-"
        while True:
            try:
                page = await self._ask(
                    *("XPENDING", self._key, GROUP, start, "+", str(PAGE), consumer), key=self._key
                )
            except Protocol:
                return  # NOGROUP: nothing was ever added
            if not page:
                return
            yield [row[0] for row in page]
            start = b"(" + page[-1][0]

    async def _items(self, entries: Iterable[Any]) -> list[Item]:
        items, damaged = [], []
        for entry in entries:
            if entry is None:
                continue
            item = _item(_pairs(entry[1])) if entry[1] else None
            if item is None:
                damaged.append(entry[0])
            else:
                self._ids[item.sequence] = entry[0]
                items.append(item)
        self.damaged += len(damaged)
        await self._forget(damaged)
        return items

    async def _dead_letters(self) -> list[tuple[bytes, Dead]]:
        found: list[tuple[bytes, Dead]] = []
        for name, flat in await self._ask(
            "XRANGE", self._dead, "-", "+", "COUNT", str(MOST_DEAD), key=self._dead
        ):
            fields = _pairs(flat)
            item = _item(fields)
            if item is not None:
                when = fields.get(b"t", b"0")
                at = float(when) if when.replace(b".", b"", 1).isdigit() else time.time()
                found.append((name, Dead(item, fields.get(b"e", b"").decode("utf-8", "replace")[:500], at)))
        return found

    async def _consumers(self) -> list[tuple[bytes, int, int]]:
        """Name, pending items and idle milliseconds of each."""
        try:
            rows = await self._ask("XINFO", "CONSUMERS", self._key, GROUP, key=self._key)
        except Protocol:
            return []
        facts = [row if isinstance(row, dict) else _pairs(row) for row in rows]
        return [(row[b"name"], int(row[b"pending"]), int(row[b"idle"])) for row in facts]

    async def _forget(self, names: Sequence[bytes]) -> None:
        for at in range(0, len(names), PAGE):
            page = names[at : at + PAGE]
            await asyncio.gather(
                self._ask("XACK", self._key, GROUP, *page, key=self._key),
                self._ask("XDEL", self._key, *page, key=self._key),
            )

    async def _ask(self, *parts: bytes | str, key: bytes, within: float | None = None) -> Any:
        return await self._store.command(*parts, key=key, within=within)


def _fields(item: Item) -> list[bytes | str]:
    raw = item.key.encode("utf-8", "surrogatepass")
    value: list[bytes | str] = [] if item.data is None else ["v", item.data]
    return ["q", str(item.sequence), "k", raw, *value]


def _pairs(flat: Any) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=False))


def _item(fields: dict[bytes, bytes]) -> Item | None:
    """None where somebody else wrote into our stream."""
    number, raw = fields.get(b"q", b""), fields.get(b"k")
    if raw is None or not number.isdigit() or len(number) > 19:
        return None
    try:
        return Item(int(number), raw.decode("utf-8", "surrogatepass"), fields.get(b"v"))
    except UnicodeDecodeError:
        return None
