"""L2 on a cluster: each key to the master of its slot, and after it when the slot moves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from perftui.analysis.slots import SLOTS, slot_of
from perftui.instrument.cache.address import Address
from perftui.instrument.cache.node import Greeting, Node, remaining
from perftui.instrument.cache.ports import LinkChange, LinkEvent
from perftui.instrument.cache.resp import Answered, Away, Late, Parts, another
from perftui.instrument.cache.store import LABEL, Told, milliseconds, run_script
from perftui.model.errors import BackendError, Lost, Protocol, Refused, Unsupported

HOPS = 5
FRESH = 0.1  # seconds within which the map is not asked for again
LOOK = 1.0  # seconds between looks at the map, while all is well
TRY_AGAIN = 0.01
WITHIN = 0.5  # seconds for one node to say the map
IMPORTING = 5.0  # seconds a node without slots is kept after an ASK sent us there


class SomeLost(Lost):
    """Some of many keys could not be asked for: `answers` has why in their places, values in the others."""

    def __init__(self, text: str, answers: Sequence[bytes | BackendError | None] = ()) -> None:
        super().__init__(text)
        self.answers = list(answers)


class ClusterStore:
    """Masters by slot. The map is read when first needed, when a key was elsewhere, and each second.

    `refreshed` counts the readings of the map, `redirected` the answers MOVED and ASK.
    """

    def __init__(self, seeds: Sequence[Address], label: str = LABEL) -> None:
        self._seeds = list(seeds)
        self._label = label
        self._told = Told()
        self._greetings: list[Greeting] = []
        self._nodes: dict[str, Node] = {}
        self._owners: list[Node | None] = [None] * SLOTS
        self._importing: dict[str, float] = {}
        self._read_at = float("-inf")
        self._unread: BackendError | None = None
        self._turn = 0
        self._reading: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._closed = False
        self.refreshed = self.redirected = 0

    # what a store does

    async def get(self, key: bytes, *, within: float | None = None) -> bytes | None:
        """The value, or None."""
        found: bytes | None = await self.at_key(key, (b"GET", key), within, again=True)
        return found

    async def get_many(self, keys: Sequence[bytes], *, within: float | None = None) -> list[bytes | None]:
        """One answer a key, in order: a GET each, so that slots do not matter, in one write a node.

        Raises:
            SomeLost: not every key could be asked for; the answers of the others are in it.
        """
        nodes = [self._owners[slot_of(key)] for key in keys]
        asked = [
            node.ask((b"GET", key), within) if node else None for node, key in zip(nodes, keys, strict=True)
        ]
        try:
            answers = [await _outcome(future) for future in asked]
        finally:
            for future in asked:
                if future is not None and not future.cancel() and not future.cancelled():
                    future.exception()
        again = [n for n, one in enumerate(answers) if isinstance(one, BackendError) and not _late(one)]
        second = await asyncio.gather(
            *(self.get(keys[n], within=within) for n in again), return_exceptions=True
        )
        for n, answer in zip(again, second, strict=True):
            if isinstance(answer, BaseException) and not isinstance(answer, BackendError):
                raise answer
            answers[n] = answer
        return _all(answers)

    async def put(self, key: bytes, value: bytes, life: float | None, *, within: float | None = None) -> None:
        """Store for `life` seconds; None: for good."""
        px = (b"PX", milliseconds(life)) if life is not None else ()
        await self.at_key(key, (b"SET", key, value, *px), within, again=True)

    async def put_if_newer(
        self, key: bytes, value: bytes, life: float | None, *, within: float | None = None
    ) -> bool:
        """Store unless what is there has a later stamp; whether it did."""
        return bool(await run_script(_There(self, key), key, value, life, within))

    async def command(self, *parts: bytes | str | float, key: bytes, within: float | None = None) -> Any:
        """Any command, at the master of `key`."""
        return await self.at_key(key, parts, within)

    def now(self) -> float:
        """The clock of the first master that said; all of a cluster's are taken to agree."""
        offset = next((n.offset for n in self._nodes.values() if n.connected and n.offset is not None), None)
        return time.time() if offset is None else time.monotonic() + offset

    def watch(self, told: Callable[[LinkEvent], None]) -> Callable[[], None]:
        """Be told of every master's link, and when slots change hands."""
        return self._told.add(told, [name for name, node in self._nodes.items() if node.connected])

    def greet(
        self, *parts: bytes | str, answered: Callable[[str, Exception | None], None] | None = None
    ) -> None:
        """A command each connection sends first; from now on every master has one."""
        greeting = Greeting(parts, answered)
        self._greetings.append(greeting)
        for node in self._nodes.values():
            node.greet(greeting)
        self._watch_map()

    async def close(self) -> None:
        """Let go; twice is harmless."""
        self._closed = True
        tasks = [task for task in (self._reading, self._watching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *(node.close() for node in self._nodes.values()), return_exceptions=True)

    # routing

    async def at_key(self, key: bytes, parts: Parts, within: float | None, *, again: bool = False) -> Any:
        """A command at the master of a key, wherever the slot goes meanwhile; all within one deadline."""
        began = time.monotonic()
        slot, asking, left = slot_of(key), False, within
        node = self._owners[slot]
        for hop in range(HOPS):
            if node is None:
                node = await self._owner(slot, left)
                left = remaining(within, began)
            try:
                if asking:
                    return await node.call_asking(parts, left)
                return await node.call(parts, left, again=again)
            except Answered as error:
                node, asking = await self._redirected(error, node, slot)
            except Late:
                raise
            except Lost as error:
                await self._map(remaining(within, began))
                if isinstance(error, Away) or not again or hop + 1 == HOPS or self._owners[slot] is node:
                    raise
                node = None
            left = remaining(within, began)
        raise Lost(f"slot {slot} was somewhere else {HOPS} times")

    async def _redirected(self, error: Answered, node: Node, slot: int) -> tuple[Node, bool]:
        """Where to go instead, and whether to say ASKING there."""
        if error.code in {"MOVED", "ASK"}:
            self.redirected += 1
            target = self._at(error, node)
            if error.code == "ASK":
                self._importing[target.address.name] = time.monotonic()
                return target, True
            self._owners[slot] = target
            self._refresh()
            return target, False
        if error.code == "TRYAGAIN":
            await asyncio.sleep(TRY_AGAIN)
            return node, True
        raise error

    async def _owner(self, slot: int, within: float | None) -> Node:
        """The master of a slot nobody was known for."""
        problem = await self._map(within)
        node = self._owners[slot]
        if node is None:
            raise another(problem) if problem else Lost(f"no master has slot {slot}")
        return node

    def _at(self, error: Answered, like: Node) -> Node:
        """The node an answer names by host:port; an empty host is the one that answered."""
        try:
            host, _, port = str(error).split()[2].rpartition(":")
            address = replace(like.address, host=host.strip("[]") or like.address.host, port=int(port))
        except (IndexError, ValueError):
            raise Protocol(f"{like.address.name} sent us nowhere: {error}") from None
        return self._known(address)

    def _known(self, address: Address) -> Node:
        node = self._nodes.get(address.name)
        if node is None:
            node = self._nodes[address.name] = Node(address, self._told, self._greetings, self._label)
        return node

    # the map

    def _watch_map(self) -> None:
        if self._closed:
            raise Lost("this cluster's store is closed")
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._look(), name="cache cluster map")

    async def _look(self) -> None:
        while True:
            reading = self._refresh()
            if reading is not None:
                await asyncio.wait({reading})
            await asyncio.sleep(LOOK)

    def _refresh(self) -> asyncio.Task[None] | None:
        """Read the map again, for all who want it, and not if it is only just read."""
        self._watch_map()
        if self._reading is not None and not self._reading.done():
            return self._reading
        if time.monotonic() - self._read_at < FRESH:
            return None
        self._reading = asyncio.create_task(self._read(), name="cache cluster map")
        self._reading.add_done_callback(_seen)
        return self._reading

    async def _map(self, within: float | None) -> BackendError | None:
        """The map read again, or why not."""
        reading = self._refresh()
        if reading is None:
            return self._unread
        await asyncio.wait({reading}, timeout=within)
        if not reading.done():
            return Late("the cluster's map did not come in time")
        problem = None if reading.cancelled() else reading.exception()
        if problem is not None and not isinstance(problem, BackendError):
            raise problem
        return problem

    async def _read(self) -> None:
        """Ask one node after the other, beginning with another each time: one may hang."""
        problem: BackendError = Lost("no node of the cluster was named")
        self._turn += 1
        nodes = list(self._nodes.values())
        turn = self._turn % max(1, len(nodes))
        nodes = sorted(nodes[turn:] + nodes[:turn], key=lambda node: not node.connected)
        for node in dict.fromkeys((*nodes, *(self._known(seed) for seed in self._seeds))):
            try:
                self._learn(await node.call(("CLUSTER", "SLOTS"), WITHIN, again=True), node)
            except (Refused, Unsupported):
                raise
            except BackendError as error:
                problem = error
            else:
                return
        self._read_at, self._unread = time.monotonic(), problem
        raise problem

    def _learn(self, ranges: Any, told_by: Node) -> None:
        owners: list[Node | None] = [None] * SLOTS
        try:
            for first, last, master, *_ in ranges:
                host = bytes(master[0] or b"").decode() or told_by.address.host
                node = self._known(replace(told_by.address, host=host, port=int(master[1])))
                for slot in range(max(first, 0), min(last + 1, SLOTS)):
                    owners[slot] = node
        except (TypeError, ValueError, IndexError) as error:
            raise Protocol(f"{told_by.address.name} has a map that cannot be read: {error}") from None
        before, self._owners = self._owners, owners
        self._read_at, self._unread = time.monotonic(), None
        self.refreshed += 1
        used = {node for node in owners if node is not None}
        for node in used if self._greetings else ():
            node.wake()
        if before != owners and any(before):
            self._told(LinkEvent(LinkChange.MOVED, ""))
        self._forget(used, told_by)

    def _forget(self, used: set[Node], told_by: Node) -> None:
        """Let those go that have no slots any more, unless they are just getting some."""
        since = time.monotonic() - IMPORTING
        self._importing = {name: at for name, at in self._importing.items() if at > since}
        for name, node in list(self._nodes.items()):
            if node in used or name in self._importing:
                continue
            del self._nodes[name]
            node.retire("is no master any more")
            if node is not told_by:
                self._told(LinkEvent(LinkChange.MOVED, name))


