"""A pair of servers in two regions: one dies, the other is promoted, the first comes back as its replica."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from perftui.backends.valkey import Valkey, ValkeyOptions
from perftui.engines.cache.regions import Follow, Promote, place
from perftui.model.cache import Replication
from perftui.model.errors import Lost, PlanRejected
from tests.conftest import need_valkey
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.lab.folders import Folder
    from perftui.lab.valkey import ValkeyServer


@dataclass
class Pair:
    """A, and B that follows it."""

    a: ValkeyServer
    b: ValkeyServer

    def backend(self, server: ValkeyServer) -> Valkey:
        return Valkey(server.name, ValkeyOptions(f"redis://127.0.0.1:{server.port}/0", "", server.password))


@pytest.fixture
async def pair(server_folder: Folder) -> AsyncIterator[Pair]:
    need_valkey()
    from perftui.lab.valkey import ValkeyServer

    a = ValkeyServer(server_folder, "region-a")
    b = ValkeyServer(server_folder, "region-b", a)
    await a.start()
    await b.start()
    yield Pair(a, b)
    await a.kill()
    await b.kill()


def nothing(*_: object) -> None:
    pass


async def test_a_dies_b_takes_over_and_a_comes_back_behind_it(pair: Pair) -> None:
    a, b = pair.backend(pair.a), pair.backend(pair.b)
    try:

        async def linked() -> bool:
            return (await b.replication()).link_up

        await auntil(linked, 10)
        await a._work.one("SET", "last", "acknowledged", deadline=2)
        await a._work.one("WAIT", 1, 1000, deadline=2)
        assert "there are two then" in (await Promote(b, "b").plan()).affects[1]
        with pytest.raises(PlanRejected, match="a is a primary already"):
            await Promote(a, "a").plan()
        await pair.a.kill()

        async def cut() -> bool:
            return not (await b.replication()).link_up

        await auntil(cut, 10)
        action = Promote(b, "b")
        plan = await action.plan()
        assert plan.affects[1] == "its primary is gone"
        assert f"127.0.0.1:{pair.a.port}" in plan.undo_note
        receipt = await action.run(nothing)
        assert receipt.summary.startswith("b is a primary at offset")
        assert await b._work.one("GET", "last", deadline=2) == b"acknowledged"
        await b._work.one("SET", "written", "at b", deadline=2)
        await pair.a.start()
        await a.close()  # its connections were the dead server's
        back = Follow(a, "a", to=f"127.0.0.1:{pair.b.port}")
        assert "is replaced by a copy" in (await back.plan()).affects[0]
        assert "follows 127.0.0.1" in (await back.run(nothing)).summary
        assert await a._work.one("GET", "written", deadline=2) == b"at b"
        with pytest.raises(PlanRejected, match="already"):
            await back.plan()
        with pytest.raises(PlanRejected, match="not undone"):
            await back.undo(receipt)
        await Promote(a, "a").run(nothing)
        await action.undo(receipt)  # b follows a again
        assert (await b.replication()).primary == f"127.0.0.1:{pair.a.port}"
    finally:
        await a.close()
        await b.close()


class Told:
    """The power, saying what it is told to."""

    def __init__(self, *said: Replication) -> None:
        self.said = list(said)
        self.followed: list[tuple[str, int]] = []

    async def replication(self) -> Replication:
        return self.said.pop(0) if len(self.said) > 1 else self.said[0]

    async def promote(self) -> float:
        return 0.001

    async def follow(self, host: str, port: int) -> None:
        self.followed.append((host, port))


DOWN = Replication("replica", primary="a:1", link_up=False, link_down_s=100.0)


async def test_a_replica_that_is_far_behind_takes_force() -> None:
    with pytest.raises(PlanRejected, match="heard nothing from a:1 for 1 m 40 s, more than 1 m"):
        await Promote(Told(DOWN), "b").plan()
    assert await Promote(Told(DOWN), "b", force=True).plan()
    assert await Promote(Told(DOWN), "b", bound=200.0).plan()
    unknown = Replication("replica", primary="a:1", last_io_s=None)
    assert "is not known" in (await Promote(Told(unknown), "b").plan()).affects[0]
    with pytest.raises(PlanRejected, match="taking over a whole copy"):
        await Promote(Told(Replication("replica", primary="a:1", syncing=True)), "b").plan()
    with pytest.raises(Lost, match="a replica still"):
        await Promote(Told(DOWN), "b").run(nothing)


async def test_following_waits_for_the_copy_and_says_when_somebody_else_changed_it() -> None:
    steps = [
        Replication("replica", primary="h:1", link_up=False),
        Replication("replica", primary="h:1", link_up=False, syncing=True),
        Replication("replica", primary="h:1", offset=9),
    ]
    notes: list[str] = []
    power = Told(*steps)
    receipt = await Follow(power, "b", to="h:1").run(lambda progress: notes.append(progress.note))
    assert (receipt.summary, power.followed) == ("b follows h:1 at offset 9", [("h", 1)])
    assert notes == ["reaching it", "taking over the copy"]
    with pytest.raises(Lost, match="somebody else"):
        await Follow(Told(Replication()), "b", to="h:1").run(nothing)


@pytest.mark.parametrize("text", ["h", "h:", ":1", "h:0", "h:70000", "h:x", "h h:1", "h\x1b:1", "h:-1"])
def test_places_that_are_none(text: str) -> None:
    with pytest.raises(PlanRejected, match="host:port"):
        place(text)


def test_places() -> None:
    assert place("h:1") == ("h", 1)
    assert place("[::1]:6379") == ("::1", 6379)
