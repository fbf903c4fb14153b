"""The parts of a cache put together, taken apart, and counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final, Self

from perftui.instrument.cache.ahead import loading
from perftui.instrument.cache.context import MISS
from perftui.instrument.cache.core import Core
from perftui.instrument.cache.counters import Counters
from perftui.instrument.cache.dictionaries import Dictionaries
from perftui.instrument.cache.entry import Entry
from perftui.instrument.cache.envelope import Sealer
from perftui.instrument.cache.flight import Flights
from perftui.instrument.cache.invalidation import Tracking
from perftui.instrument.cache.l2 import L2
from perftui.instrument.cache.lease import L2Lock
from perftui.instrument.cache.localcopies import Lending
from perftui.instrument.cache.memory import Memory
from perftui.instrument.cache.orders import Orders
from perftui.instrument.cache.policy import Policy
from perftui.instrument.cache.ports import (
    Backplane,
    Clock,
    EdgePurger,
    LoadLock,
    Part,
    Relaying,
    Serializer,
    Source,
    Store,
    Writer,
)
from perftui.instrument.cache.stamp import Stamps
from perftui.model.envelope import Why
from perftui.model.misscurve import MissCurve
from perftui.model.tiers import FAST, EntryOptions, TierStats

if TYPE_CHECKING:
    from perftui.instrument.cache.sampling import Sampling
    from perftui.instrument.cache.stats import Publisher
    from perftui.instrument.cache.writebehind import WriteBehind

END = 5.0  # seconds for what runs behind, when the cache is closed
SWEEP = 1.0
IMMUTABLE: Final = (str, bytes, int, float, bool, type(None), tuple, frozenset)


class SystemClock:
    """The machine's."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)


