"""A purge's pace on a real server: so many keys a second, and pauses while a probe takes long."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from perftui.backends.valkey import Valkey, ValkeyOptions
from perftui.engines.cache import purgepace
from perftui.engines.cache.purge import PurgeKeys
from perftui.engines.cache.purgefile import PurgeToFile
from perftui.engines.cache.purgepace import ENOUGH, LONGEST, SLICE, Pace
from perftui.model.action import Progress
from perftui.model.errors import Cancelled, PlanRejected
from tests.waiting import until

SLOW = "local n = 0 for i = 1, 3000000 do n = n + i end return n"  # some 20 ms and more of the server


@pytest.fixture
async def server(valkey: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    sets = [("SET", f"page:{i}", f"value {i}", "EX", 1000) for i in range(400)]
    await made._look.ask([("FLUSHALL",), *sets], 10)
    yield made
    await made.close()


async def test_a_rate_is_kept_and_told(server: Valkey) -> None:
    action = PurgeKeys(server, "cache", pattern="page:*", rate=200, pause_over=0)
    plan = await action.plan()
    assert any("at most 200 keys/s: 2" in line for line in plan.affects)
    assert not any("pauses while" in line for line in plan.affects)
    seen: list[tuple[float, int]] = []
    started = time.monotonic()
    receipt = await action.run(lambda p: seen.append((time.monotonic() - started, p.done)))
    assert receipt.done == 400
    assert time.monotonic() - started >= 1.9
    assert all(done <= 200 * (at + 0.5) for at, done in seen)  # no burst: a tenth of a second's at once
    assert "at most 200 keys/s" in receipt.summary
    assert receipt.facts["pace"]["rate"] == 200


async def test_a_file_keeps_the_rate_too(server: Valkey, tmp_path: Path) -> None:
    action = PurgeToFile(
        server, "cache", file=str(tmp_path / "saved"), pattern="page:*", rate=400, pause_over=0
    )
    await action.plan()
    started = time.monotonic()
    receipt = await action.run(lambda _progress: None)
    assert receipt.done == 400
    assert time.monotonic() - started >= 0.9


async def test_it_pauses_while_a_probe_takes_long(
    server: Valkey, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purgepace, "ENOUGH", 3)
    other = Valkey("other", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    busy, told = True, asyncio.Event()

    async def keep_busy() -> None:
        while busy:
            await other._look.one("EVAL", SLOW, 0, deadline=10)

    def heard(progress: Progress) -> None:
        if progress.note.startswith("paused: a probe takes"):
            told.set()

    action = PurgeKeys(server, "cache", pattern="page:*", pause_over=0.005)
    assert any(
        "pauses while a probe's p99 is 5.00 ms above what it is now" in line
        for line in (await action.plan()).affects
    )
    load = asyncio.create_task(keep_busy())
    run = asyncio.create_task(action.run(heard))
    await asyncio.wait_for(told.wait(), 20)
    left = await other._look.one("DBSIZE", deadline=10)
    assert left > 0
    busy = False
    await load
    receipt = await asyncio.wait_for(run, 60)
    await other.close()
    assert receipt.done == 400
    assert receipt.facts["pace"]["pauses"] >= 1
    assert "pause" in receipt.summary


async def test_a_paused_purge_can_be_cancelled(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purgepace, "ENOUGH", 3)
    monkeypatch.setattr(purgepace, "LONGEST", 60.0)
    action = PurgeKeys(server, "cache", pattern="page:*", pause_over=1e-9)
    await action.plan()
    action._pace.usual_s = 0.0
    texts: list[str] = []
    run = asyncio.create_task(action.run(lambda p: texts.append(p.note)))
    await until(lambda: any("paused" in text for text in texts))
    run.cancel()
    with pytest.raises(Cancelled) as stopped:
        await run
    assert stopped.value.receipt is not None
    assert stopped.value.receipt.facts["pace"]["pauses"] == 1
    assert "1 pause of" in stopped.value.receipt.summary


@pytest.mark.parametrize(
    ("rate", "bound"), [(-1.0, 0.0), (0.5, 0.0), (float("nan"), 0.0), (0.0, float("inf"))]
)
async def test_odd_limits_are_rejected(rate: float, bound: float) -> None:
    with pytest.raises(PlanRejected):
        Pace(None, rate, bound)


class Probed:
    """Tells what probes took, one after the other."""

    def __init__(self, took: Iterable[float]) -> None:
        self._took = iter(took)

    async def probe_purge(self) -> float:
        return next(self._took)


USUAL = [0.001] * ENOUGH


@pytest.mark.parametrize(
    ("usual", "then", "pauses"),
    [
        (USUAL, [0.5], 0),  # one late answer is chance
        (USUAL, [0.5, 0.5, *[0.001] * ENOUGH], 1),
        ([0.05] * ENOUGH, [0.06] * 30, 0),  # a far server is no slow one
        ([0.05] * ENOUGH, [*[0.08] * 2, *[0.05] * ENOUGH], 1),
    ],
)
async def test_what_counts_is_how_much_longer_a_probe_takes_than_before(
    usual: list[float], then: list[float], pauses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perftui.engines.cache.purgepace.BETWEEN", 0.0)
    pace = Pace(Probed([*usual, *then]), bound=0.02)
    await pace.look()
    for _ in range(len(then) if not pauses else 2):
        await pace.after(10, lambda _said: None)
    assert pace.pauses == pauses
    assert pace.facts["usual_p99_s"] == usual[0]


async def test_quick_batches_share_a_probe_until_one_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perftui.engines.cache.purgepace.BETWEEN", 3600.0)
    probes = iter([*USUAL, 0.5, 0.5, *USUAL, 0.001])
    pace = Pace(Probed(probes), bound=0.02)
    await pace.look()
    await pace.after(10, lambda _said: None)  # the first batch's own, which is late
    await pace.after(10, lambda _said: None)  # so the next has one too, and pauses
    assert pace.pauses == 1
    for _ in range(30):
        await pace.after(10, lambda _said: None)
    assert list(probes) == [0.001], "nobody asked again within the hour"


class Passing:
    """A clock that goes on by what is slept, and by what probes take."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(purgepace, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(purgepace, "asyncio", SimpleNamespace(sleep=self.sleep))

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_what_a_pause_held_up_is_no_burst_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Passing(monkeypatch)
    pace, sent = Pace(None, rate=100.0, bound=0.0), []
    for batch in range(60):
        sent.append(clock.now)
        await pace.after(10, lambda _said: None)
        clock.now += 5.0 if batch == 20 else 0.002
    most = max(10 * (bisect_left(sent, at + 1.0) - first) for first, at in enumerate(sent))
    assert most <= 100 * (1 + SLICE) + 10
    assert sent[20] - sent[0] < 2.1, "what a batch itself takes is made up for"


async def test_a_pause_is_no_longer_than_a_lease_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Passing(monkeypatch)

    class Slow:
        took = 0.001

        async def probe_purge(self) -> float:
            clock.now += self.took
            return self.took

    server = Slow()
    pace = Pace(server, bound=0.02)
    await pace.look()
    server.took = 0.8
    for pauses in (0, 1, 2, 3):
        before = clock.now
        await pace.after(10, lambda _said: None)
        assert pace.pauses == pauses, "one batch goes, then it looks"
        assert clock.now - before < LONGEST + 2.0
    server.took = 0.001
    before = clock.now
    await pace.after(10, lambda _said: None)
    await pace.after(10, lambda _said: None)
    assert clock.now - before < 1.0
    assert pace.p99_s == 0.001
