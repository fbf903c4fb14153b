"""L2 on a group that sentinels watch: whoever is its master now."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from perftui.instrument.cache.address import Address
from perftui.instrument.cache.node import Greeting, Node, remaining
from perftui.instrument.cache.ports import LinkChange, LinkEvent
from perftui.instrument.cache.resp import Away, Late, Parts
from perftui.instrument.cache.store import LABEL, SingleStore
from perftui.model.errors import BackendError, Lost, Refused

SETTLED, UNSETTLED = 5.0, 0.1  # seconds between questions while the master answers, and while it does not
WITHIN = 0.5
FIND = 2.0  # seconds a call without a deadline waits for a master to be known
SWITCHED = b"+switch-master"
MEET_EVERY = 60.0  # seconds between questions for the other sentinels
MOST = 16


class SentinelStore(SingleStore):
    """The master by name. Sentinels are asked in turn, and tell of a switch themselves.

    Whom they name counts only if it says itself that it is a master.
    """

    def __init__(
        self,
        sentinels: Sequence[tuple[str, int]],
        name: str,
        login: Address,
        label: str = LABEL,
        password: str = "",
    ) -> None:
        super().__init__(login, label)
        self._name = name
        self._login = login
        self._label = label
        self._watcher = replace(login, username="", password=password, database=0)
        self._asked: list[Node] = []
        self._listening: list[Node] = []
        self._meet_at = float("-inf")
        for host, port in sentinels:
            self._add(host, port)
        self._turn = 0
        self._finder: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self._found = asyncio.Event()
        self._closed = False
        self._problem = "no sentinel said who the master is"
        self.switches = 0

    async def call(self, parts: Parts, within: float | None = None, *, again: bool = False) -> Any:
        """Send a command to the master; `again`: it may go to the next one too."""
        began = time.monotonic()
        if not self._found.is_set():
            await self._find_first(within)
        node = self.node
        try:
            return await node.call(parts, within, again=again)
        except Away as error:
            if error.code in {"READONLY", "MASTERDOWN"}:
                node.drop("is no master any more")
                self._look.set()
            raise
        except Late:
            raise
        except Lost:
            self._look.set()
            if not again or self.node is node or self._closed:
                raise
        return await self.node.call(parts, remaining(within, began))

    def greet(self, *parts: bytes | str, answered: Any = None) -> None:
        """A command each connection to a master sends first."""
        self._find_on()
        if self._found.is_set():
            super().greet(*parts, answered=answered)
        else:
            self._greetings.append(Greeting(parts, answered))

    async def close(self) -> None:
        """Let go; twice is harmless."""
        self._closed = True
        if self._finder is not None:
            self._finder.cancel()
        await asyncio.gather(*(n.close() for n in (self.node, *self._asked, *self._listening)))

    # finding

    def _heard(self, event: LinkEvent) -> None:
        said: Any = event.payload if event.change is LinkChange.PUSH else ()
        if not isinstance(said, list) or len(said) < 3 or said[1] != SWITCHED:
            return
        if isinstance(said[2], bytes) and said[2].startswith(self._name.encode() + b" "):
            self._look.set()

    def _find_on(self) -> None:
        if self._closed:
            raise Lost(f"the group {self._name} is closed")
        if self._finder is None or self._finder.done():
            self._finder = asyncio.create_task(self._find(), name=f"cache sentinel {self._name}")

    async def _find_first(self, within: float | None) -> None:
        self._find_on()
        try:
            async with asyncio.timeout(FIND if within is None else within):
                await self._found.wait()
        except TimeoutError:
            raise Late(self._problem) from None

    async def _find(self) -> None:
        for node in self._listening:
            node.wake()
        while True:
            self._look.clear()
            address = await self._ask()
            if address is not None and await self._is_next(address):
                self._use(address)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SETTLED if self.node.connected else UNSETTLED):
                    await self._look.wait()
            await asyncio.sleep(UNSETTLED / 2)  # however many ask for it

    def _add(self, host: str, port: int) -> None:
        """One connection to ask, one that only listens: a RESP2 one cannot do both."""
        at = replace(self._watcher, host=host, port=port)
        self._asked.append(Node(at, self._heard, [], self._label))
        self._listening.append(Node(at, self._heard, [Greeting(("SUBSCRIBE", SWITCHED))], self._label))

    async def _meet(self, node: Node) -> None:
        """Sentinels that this one knows and we don't: those of the URL may all be replaced one day."""
        self._meet_at = time.monotonic() + MEET_EVERY
        with contextlib.suppress(BackendError, TypeError, ValueError, KeyError):
            rows = await node.call(("SENTINEL", "SENTINELS", self._name), WITHIN, again=True)
            for row in rows:
                facts = row if isinstance(row, dict) else dict(zip(row[::2], row[1::2], strict=True))
                host, port = bytes(facts[b"ip"]).decode(), int(facts[b"port"])
                known = {(one.address.host, one.address.port) for one in self._asked}
                if (host, port) not in known and 0 < port < 65_536 and len(self._asked) < MOST:
                    self._add(host, port)
                    self._listening[-1].wake()

    async def _ask(self) -> Address | None:
        """Whom a sentinel names; while that one does not serve, another sentinel is asked first."""
        if not self.node.connected:
            self._turn += 1
        turn = self._turn % len(self._asked)
        for node in (*self._asked[turn:], *self._asked[:turn]):
            try:
                said = await node.call(
                    ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name), WITHIN, again=True
                )
                host, port = said
                if time.monotonic() >= self._meet_at:
                    await self._meet(node)
                return replace(self._login, host=bytes(host).decode(), port=int(port))
            except BackendError as error:
                self._problem = f"no sentinel said who the master of {self._name} is: {error}"
            except (TypeError, ValueError):
                self._problem = f"the sentinel {node.address.name} knows no group {self._name}"
        return None

    async def _is_next(self, address: Address) -> bool:
        """Whether to go there: a sentinel that missed a switch names one that is dead or a replica now."""
        if not self._found.is_set():
            return True
        if address == self.node.address:
            return False
        there = Node(address, _nobody, [], self._label, master=True)
        try:
            await there.call(("PING",), WITHIN)
        except Refused:
            return True  # it is the login that is wrong: the caller is to hear so
        except BackendError:
            return False
        finally:
            await there.close()
        return True

    def _use(self, address: Address) -> None:
        old = self.node
        self.node = Node(address, self._told, self._greetings, self._label, master=True)
        self.node.wake()
        if self._found.is_set():
            self.switches += 1
            old.retire("is no master any more")
            self._told(LinkEvent(LinkChange.MOVED, old.address.name))
        self._found.set()


def _nobody(_event: LinkEvent) -> None:
    """Nobody is told of a link that is only tried."""
