"""Purge, cancel, loss, undo and configuration through the actions, on a real server."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey import Valkey, ValkeyOptions
from perftui.backends.valkey.quarantine import SLICE
from perftui.engines.cache.configure import SetParameter
from perftui.engines.cache.purge import PurgeKeys
from perftui.engines.cache.restore import BATCH_KEYS, RestoreKeys, batches
from perftui.model.action import Progress, Receipt, Risk
from perftui.model.errors import Cancelled, Lost, PartlyDone, PlanRejected
from tests.waiting import auntil, until


@pytest.fixture
async def server(valkey: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    await ask(made, ("FLUSHALL",))
    yield made
    await made.close()


async def ask(server: Valkey, *commands: tuple[Any, ...]) -> list[Any]:
    return await server._look.ask(commands, 10)


async def fill(server: Valkey, n: int, name: str) -> None:
    await ask(server, *(("SET", f"{name}:{i}", f"value {i}", "EX", 1000) for i in range(n)))


def ignore(_progress: Progress) -> None:
    pass


async def left(server: Valkey) -> set[bytes]:
    return set((await ask(server, ("KEYS", "*")))[0])


async def test_plan_says_what_would_go_and_touches_nothing(server: Valkey) -> None:
    await fill(server, 300, "page")
    await fill(server, 50, "user")
    plan = await PurgeKeys(server, "cache", pattern="page:*").plan()
    assert plan.count == 300
    assert plan.bytes_
    assert plan.reversible
    assert plan.challenge == "page:*"
    assert len([line for line in plan.affects if "string" in line]) == 10
    assert len(await left(server)) == 350


@pytest.mark.parametrize("pattern", ["*", "**", "?*"])
async def test_everything_asks_for_the_servers_name(server: Valkey, pattern: str) -> None:
    await fill(server, 3, "a")
    assert (await PurgeKeys(server, "cache", pattern=pattern).plan()).challenge == "cache"


@pytest.mark.parametrize("pattern", ["", "perftui:quarantine:*", b"perftui:quarantine:\xff"])
async def test_unusable_patterns_are_rejected(server: Valkey, pattern: Any) -> None:
    with pytest.raises(PlanRejected):
        await PurgeKeys(server, "cache", pattern=pattern).plan()


async def test_purge_and_undo(server: Valkey) -> None:
    await fill(server, 2000, "page")
    await fill(server, 50, "user")
    before = await left(server)
    action = PurgeKeys(server, "cache", pattern="page:*")
    await action.plan()
    seen: list[Progress] = []
    receipt = await action.run(seen.append)
    assert (receipt.done, receipt.untouched, receipt.failed) == (2000, 0, ())
    assert seen[-1].done == seen[-1].total == 2000
    assert (await ask(server, ("EXISTS", "page:1"), ("EXISTS", "user:1"))) == [0, 1]
    back = await action.undo(receipt)
    assert back.done == 2000
    assert await left(server) == before
    assert (await ask(server, ("GET", "page:7"))) == [b"value 7"]
    assert 900 < (await ask(server, ("TTL", "page:7")))[0] <= 1000


async def test_undo_leaves_newer_keys_alone_and_says_so(server: Valkey) -> None:
    await fill(server, 10, "page")
    action = PurgeKeys(server, "cache", pattern="page:*")
    receipt = await action.run(ignore)
    await ask(server, ("SET", "page:3", "newer"))
    with pytest.raises(PartlyDone) as partly:
        await action.undo(receipt)
    assert (partly.value.receipt.done, partly.value.receipt.untouched) == (9, 1)
    assert await ask(server, ("GET", "page:3")) == [b"newer"]


async def test_by_force_it_is_put_over_what_was_written_since(server: Valkey) -> None:
    await fill(server, 10, "page")
    action = PurgeKeys(server, "cache", pattern="page:*")
    await action.run(ignore)
    await ask(server, ("SET", "page:3", "newer"), ("RPUSH", "page:4", "another kind"))
    gently = RestoreKeys(server, "cache", quarantine=action.quarantine)
    assert "stay as they are" in (await gently.plan()).affects[0]
    with pytest.raises(PartlyDone, match=r"2 left in quarantine .*undo --replace"):
        await gently.run(ignore)
    forced = RestoreKeys(server, "cache", quarantine=action.quarantine, replace=True)
    plan = await forced.plan()
    assert (forced.risk, plan.count, plan.challenge) == (Risk.DESTROYS, 2, action.quarantine)
    assert "are lost" in plan.affects[0]
    assert (await forced.run(ignore)).done == 2
    assert await ask(server, ("GET", "page:3"), ("GET", "page:4")) == [b"value 3", b"value 4"]
    assert all(900 < ttl <= 1000 for ttl in await ask(server, ("TTL", "page:3"), ("TTL", "page:4")))


async def test_delete_outright(server: Valkey) -> None:
    await fill(server, 700, "page")
    action = PurgeKeys(server, "cache", pattern="page:*", keep=0)
    plan = await action.plan()
    assert not plan.reversible
    assert any("cannot be undone" in line for line in plan.warnings)
    receipt = await action.run(ignore)
    assert (receipt.done, receipt.undo) == (700, None)
    assert await left(server) == set()


async def test_nothing_matches(server: Valkey) -> None:
    action = PurgeKeys(server, "cache", pattern="nothing:*")
    assert (await action.plan()).count == 0
    receipt = await action.run(ignore)
    assert (receipt.done, receipt.undo) == (0, None)


@pytest.mark.parametrize("at_batch", [1, 3, 7])
async def test_cancel_gives_a_true_receipt_and_a_usable_undo(server: Valkey, at_batch: int) -> None:
    await fill(server, 6000, "page")
    action = PurgeKeys(server, "cache", pattern="page:*")
    await action.plan()
    seen: list[Progress] = []
    flight = asyncio.ensure_future(action.run(seen.append))
    await until(lambda: len(seen) >= at_batch)
    flight.cancel()
    with pytest.raises(Cancelled) as stopped:
        await flight
    receipt = stopped.value.receipt
    assert receipt is not None
    gone = 6000 - len([k for k in await left(server) if k.startswith(b"page:")])
    assert receipt.done == gone
    assert receipt.untouched == 6000 - gone
    back = await action.undo(receipt)
    assert back.done == gone
    assert len(await left(server)) == 6000


async def outcome(flight: asyncio.Future[Receipt]) -> Receipt | None:
    try:
        return await flight
    except Cancelled as stopped:
        return stopped.receipt
    except asyncio.CancelledError:
        return None


async def test_cancel_at_every_await(server: Valkey) -> None:
    for steps in range(0, 30, 2):
        await ask(server, ("FLUSHALL",))
        await fill(server, 600, "page")
        action = PurgeKeys(server, "cache", pattern="page:*")
        flight = asyncio.ensure_future(action.run(ignore))
        for _ in range(steps):
            await asyncio.sleep(0)
        flight.cancel()
        receipt = await outcome(flight)
        if receipt is None:
            continue  # it had not begun
        gone = 600 - len([k for k in await left(server) if k.startswith(b"page:")])
        assert receipt.done == gone, steps


async def test_goes_on_after_a_lost_connection(server: Valkey) -> None:
    await fill(server, 5000, "page")
    action = PurgeKeys(server, "cache", pattern="page:*")
    await action.plan()
    seen: list[Progress] = []
    flight = asyncio.ensure_future(action.run(seen.append))
    await until(lambda: len(seen) >= 2)
    server._work.drop()
    receipt = await flight
    assert receipt.done == 5000
    assert not [k for k in await left(server) if k.startswith(b"page:")]


async def test_server_gone_for_good_is_partly_done(
    server: Valkey, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perftui.engines.cache.purge.RECONNECT", 0.2)
    await fill(server, 5000, "page")
    action = PurgeKeys(server, "cache", pattern="page:*")
    seen: list[Progress] = []
    flight = asyncio.ensure_future(action.run(seen.append))
    await until(lambda: len(seen) >= 2)
    await valkey.kill()
    with pytest.raises(PartlyDone) as partly:
        await flight
    assert 0 < partly.value.receipt.done <= 5000
    with pytest.raises(Lost):
        await PurgeKeys(server, "cache", pattern="page:*").plan()
    await valkey.restart()


async def test_a_server_that_restarts_empty_is_told(server: Valkey, valkey: Any) -> None:
    await fill(server, 5000, "page")
    action = PurgeKeys(server, "cache", pattern="page:*")
    seen: list[Progress] = []
    flight = asyncio.ensure_future(action.run(seen.append))
    await until(lambda: len(seen) >= 2)
    await valkey.kill()
    await valkey.restart()
    receipt = await flight
    assert receipt.done > 0
    assert "but only 0 of them are still there" in receipt.summary


async def test_continue_under_the_same_id_and_restore_by_id(server: Valkey) -> None:
    await fill(server, 20, "page")
    await PurgeKeys(server, "cache", pattern="page:1*", quarantine="abc1").run(ignore)
    await PurgeKeys(server, "cache", pattern="page:*", quarantine="abc1").run(ignore)
    action = RestoreKeys(server, "cache", quarantine="abc1")
    assert (await action.plan()).count == 20
    receipt = await action.run(ignore)
    assert receipt.done == 20
    with pytest.raises(PlanRejected, match="no key waits"):
        await RestoreKeys(server, "cache", quarantine="abc1").plan()


async def test_ids_are_checked(server: Valkey) -> None:
    with pytest.raises(PlanRejected):
        RestoreKeys(server, "cache", quarantine="*")


async def followed(server: Valkey) -> bool:
    """Whether the replica hears what is written: another test may have restarted its primary."""
    return b"state=online" in (await ask(server, ("INFO", "replication")))[0]


async def test_a_purge_waits_until_a_replica_has_it(server: Valkey, valkey: Any, valkey_replica: Any) -> None:
    await auntil(lambda: followed(server), 30)
    await fill(server, 3000, "page")
    receipt = await PurgeKeys(server, "cache", pattern="page:*").run(ignore)
    assert "no replica" not in receipt.summary
    replica = Valkey(
        "r", ValkeyOptions(url=f"redis://127.0.0.1:{valkey_replica.port}", password=valkey.password)
    )
    assert await replica._look.ask([("EXISTS", *(f"page:{n}" for n in range(3000)))], 10) == [0]
    await replica.close()


async def test_a_purge_that_no_replica_has_says_so(
    server: Valkey, valkey_replica: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perftui.engines.cache.purge.HANDED_ON", 0.1)
    await auntil(lambda: followed(server), 30)
    await fill(server, 10, "page")
    os.kill(valkey_replica.pid, signal.SIGSTOP)
    try:
        receipt = await PurgeKeys(server, "cache", pattern="page:*").run(ignore)
    finally:
        os.kill(valkey_replica.pid, signal.SIGCONT)
    assert receipt.done == 10
    assert "no replica has it yet, so a failover now may bring keys back" in receipt.summary


async def test_a_near_server_is_asked_by_the_slice_and_a_far_one_at_once(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scripts() -> int:
        await fill(server, 256, "page")
        await ask(server, ("CONFIG", "RESETSTAT"))
        receipt = await PurgeKeys(server, "cache", pattern="page:*").run(ignore)
        assert (
            await RestoreKeys(server, "cache", quarantine=receipt.undo["quarantine"]).run(ignore)
        ).done == 256
        (told,) = await ask(server, ("INFO", "commandstats"))
        return int(told.split(b"cmdstat_eval:calls=")[1].split(b",")[0])

    monkeypatch.setattr("perftui.backends.valkey.quarantine.NEAR", 5.0)
    by_slice = await scripts()
    monkeypatch.setattr("perftui.backends.valkey.quarantine.NEAR", 0.0)
    assert by_slice - await scripts() == 2 * (256 // SLICE - 256 // BATCH_KEYS)


async def test_replica_is_refused_in_the_plan(valkey_replica: Any) -> None:
    url = f"redis://127.0.0.1:{valkey_replica.port}/0"
    follower = Valkey("replica", ValkeyOptions(url=url, password=valkey_replica.password))
    with pytest.raises(PlanRejected, match="primary"):
        await PurgeKeys(follower, "replica", pattern="a*").plan()
    await follower.close()


async def test_hostile_names_are_purged_true_and_shown_inert(server: Valkey) -> None:
    names = [b"\x1b[2Jx", b"x\ny", b"x" * 1_000_000, b"\xff\xfex"]
    await ask(server, *(("SET", name, "v") for name in names))
    action = PurgeKeys(server, "cache", pattern="*x*")
    plan = await action.plan()
    assert plan.count == 4
    assert all(line.isprintable() and len(line) < 200 for line in plan.affects)
    assert (await action.run(ignore)).done == 4


async def test_named_keys_only(server: Valkey) -> None:
    await fill(server, 20, "page")
    names = [b"page:1", b"page:2", b"page:2", b"gone"]
    action = PurgeKeys(server, "cache", keys=names)
    plan = await action.plan()
    assert plan.count == 2
    receipt = await action.run(ignore)
    assert (receipt.done, receipt.facts["absent"]) == (2, 1)
    assert len([k for k in await left(server) if k.startswith(b"page:")]) == 18
    assert (await action.undo(receipt)).done == 2


async def test_one_named_key_is_its_own_challenge(server: Valkey) -> None:
    await ask(server, ("SET", "a[b]*c", 1), ("SET", b"\x1b", 1), ("SET", "abc", 1))
    assert (await PurgeKeys(server, "cache", keys=[b"a[b]*c"]).plan()).challenge == "a[b]*c"
    assert (await PurgeKeys(server, "cache", keys=[b"\x1b"]).plan()).challenge == "cache"
    assert (await PurgeKeys(server, "cache", keys=[b"a[b]*c"]).run(ignore)).done == 1
    assert b"abc" in await left(server)


async def test_set_a_parameter_and_back(server: Valkey) -> None:
    (before,) = await ask(server, ("CONFIG", "GET", "maxmemory-policy"))
    action = SetParameter(server, "cache", parameter="maxmemory-policy", value="volatile-ttl")
    plan = await action.plan()
    assert before[1].decode() in plan.affects[0]
    receipt = await action.run(ignore)
    assert (await server.parameters("maxmemory-policy")).values[0][1] == "volatile-ttl"
    await action.undo(receipt)
    assert (await server.parameters("maxmemory-policy")).values[0][1] == before[1].decode()


@pytest.mark.parametrize("parameter", ["requirepass", "dir", "maxmemory*"])
async def test_dangerous_parameters_are_not_offered(server: Valkey, parameter: str) -> None:
    with pytest.raises(PlanRejected):
        await SetParameter(server, "cache", parameter=parameter, value="x").plan()


def test_batches_are_bounded() -> None:
    names = [b"x" * 600_000] * 3 + [b"y"] * 600
    pieces = list(batches(names))
    assert sum(map(len, pieces)) == len(names)
    assert all(len(p) <= 128 and (len(p) == 1 or sum(map(len, p)) <= 1 << 20) for p in pieces)