class _There:
    """For a script: the node that has the key by then."""

    def __init__(self, store: ClusterStore, key: bytes) -> None:
        self._store, self._key = store, key

    async def call(self, parts: Parts, within: float | None = None, *, again: bool = False) -> Any:
        """Send a command and wait for its reply."""
        return await self._store.at_key(self._key, parts, within, again=again)


async def _outcome(future: asyncio.Future[Any] | None) -> bytes | BackendError | None:
    """A reply, or why there is none."""
    if future is None:
        return Lost("not asked yet")
    with contextlib.suppress(BackendError):
        found: bytes | None = await future
        return found
    problem = future.exception()
    assert isinstance(problem, BackendError)
    return problem


def _late(error: BackendError) -> bool:
    return isinstance(error, Late)


def _all(answers: list[bytes | BackendError | None]) -> list[bytes | None]:
    """The answers, if there is one for every key."""
    problems = [one for one in answers if isinstance(one, BackendError)]
    if not problems:
        return [one for one in answers if not isinstance(one, BackendError)]
    if len(problems) == len(answers):
        raise problems[0]
    raise SomeLost(f"{len(problems)} of {len(answers)} keys: {problems[0]}", answers)


def _seen(task: asyncio.Future[Any]) -> None:
    """Whoever wants to know why a map was not read looks at it; others need not."""
    if not task.cancelled():
        task.exception()
