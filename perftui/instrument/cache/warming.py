"""Loading what will be asked for before it is: one node for all, no faster than the source likes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final

from perftui.instrument.cache import asks
from perftui.instrument.cache.ahead import Got, Had
from perftui.instrument.cache.context import Missing
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.ports import Figures, LoadLease, LoadLock
from perftui.instrument.cache.wanted import MOST, Keys, Wanted, wanted
from perftui.instrument.cache.warmruns import Orders, Taken
from perftui.instrument.cache.warmused import Uses
from perftui.model.errors import BackendError
from perftui.model.tiers import EntryOptions
from perftui.model.warmask import LOOK_EVERY, NAME
from perftui.model.warmqueue import BEAT, Told
from perftui.model.warmused import gauges as of_jobs

log = logging.getLogger(__name__)

LEASE: Final = 5.0  # seconds after which another node takes over from one that died
PATIENCE, PAUSE = 10.0, 0.25  # how long an L2 that does not answer is waited for, and between two tries
STRETCH: Final = 32  # keys in a row that L2 does not have, after which a waiting node looks no further


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. `skipped`: fresh already, here or in L2; `total`: None until the keys are known."""

    total: int | None
    done: int
    skipped: int
    failed: int
    over: bool

    @property
    def fraction(self) -> float:
        """The share of keys that are fresh now, 0-1; 0 until they are known, 1 for none."""
        if self.total is None:
            return 0.0
        return (self.done + self.skipped) / self.total if self.total else 1.0