class Wired:
    """A cache's parts; `Cache` says what may be given."""

    def __init__(
        self,
        name: str,
        *,
        l1: Memory | int | None = 10_000,
        l2: Store | str | None = None,
        backplane: Backplane | None = None,
        lock: LoadLock | None = None,
        source: Source | None = None,
        writer: Writer | None = None,
        edge: EdgePurger | None = None,
        serializer: Serializer | None = None,
        sealer: Sealer | None = None,
        clock: Clock | None = None,
        defaults: EntryOptions = FAST,
        copy: str = "never",
        enabled: bool = True,
        listen: bool = True,
        publish: bool = True,
        writes: WriteBehind | None = None,
        pages: bool = False,
        curve: bool = True,
    ) -> None:
        if not name or ":__" in name or copy not in {"never", "mutable"}:
            raise ValueError("a cache has a name without ':__', and copies 'never' or what is 'mutable'")
        self.name = name
        self.defaults = defaults
        self.policy = Policy(self)
        self.enabled = enabled
        self.source, self.writer, self.edge = source, writer, edge
        self.relaying: Relaying | None = None
        self._copy = copy == "mutable"
        self._listen = listen
        self._publish = publish
        self._publisher: Publisher | None = None
        self.writes = writes
        self._used = _lender() if pages else None
        self._clock = clock or SystemClock()
        self.counters = Counters()
        self._sealer = sealer or Sealer(serializer)
        memory = Memory(l1) if isinstance(l1, int) else l1
        self._core = self._cored(memory)
        self._sampling: Sampling | None = None
        if curve and enabled and memory is not None:
            self._sample(memory)
        self.lending = Lending(self._core, self._is_told)
        self._flights = Flights(self._core)
        self.orders = Orders(self._core, self._flights, lambda: self.writes)
        if writes is not None:
            self._flights.pending = lambda key: writes.value(key) if writes.pending(key) else MISS
        self._tracking: Tracking | None = None
        self._own_store = False
        self._own_lock = lock is None
        self._dictionaries: Dictionaries | None = None
        self._core.lock = lock
        self._closed = False
        self._parts: list[Part] = []
        self._sweeper: asyncio.Task[None] | None = None
        if backplane is not None:
            self.attach_backplane(backplane)
        if l2 is not None:
            self.attach(l2)
        self._hasten()

    def _hasten(self) -> None:
        """Take the quickest way for hits, now that all parts are known."""

    def _cored(self, memory: Memory | None) -> Core:
        packed = self._sealer.serializer.dumps
        stamps = Stamps(self._server_now)
        return Core(self.name, memory, self._clock, stamps, self.counters, lambda value: len(packed(value)))

    # tiers

    def attach(self, l2: Store | str) -> None:
        """Use an L2 from now on; operations that run go on with what they began with."""
        from perftui.instrument.cache.store import open_store

        if self._core.l2 is not None:
            publisher, self._publisher = self._publisher, None
            own, before = self._own_store, self.detach()
            self._core.spawn(_left(publisher, before if own else None))
        self._own_store = isinstance(l2, str)
        store = open_store(l2) if isinstance(l2, str) else l2
        core = self._core
        core.l2 = L2(self.name, store, self._sealer, self._clock, self.counters)
        core.tags.store, core.tags.guarded = store, core.l2.aside
        core.tags.forget()
        self._dictionaries = Dictionaries(store, self.name, self._sealer.packer)
        self._dictionaries.follow(lambda: self._sealer.unreadable[Why.DICTIONARY])
        if self._own_lock:
            core.lock = L2Lock(self.name, store, core.l2.aside)
        if self._listen:
            self._tracking = Tracking(self.name, store, core)
        if self._publish:
            from perftui.instrument.cache.stats import Publisher

            self._publisher = Publisher(store, self.stats, self._look)
            self._publisher.start()
        self.sweeping()

    async def _look(self) -> None:
        """Obey what a console set, and what it orders."""
        await asyncio.gather(self.policy.look(), self.orders.look())

    def detach(self) -> Store | None:
        """Go on without L2; the store, for its owner to close: the caller, where the cache had opened it."""
        core = self._core
        l2, core.l2 = core.l2, None
        if self._tracking is not None:
            self._tracking.close()
            self._tracking = None
        self.lending.obey(None)
        core.tags.store = None
        if self._publisher is not None:
            core.spawn(self._publisher.close())
            self._publisher = None
        if self._dictionaries is not None:
            self._dictionaries.stop()
        if self._own_lock:
            core.lock = None
        return l2.store if l2 is not None else None

    def attach_backplane(self, backplane: Backplane) -> None:
        """Tell other nodes through it, and hear them."""
        self._core.backplane = backplane
        if self._listen:
            backplane.listen(self._core.noticed, lambda up: self._core.linked(up=up))

    def beside(self, part: Part) -> None:
        """Count a part in `stats`, and close it before the cache."""
        self._parts.append(part)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is beside it."""
        return tuple(self._parts)

    @property
    def memory(self) -> Memory | None:
        """L1."""
        return self._core.memory

    @property
    def store(self) -> Store | None:
        """L2 as it is now."""
        return self._core.l2.store if self._core.l2 is not None else None

    @property
    def lock(self) -> LoadLock | None:
        """One loader over all processes."""
        return self._core.lock

    @property
    def node(self) -> str:
        """This process' name among those of the namespace."""
        return self._core.stamps.node.hex()

    @property
    def clock(self) -> Clock:
        """What entries live by."""
        return self._clock

    @property
    def hears(self) -> bool:
        """Whether every server that is reached tells this cache of changes."""
        return self._tracking is not None and self._tracking.armed

    def _is_told(self) -> bool:
        """Whether others' changes are heard of at all, if the link is up."""
        by_server = self._tracking is not None and self._tracking.refused is None
        return self.enabled and self._listen and (by_server or self._core.backplane is not None)

    async def close(self) -> None:
        """Let what runs behind end (5 s at most), close what we opened; twice is harmless."""
        if self._closed:
            return
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for part in reversed(self._parts):
            await part.close()
        if self.writes is not None:
            await self.writes.close(END)
        await self._core.end(END)
        if self._publisher is not None:
            await self._publisher.close()
            self._publisher = None
        store = self.detach()
        if store is not None and self._own_store:
            await store.close()
        if self._core.backplane is not None:
            await self._core.backplane.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # for whoever watches

    def stats(self) -> TierStats:
        """What was counted since the start, and how things stand."""
        core = self._core
        counts = dict(self.counters.counts)
        gauges = {"recovery.queue": float(len(core.recovery)), "recovery.oldest_s": core.recovery.oldest_s}
        gauges |= {"notices.queue": float(len(core.notices)), "notices.oldest_s": core.notices.oldest_s}
        if core.memory is not None:
            gauges |= {"l1.entries": float(len(core.memory)), "l1.bytes": float(core.memory.bytes)}
            if core.memory.most_bytes is not None:
                gauges["l1.bound_bytes"] = float(core.memory.most_bytes)
            counts |= {f"evicted.{cause}": n for cause, n in core.memory.evictions.items()}
        if core.l2 is not None:
            gauges["breaker.open"] = float(core.l2.breaker.state != "closed")
            counts |= {"breaker.opened": core.l2.breaker.opened}
        waiting = loading(self._flights, core.now())
        gauges |= {"loads.running": float(len(waiting)), "loads.oldest_s": max(waiting.values(), default=0.0)}
        gauges["linked"] = float(
            core.linked_now and (self._tracking is None or self._tracking.refused is None)
        )
        if self.writes is not None:
            from perftui.instrument.cache.stats import of_writes

            written, queue = of_writes(self.writes)
            counts, gauges = counts | written, gauges | queue
        if self._sealer.packer.savings.bytes_in:
            from perftui.instrument.cache.stats import of_savings

            counts |= of_savings(self._sealer.packer.savings)
        sketches, predicted = core.latencies.packed(), None
        if self._sampling is not None:
            sketches |= self._sampling.reuse()
        for part in self._parts:
            figures = part.figures()
            counts.update(figures.counters)
            gauges.update(figures.gauges)
            sketches.update(figures.sketches)
            predicted = figures.predicted or predicted
        policy, curve = self.policy, self._curve()
        return TierStats(
            self.name,
            self.node,
            counts,
            gauges,
            sketches,
            curve,
            predicted,
            policy.ttl,
            policy.shared,
            work=self.orders.work(),
            local=self.lending.told,
            early=policy.early,
        )

    def _sample(self, memory: Memory) -> None:
        from perftui.instrument.cache.sampling import Sampling

        counts = self.counters.counts
        self._sampling = Sampling(self._clock.monotonic, lambda: counts["hit.l1"] + counts["miss.l1"])
        memory.sampled_by(self._sampling)

    def _curve(self) -> MissCurve | None:
        memory = self._core.memory
        if self._sampling is None or memory is None:
            return None
        return self._sampling.curve(memory.room, memory.bytes / len(memory) if len(memory) else 0.0)

    def sweep(self) -> int:
        """Let go of some entries whose time is over; call it now and then, or let `sweeping` do so."""
        return self._core.memory.sweep(self._core.now()) if self._core.memory is not None else 0

    def sweeping(self) -> None:
        """Sweep each second from now on."""
        if self._sweeper is None:
            self._sweeper = self._core.spawn(self._sweep())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self.sweep()

    def _server_now(self) -> float:
        core = getattr(self, "_core", None)
        return core.l2.store.now() if core is not None and core.l2 is not None else self._clock.time()

    def _forget(self, key: str) -> Entry | None:
        return self._core.memory.drop(key) if self._core.memory is not None else None

    def _out(self, value: Any) -> Any:
        return deepcopy(value) if self._copy and not isinstance(value, IMMUTABLE) else value


def _lender() -> Callable[..., None]:
    """Who hears what a page is made of."""
    from perftui.instrument.cache.edge import used

    return used


async def _left(publisher: Publisher | None, store: Store | None) -> None:
    """The record goes while the store that has it is open still."""
    if publisher is not None:
        await publisher.close()
    if store is not None:
        await store.close()
