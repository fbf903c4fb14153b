"""Purging into a file and bringing it back, on a real server: every type, races, caps, files that are not ours."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from perftui.backends.valkey import Valkey, ValkeyOptions
from perftui.engines.cache.keyfile import KeyFile, contents
from perftui.engines.cache.keyrecords import About, packed
from perftui.engines.cache.purgefile import PurgeToFile
from perftui.engines.cache.restorefile import RestoreFile
from perftui.engines.cache.tags import RemoveByTag
from perftui.instrument.cache.face import Cache
from perftui.model.action import Progress, Receipt, Risk
from perftui.model.cache import KeyTally
from perftui.model.errors import Cancelled, PartlyDone, PlanRejected, Refused
from perftui.model.keydumps import CAP, KeyDump
from tests.engines.cache.test_purge import ask, fill, ignore, left
from tests.redis7 import redis
from tests.waiting import auntil, until

TYPES: tuple[tuple[Any, ...], ...] = (
    ("SET", "k:text", "héllo"),
    ("SET", "k:number", 42),
    ("SET", "k:binary", bytes(range(256)) * 40),
    ("SET", "k:empty", ""),
    ("SET", b"k:\xff\x00\n", "odd name"),
    ("SETBIT", "k:bits", 100_000, 1),
    ("PFADD", "k:hll", *range(2000)),
    ("RPUSH", "k:list", *range(20)),
    ("RPUSH", "k:long-list", *("x" * 50 for _ in range(3000))),
    ("SADD", "k:ints", *range(100)),
    ("SADD", "k:set", *(f"m{n}" for n in range(2000))),
    ("HSET", "k:hash", "a", 1, "b", "two"),
    ("HSET", "k:big-hash", *(f"f{n}" for n in range(2000))),
    ("ZADD", "k:zset", 1.5, "a", "-inf", "b", "1e300", "c"),
    ("ZADD", "k:big-zset", *(part for n in range(2000) for part in (n / 7, f"m{n}"))),
    ("GEOADD", "k:geo", 13.36, 38.11, "Palermo"),
    ("XADD", "k:stream", "1-1", "f", "v"),
    ("XADD", "k:stream", "2-1", "f", "w"),
    ("XGROUP", "CREATE", "k:stream", "g", "0"),
    ("XREADGROUP", "GROUP", "g", "me", "COUNT", 1, "STREAMS", "k:stream", ">"),
)
READS: dict[bytes, tuple[tuple[Any, ...], ...]] = {
    b"string": (("GET",),),
    b"list": (("LRANGE", 0, -1),),
    b"set": (("SMEMBERS",),),
    b"hash": (("HGETALL",),),
    b"zset": (("ZRANGE", 0, -1, "WITHSCORES"),),
    b"stream": (("XRANGE", "-", "+"), ("XINFO", "GROUPS"), ("XPENDING", "g")),
}


def of(port: int, password: str, kind: type[Valkey] = Valkey) -> Valkey:
    return kind("cache", ValkeyOptions(url=f"redis://127.0.0.1:{port}/0", password=password))


@pytest.fixture
async def server(valkey: Any) -> AsyncIterator[Valkey]:
    made = of(valkey.port, valkey.password)
    await ask(made, ("FLUSHALL",))
    yield made
    await made.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "purged"


def purge_of(server: Any, file: Path, pattern: str = "page:*", **more: Any) -> PurgeToFile:
    return PurgeToFile(server, "cache", file=str(file), pattern=pattern, **more)


async def values(server: Valkey, *names: bytes) -> dict[bytes, Any]:
    """What keys hold, as their type is read; sets and hashes have no order."""
    found = {}
    for name in names:
        (kind,) = await ask(server, ("TYPE", name))
        told = await ask(
            server,
            *(
                (word, *rest[:1], name, *rest[1:]) if word == "XINFO" else (word, name, *rest)
                for word, *rest in READS[kind]
            ),
        )
        if kind == b"set":
            told = [sorted(told[0])]
        if kind == b"hash":
            told = [dict(zip(told[0][::2], told[0][1::2], strict=True))]
        found[name] = (kind, told)
    return found


async def everything_comes_back(server: Valkey, file: Path) -> None:
    await ask(server, ("FLUSHALL",), *TYPES)
    names = sorted(await left(server))
    await ask(server, *(("PEXPIRE", name, 500_000 + n) for n, name in enumerate(names) if n % 2))
    before = await values(server, *names)
    lives = await ask(server, *(("PTTL", name) for name in names))
    await ask(server, ("SET", "other", 1))
    purge = purge_of(server, file, "k:*")
    plan = await purge.plan()
    assert (plan.count, plan.reversible, plan.challenge) == (len(names), True, "k:*")
    receipt = await purge.run(ignore)
    assert (receipt.done, receipt.failed, receipt.untouched) == (len(names), (), 0)
    assert await left(server) == {b"other"}
    back = await purge.undo(receipt)
    assert (back.done, back.failed) == (len(names), ())
    assert await values(server, *names) == before
    for life, now in zip(lives, await ask(server, *(("PTTL", name) for name in names)), strict=True):
        assert now == -1 if life == -1 else life - 30_000 < now <= life + 50


async def test_every_type_comes_back_as_it_was(server: Valkey, file: Path) -> None:
    await everything_comes_back(server, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_so_it_does_on_redis(server_folder: Any, file: Path) -> None:
    async with redis(server_folder, "quarantine-redis") as old:
        made = of(old.port, old.password)
        await everything_comes_back(made, file)
        await made.close()


async def test_the_plan_names_the_file_its_size_and_its_cap_and_touches_nothing(
    server: Valkey, file: Path
) -> None:
    await fill(server, 300, "page")
    plan = await purge_of(server, file).plan()
    assert plan.summary.startswith("save in a file and delete 300 keys (")
    assert str(file) in plan.affects[0]
    assert "of 1.00 GiB at most" in plan.affects[1]
    assert not any("its cap" in line or "cannot be undone" in line for line in plan.warnings)
    assert any("secrets" in line for line in plan.warnings)
    assert not file.exists()
    assert len(await left(server)) == 300
    small = await purge_of(server, file, cap=5000).plan()
    assert any("more than its cap of 4.88 KiB" in line for line in small.warnings)
    purge = purge_of(server, file)
    await purge.plan()
    receipt = await purge.run(ignore)
    told = purge._estimate
    assert receipt.done == 300
    assert 0.9 < file.stat().st_size / told < 1.1


async def test_what_cannot_be_a_file_is_refused_before_anything_goes(server: Valkey, file: Path) -> None:
    await fill(server, 3, "page")
    file.write_text("mine")
    with pytest.raises(PlanRejected, match="exists: name a file that does not"):
        await purge_of(server, file).plan()
    with pytest.raises(PlanRejected, match="exists: name a file that does not"):
        await purge_of(server, file).run(ignore)
    with pytest.raises(PlanRejected, match="is no folder that can be written to"):
        await purge_of(server, file / "deeper").plan()
    assert file.read_text() == "mine"
    assert len(await left(server)) == 3


async def test_nothing_matches_and_no_file_is_left(server: Valkey, file: Path) -> None:
    purge = purge_of(server, file)
    assert (await purge.plan()).count == 0
    receipt = await purge.run(ignore)
    assert (receipt.done, receipt.undo) == (0, None)
    assert not file.exists()


async def test_at_its_cap_it_stops_before_it_deletes_what_it_has_not_saved(
    server: Valkey, file: Path
) -> None:
    await fill(server, 3000, "page")
    purge = purge_of(server, file, cap=60_000)
    await purge.plan()
    with pytest.raises(PartlyDone, match="has reached its cap") as partly:
        await purge.run(ignore)
    receipt = partly.value.receipt
    assert file.stat().st_size <= 60_000
    assert 500 < receipt.done == contents(file).keys < 3000
    assert len(await left(server)) == receipt.untouched == 3000 - receipt.done
    assert f"--resume {purge.quarantine} --quarantine {file}" in receipt.summary
    more = purge_of(server, file, quarantine=purge.quarantine)
    await more.plan()
    rest = await more.run(ignore)
    assert rest.done == 3000 - receipt.done
    assert await left(server) == set()
    back = await more.undo(rest)
    assert back.done == 3000
    assert await ask(server, ("GET", "page:7")) == [b"value 7"]


async def test_conflicts_are_listed_and_left_unless_replaced(server: Valkey, file: Path) -> None:
    await fill(server, 10, "page")
    purge = purge_of(server, file)
    receipt = await purge.run(ignore)
    await ask(
        server, ("SET", "page:3", "newer"), ("RPUSH", "page:4", "another kind"), ("SET", "page:5", "value 5")
    )
    with pytest.raises(
        PartlyDone, match=r"7 keys restored, 1 stood there with the same values, 2 left in"
    ) as partly:
        await purge.undo(receipt)
    assert sorted(partly.value.receipt.failed) == [
        "page:3: a newer key stands in its place",
        "page:4: a newer key stands in its place",
    ]
    assert await ask(server, ("GET", "page:3")) == [b"newer"]
    forced = RestoreFile(server, "cache", file=str(file), replace=True)
    plan = await forced.plan()
    assert (forced.risk, plan.count, plan.challenge) == (Risk.DESTROYS, 10, purge.quarantine)
    assert (await forced.run(ignore)).done == 10
    assert await ask(server, ("GET", "page:3"), ("GET", "page:4")) == [b"value 3", b"value 4"]
    assert all(900 < ttl <= 1000 for ttl in await ask(server, ("TTL", "page:3"), ("TTL", "page:5")))


async def test_what_has_died_meanwhile_stays_dead_also_by_force(server: Valkey, file: Path) -> None:
    await ask(server, ("SET", "page:1", "short", "PX", 300), ("SET", "page:2", "long"))
    receipt = await (purge := purge_of(server, file)).run(ignore)
    assert receipt.done == 2

    async def later() -> bool:
        clock = (await ask(server, ("TIME",)))[0]
        return int(clock[0]) * 1000 + int(clock[1]) // 1000 > max(
            dump.dies for dump in next(contents(file).groups())
        )

    await auntil(later)
    await ask(server, ("SET", "page:1", "newer"))
    back = RestoreFile(server, "cache", file=str(file), replace=True)
    await back.plan()
    told = await back.run(ignore)
    assert (told.done, told.facts["gone"]) == (1, 1)
    assert await ask(server, ("GET", "page:1"), ("GET", "page:2")) == [b"newer", b"long"]
    assert purge.quarantine in (await back.plan()).affects[1]


class Meddling(Valkey):
    """Somebody writes between what is saved and what is deleted, `times` over."""

    times = 1

    async def unlink_dumps(self, dumps: Sequence[KeyDump], tally: KeyTally) -> None:
        if self.times and any(dump.key == b"page:3" for dump in dumps):
            self.times -= 1
            await self._look.one("SET", "page:3", f"newer {self.times}", deadline=5)
        await super().unlink_dumps(dumps, tally)


async def test_what_is_written_between_is_saved_again_and_never_lost(
    valkey: Any, server: Valkey, file: Path
) -> None:
    await fill(server, 10, "page")
    meddled = of(valkey.port, valkey.password, Meddling)
    purge = purge_of(meddled, file)
    receipt = await purge.run(ignore)
    assert receipt.done == 10
    assert await left(server) == set()
    assert (await purge.undo(receipt)).done == 10
    assert await ask(server, ("GET", "page:3"), ("TTL", "page:3")) == [b"newer 0", -1]
    meddled.times = 99
    with pytest.raises(PartlyDone, match="9 keys saved and deleted") as partly:
        await purge_of(meddled, file.with_suffix(".2")).run(ignore)
    assert partly.value.receipt.failed == ("page:3: it was written each time it had been saved",)
    assert await left(server) == {b"page:3"}
    await meddled.close()


@pytest.mark.parametrize("at_batch", [1, 3, 7])
async def test_cancel_gives_a_true_receipt_and_a_usable_file(
    server: Valkey, file: Path, at_batch: int
) -> None:
    await fill(server, 6000, "page")
    purge = purge_of(server, file)
    await purge.plan()
    seen: list[Progress] = []
    flight = asyncio.ensure_future(purge.run(seen.append))
    await until(lambda: len(seen) >= at_batch)
    flight.cancel()
    with pytest.raises(Cancelled) as stopped:
        await flight
    receipt = stopped.value.receipt
    assert receipt is not None
    gone = 6000 - len(await left(server))
    assert (receipt.done, receipt.untouched) == (gone, 6000 - gone)
    back = await purge.undo(receipt)
    assert (back.done, back.facts["kept"]) == (gone, 0)
    assert len(await left(server)) == 6000


async def outcome(flight: asyncio.Future[Receipt]) -> Receipt | None:
    try:
        return await flight
    except Cancelled as stopped:
        return stopped.receipt
    except asyncio.CancelledError:
        return None


async def test_cancel_at_every_await(server: Valkey, file: Path) -> None:
    for steps in range(0, 60, 3):
        await ask(server, ("FLUSHALL",))
        await fill(server, 600, "page")
        place = file.with_suffix(f".{steps}")
        flight = asyncio.ensure_future(purge_of(server, place).run(ignore))
        for _ in range(steps):
            await asyncio.sleep(0)
        flight.cancel()
        receipt = await outcome(flight)
        pages = {key for key in await left(server) if key.startswith(b"page")}  # its lease may end by itself
        gone = 600 - len(pages)
        assert (receipt.done if receipt else 0) == gone, steps
        assert not gone or contents(place).keys >= gone


async def test_it_goes_on_after_a_lost_connection_and_counts_each_key_once(
    server: Valkey, file: Path
) -> None:
    await fill(server, 5000, "page")
    purge = purge_of(server, file)
    await purge.plan()
    seen: list[Progress] = []
    flight = asyncio.ensure_future(purge.run(seen.append))
    await until(lambda: len(seen) >= 2)
    server._work.drop()
    receipt = await flight
    assert receipt.done == 5000
    assert await left(server) == set()
    assert (await purge.undo(receipt)).done == 5000


async def test_a_key_too_large_to_be_carried_is_left_and_told(server: Valkey, file: Path) -> None:
    await ask(server, ("SETRANGE", "page:big", 33 << 20, "x"), ("SET", "page:small", "x"))
    with pytest.raises(PartlyDone, match="1 key saved and deleted") as partly:
        await purge_of(server, file).run(ignore)
    assert partly.value.receipt.failed == ("page:big: larger than 32 MiB, which is not carried to a file",)
    assert await left(server) == {b"page:big"}


async def test_large_values_are_saved_in_several_writes(server: Valkey, file: Path) -> None:
    await ask(server, *(("SET", f"page:{n}", os.urandom(1 << 20)) for n in range(20)))
    before = await values(server, *(b"page:%d" % n for n in range(20)))
    purge = purge_of(server, file)
    receipt = await purge.run(ignore)
    assert receipt.done == 20
    assert (await purge.undo(receipt)).done == 20
    assert await values(server, *before) == before


async def test_a_login_that_may_not_do_its_part_deletes_nothing(
    server: Valkey, valkey: Any, file: Path
) -> None:
    await fill(server, 9000, "page")
    for name, lacks in (("clerk", "-dump"), ("temp", "-eval")):
        await ask(server, ("ACL", "SETUSER", name, "on", f">{name}", "~*", "+@all", lacks))
        told = ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", username=name, password=name)
        made = Valkey("cache", told)
        purge = purge_of(made, file)
        with pytest.raises(Refused, match=rf"\{lacks.replace('-', '+')}"):
            await (purge.plan() if lacks == "-dump" else purge.run(ignore))
        await made.close()
        await ask(server, ("ACL", "DELUSER", name))
    assert contents(file).keys < 9000  # it gave up after the first batch that was refused
    assert len(await left(server)) == 9000


async def test_looking_and_saving_is_in_no_figure_of_the_server(server: Valkey, file: Path) -> None:
    await fill(server, 500, "page")
    await ask(server, ("CONFIG", "RESETSTAT"))
    receipt = await (purge := purge_of(server, file)).run(ignore)
    await ask(server, ("SET", "page:3", "newer"))
    with pytest.raises(PartlyDone):
        await purge.undo(receipt)
    fields = (await ask(server, ("INFO", "stats")))[0].decode()
    counted = {
        name: int(n) for name, _, n in (line.partition(":") for line in fields.split("\r\n")) if n.isdigit()
    }
    for name in ("keyspace_hits", "keyspace_misses"):
        assert abs(counted[name] - server.own[name]) <= 4, name  # the lease is looked at now and then


async def damaged(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


async def test_a_damaged_file_restores_nothing_but_by_request_what_is_before(
    server: Valkey, file: Path
) -> None:
    await fill(server, 100, "page")
    receipt = await (purge := purge_of(server, file)).run(ignore)
    await damaged(file, file.stat().st_size // 2)
    for act in (purge.undo(receipt), RestoreFile(server, "cache", file=str(file)).plan()):
        with pytest.raises(PlanRejected, match="is damaged: "):
            await act
    assert await left(server) == set()
    back = RestoreFile(server, "cache", file=str(file), damaged=True)
    plan = await back.plan()
    assert any("is damaged" in line for line in plan.warnings)
    told = await back.run(ignore)
    assert 30 < told.done == plan.count < 70
    assert len(await left(server)) == told.done


async def test_a_file_cut_short_says_so_and_restores_the_rest(server: Valkey, file: Path) -> None:
    await fill(server, 100, "page")
    await purge_of(server, file).run(ignore)
    os.truncate(file, file.stat().st_size - 3)
    back = RestoreFile(server, "cache", file=str(file))
    plan = await back.plan()
    assert any("cut short: those keys were never deleted" in line for line in plan.warnings)
    assert (await back.run(ignore)).done == 99


async def test_a_file_of_another_purge_or_server_is_refused(server: Valkey, file: Path) -> None:
    await fill(server, 5, "page")
    await (purge := purge_of(server, file)).run(ignore)
    with pytest.raises(PlanRejected, match=f"is of purge {purge.quarantine}, not of abc"):
        await RestoreFile(server, "cache", file=str(file), quarantine="abc").plan()
    with pytest.raises(PlanRejected, match="was taken from cache, not other"):
        await RestoreFile(server, "other", file=str(file)).plan()
    plan = await RestoreFile(server, "other", file=str(file), elsewhere=True).plan()
    assert any("taken from cache, not from other" in line for line in plan.warnings)
    with pytest.raises(PlanRejected, match="No such file"):
        await RestoreFile(server, "cache", file=str(file) + "x").plan()
    with pytest.raises(PlanRejected, match="is not undone"):
        await RestoreFile(server, "cache", file=str(file)).undo(Receipt("5 keys restored"))
    with pytest.raises(PlanRejected, match="nothing was planned"):
        await RestoreFile(server, "cache", file=str(file)).run(ignore)


async def test_payloads_that_a_server_does_not_take_fail_one_by_one(server: Valkey, file: Path) -> None:
    made = KeyFile.create(file, About("abc", "cache", "page:*"), CAP)
    made.append([KeyDump(b"\x1b[2J", -1, b"no dump at all"), KeyDump(b"page:1", -1, b"")])
    made.close()
    back = RestoreFile(server, "cache", file=str(file))
    await back.plan()
    with pytest.raises(PartlyDone, match="0 keys restored, 2 failed") as partly:
        await back.run(ignore)
    assert all("RESTORE" in line and line.isprintable() for line in partly.value.receipt.failed)
    assert await left(server) == set()
    file.write_bytes(file.read_bytes() + packed(1, b"perftui:quarantine:lease", b"x"))
    with pytest.raises(PlanRejected, match="a name that no purge takes"):
        await back.plan()


async def test_no_secret_of_the_server_is_in_the_file(server: Valkey, valkey: Any, file: Path) -> None:
    await fill(server, 3, "page")
    purge = purge_of(server, file)
    plan, receipt = await purge.plan(), await purge.run(ignore)
    assert valkey.password.encode() not in file.read_bytes()
    assert valkey.password not in repr((plan, receipt, purge.params, contents(file)))


async def test_a_removal_by_tag_is_undone_from_its_file(server: Valkey, valkey: Any, file: Path) -> None:
    async def load() -> str:
        return "x"

    async with Cache("shop", l2=valkey.url) as node:
        await node.get_or_set("a", load, tags=["red"])

        async def gone() -> bool:
            return await node.get("a", default=None) is None

        remove = RemoveByTag(server, "cache", namespace="shop", tags=("red",), file=str(file))
        plan = await remove.plan()
        assert (plan.reversible, str(file) in plan.undo_note) == (True, True)
        receipt = await remove.run(ignore)
        await auntil(gone)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert await server._work.one("EXISTS", f"perftui:undo:{remove.undo_id}", deadline=5) == 0
        with pytest.raises(PlanRejected, match="exists"):
            await remove.plan()
        back = RestoreFile(server, "cache", file=str(file), quarantine=remove.undo_id)
        assert "current again" in (await back.plan()).summary
        assert (await back.run(ignore)).done == 1
        await auntil(lambda: _not(gone))
        with pytest.raises(PartlyDone):
            await remove.undo(receipt)


async def _not(condition: Any) -> bool:
    return not await condition()