class Warming:
    """Warms a set of keys, from `start` on, and again when a console asks (`perftui cache warm run`).

    Runs of warm jobs are taken too: these keys, others that the run names, or the hottest, by this loader, no
    faster than both rates.

    Args:
        cache: whose keys; it is closed with it.
        keys: keys or `Wanted`, an async query that yields them, a function that makes one of both (for what
            cannot be gone through twice), or a file (wanted.read). The first `most` count.
        loader: as `get_or_set` takes it, for all keys: it is given `ctx`, with `ctx.key`. None: the source.
        tags: of a key, where `keys` do not say them. What is warmed without its tags, no removal by tag
            reaches.
        at_once: loads that run at a time.
        rate: loads begun a second at most; None: no bound.
        within: seconds one load may take.
        name: a warm set of its own; nodes that share a name share the work.
        asked_every: seconds between two looks whether it is to be done again, or a job waits; None: never.

    One node loads, under a lease in L2; the others take from L2 what it has so far, and one of them goes on
    where it stops or dies. What is fresh in L2 is not loaded again. An L2 that is away is waited for (10 s),
    then each node warms for itself. A key that fails is counted and left.

    Raises:
        ValueError: the name is none, or there is nothing to load with.
    """

    def __init__(
        self,
        cache: Cache,
        keys: Keys | Callable[[], Keys],
        *,
        loader: Callable[..., Awaitable[Any]] | None = None,
        tags: Callable[[str], Iterable[str]] | None = None,
        at_once: int = 8,
        rate: float | None = 200.0,
        within: float = 30.0,
        name: str = "start",
        most: int = MOST,
        asked_every: float | None = LOOK_EVERY,
    ) -> None:
        if not NAME.fullmatch(name) or at_once < 1 or (rate is not None and rate <= 0):
            raise ValueError("a warm set has a name of a-z, 0-9, _ and -, and loads one key at least")
        if loader is None and cache.source is None:
            raise ValueError(f"{cache.name}: warming needs a loader, or the cache a source")
        self._cache, self._keys, self._most = cache, keys, most
        self._loader, self._tags = loader, tags
        self._at_once, self._within = at_once, within
        self._rate, self._pace = rate, _Pace(rate)
        self._name = name
        self._place = f"__warm:{name}"
        self._uses = Uses(cache, name)
        self._total: int | None = None
        self._done = self._skipped = self._failed = self._absent = 0
        self._all: Counter[str] = Counter()  # over all runs
        self._leads = False
        self._asked_every = asked_every
        self._listening: asyncio.Task[None] | None = None
        self._waiting: list[tuple[float, asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None
        self.last_error: BaseException | None = None
        cache.beside(self)

    def start(self) -> None:
        """Begin; once is enough."""
        if self._task is None:
            self._begin()
            if self._asked_every is not None:
                listening = self._listen(self._asked_every)
                self._listening = asyncio.create_task(listening, name=f"cache warming {self._name} asked")

    @property
    def progress(self) -> Progress:
        """How far it is now."""
        over = self._task is not None and self._task.done()
        return Progress(self._total, self._done, self._skipped, self._failed, over)

    async def ready(self, min_fraction: float = 0.9, deadline: float = 30.0) -> bool:
        """Wait until that share of the keys is warm; False after `deadline` seconds, or over with less."""
        self.start()
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((min_fraction, told))
        self._moved()
        try:
            await asyncio.wait((told,), timeout=deadline)
            return told.done() and told.result()
        finally:
            self._waiting.remove((min_fraction, told))

    async def cancel(self) -> None:
        """Stop; what was loaded stays, what is being loaded is given up. Twice is harmless."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def close(self) -> None:
        """The same, and listen to no console any more."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait((self._listening,))
        await self.cancel()
        self._uses.close()

    def figures(self) -> Figures:
        """`warm.NAME.runs loaded skipped failed`, of the last run `total left`; `leads`: this node loads.

        `warmjob.JOB.at of used left`: what became of the keys that runs of jobs loaded here (model/warmused).
        """
        left = (self._total or 0) - self._done - self._skipped - self._failed
        gauges = {"total": float(self._total or 0), "left": float(left), "leads": float(self._leads)}
        place = f"warm.{self._name}"
        return Figures(
            {f"{place}.{what}": self._all[what] for what in ("runs", "loaded", "skipped", "failed")},
            {f"{place}.{what}": n for what, n in gauges.items()} | of_jobs(self._uses.told()),
        )

    # working

    def _begin(self, keys: Keys | None = None, rate: float | None = None) -> None:
        """Begin with these keys, or our own; no faster than `rate` either."""
        self._total = None
        self._done = self._skipped = self._failed = 0
        rates = [one for one in (self._rate, rate) if one is not None]
        self._pace = _Pace(min(rates) if rates else None)
        work = self._run(self._keys if keys is None else keys)
        self._task = asyncio.create_task(work, name=f"cache warming {self._name}")
        self._task.add_done_callback(self._over)

    async def _listen(self, every: float) -> None:
        """Begin again when asked, or a run waits; what is asked for meanwhile begins when this is over."""
        known = await asks.said(self._cache, self._name)
        orders = Orders(self._cache, self._name)
        while True:
            await asyncio.sleep(every)
            await self._uses.look()
            if not self.progress.over:
                continue
            said = await asks.said(self._cache, self._name)
            if said and said != known:
                known = said
                self._begin()
            else:
                with contextlib.suppress(BackendError):
                    await self._serve(orders)

    async def _serve(self, orders: Orders) -> None:
        """Do a run that waits; one that is withdrawn, or another node has by now, is stopped."""
        taken = await orders.take()
        if taken is None:
            return
        try:
            keys = await orders.keys(taken.order, self._tags)
        except ValueError as error:
            await orders.end(taken, Told(self._cache.node, over=True, error=str(error)))
            return
        self._uses.begin(taken.order)
        self._begin(keys, taken.order.rate)
        assert self._task is not None
        for beat in count(1):
            if self._task.done():
                break
            if not await orders.hold(taken, replace(self._told(taken), beat=beat)):
                await self.cancel()
                return
            await asyncio.wait((self._task,), timeout=BEAT)
            await self._uses.look()
        await orders.end(taken, self._told(taken))

    def _told(self, taken: Taken) -> Told:
        """How far a run is; of an error its kind alone, for its words may be anybody's."""
        now = self.progress
        failed = self._failed or (now.over and now.fraction < 1)
        error = type(self.last_error).__name__ if failed and self.last_error is not None else ""
        if error and now.over:
            log.warning("run %s of %s: %r", taken.order.run, self._cache.name, self.last_error)
        return Told(
            self._cache.node, now.total, now.done, now.skipped, now.failed, over=now.over, error=error
        )

    async def _run(self, keys: Keys | Callable[[], Keys]) -> None:
        left = await wanted(keys, self._most) if self._cache.enabled else []
        self._total = len(left)
        self._uses.choose([one.key for one in left])
        self._moved()
        while left:
            lock = self._cache.lock
            try:
                lease = await self._turn(lock) if lock is not None else None
            except BackendError:
                lock = lease = None
            if lock is None or lease is not None:
                left = await self._lead(left, lease)
            else:
                left = await self._follow(left, lock)

    async def _turn(self, lock: LoadLock) -> LoadLease | None:
        """The lease to load; None while another node has it.

        Raises:
            BackendError: L2 did not answer for PATIENCE.
        """
        now = asyncio.get_running_loop().time
        until = now() + PATIENCE
        while True:
            try:
                return await lock.acquire(self._place, LEASE, within=1.0)
            except BackendError:
                if now() >= until:
                    raise
                await asyncio.sleep(PAUSE)

    async def _lead(self, left: list[Wanted], lease: LoadLease | None) -> list[Wanted]:
        """Load them; those that are left where the lease was lost."""
        self._leads = True
        try:
            return await self._each(left, self._load, lambda: lease is None or lease.held)
        finally:
            self._leads = False
            if lease is not None:
                await lease.release()

    async def _follow(self, left: list[Wanted], lock: LoadLock) -> list[Wanted]:
        """Take from L2 what another node loaded, as far as it came; then wait for it a while."""
        self._absent = 0
        left = await self._each(left, self._fill, lambda: self._absent < STRETCH)
        if left:
            await lock.released(self._place, PAUSE)
        return left

    async def _each(
        self, keys: list[Wanted], work: Callable[[Wanted], Awaitable[bool]], going: Callable[[], bool]
    ) -> list[Wanted]:
        """Work on some at a time while it is `going`; those not settled, in their order."""
        todo = iter(keys)
        still: list[Wanted] = []

        async def one_by_one() -> None:
            while going():
                one = next(todo, None)
                if one is None:
                    return
                if not await work(one):
                    still.append(one)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._at_once, len(keys))):
                group.create_task(one_by_one())
        return [*still, *todo]

    async def _fill(self, one: Wanted) -> bool:
        got = await self._cache.fill(one.key)
        if got.had is Had.ABSENT:
            self._absent += 1
            return False
        self._absent = 0
        self._count(got)
        return True

    async def _load(self, one: Wanted) -> bool:
        got = await self._cache.fill(one.key)
        if got.had is Had.ABSENT:
            await self._pace.turn()
            tags = one.tags or (self._tags(one.key) if self._tags is not None else ())
            got = await self._cache.load_ahead(
                one.key, self._loader, tags=tags, options=self._options(one), within=self._within
            )
            if got.had is Had.LOADED:
                self._uses.loaded(one.key)
        self._count(got)
        return True

    def _options(self, one: Wanted) -> EntryOptions:
        defaults = self._cache.defaults
        return defaults if isinstance(one.ttl, Missing) else defaults.but(ttl=one.ttl)

    def _count(self, got: Got) -> None:
        if got.had is Had.FAILED:
            self._failed += 1
            self._all["failed"] += 1
            self.last_error = got.error
        elif got.had is Had.LOADED:
            self._done += 1
            self._all["loaded"] += 1
        else:
            self._skipped += 1
            self._all["skipped"] += 1
        self._moved()

    def _moved(self) -> None:
        """Tell those who wait for a share that is reached, or no longer can be."""
        now = self.progress
        for share, told in self._waiting:
            reached = now.total is not None and now.fraction >= share
            if (reached or now.over) and not told.done():
                told.set_result(reached)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._all["runs"] += 1
        self._uses.ended()
        if not task.cancelled() and task.exception() is not None:
            self.last_error = task.exception()
            log.warning("warming %s of %s ended: %r", self._name, self._cache.name, self.last_error)
        self._moved()


class _Pace:
    """Lets so many a second begin."""

    def __init__(self, rate: float | None) -> None:
        self._gap = 0.0 if rate is None else 1 / rate
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next)
        self._next = at + self._gap
        if at > now:
            await asyncio.sleep(at - now)
