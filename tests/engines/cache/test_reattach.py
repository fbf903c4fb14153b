"""A replica attached to the primary that is one now: what is refused, what goes, and the way back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest

from perftui.backends.valkey import Valkey, ValkeyOptions
from perftui.engines.cache.reattach import Reattach
from perftui.model.cache import Replication
from perftui.model.errors import Cancelled, Lost, PartlyDone, PlanRejected
from perftui.model.ports import ReplicaAttacher
from perftui.model.reattach import Standing
from tests.conftest import need_valkey
from tests.topologies import a_server
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder
    from perftui.lab.sentinel import Data


def nothing(*_: object) -> None:
    pass


class Servers:
    """Primaries and replicas by value; `attach` changes whom one follows, `away` do not answer."""

    one_leads = True

    def __init__(self, leads: str = "", away: tuple[str, ...] = ()) -> None:
        self.leads, self.away = leads, away
        self.told: list[tuple[str, str, int]] = []
        self.at = {
            "": Replication("replica", 7, primary="old:1", link_up=False, link_down_s=40.0),
            "r:1": Replication("replica", 7, primary="old:1", link_up=False, link_down_s=40.0),
            "new:1": Replication("primary", 90),
            "other:1": Replication("replica", 80, primary="new:1"),
        }
        self.keys = {"": 1200, "r:1": 1200, "new:1": 2000, "other:1": 2000}
        self.then: Callable[[Replication], Replication] = lambda now: now

    async def leader(self, node: str) -> str:
        return self.leads

    async def standing(self, node: str) -> Standing:
        if node in self.away or node not in self.at:
            raise Lost(f"{node} gave no answer within 2 s")
        return Standing(node, self.at[node], self.keys[node])

    async def attach(self, node: str, host: str, port: int) -> None:
        self.told.append((node, host, port))
        self.at[node] = self.then(Replication("replica", 95, primary=f"{host}:{port}"))


async def test_its_keys_go_for_a_copy_of_the_primary_that_others_name() -> None:
    servers = Servers()
    assert isinstance(servers, ReplicaAttacher)
    act = Reattach(servers, "second", to="new:1")
    plan = await act.plan()
    assert plan.summary == "let second follow new:1, the primary that is one now"
    assert plan.affects[0] == "it follows old:1: no link for 40.0 s"
    assert "new:1 holds 2,000 keys" in plan.affects[1]
    assert "the 1,200 keys that second holds are thrown away for a copy" in plan.warnings[0]
    assert not plan.reversible
    receipt = await act.run(nothing)
    assert (receipt.summary, receipt.undo) == ("second follows new:1 at offset 95", None)
    assert servers.told == [("", "new", 1)]
    with pytest.raises(PlanRejected, match="second follows new:1 already"):
        await act.plan()


async def test_one_that_hears_a_wrong_primary_goes_there_again_by_undo() -> None:
    servers = Servers()
    servers.at["wrong:1"], servers.keys["wrong:1"] = Replication("primary", 5), 3
    servers.at[""] = Replication("replica", 5, primary="wrong:1")
    act = Reattach(servers, "second", to="new:1")
    plan = await act.plan()
    assert plan.affects[0] == "it follows wrong:1: the link is up"
    assert (plan.reversible, plan.undo_note.startswith("undo lets it follow wrong:1 again")) == (True, True)
    receipt = await act.run(nothing)
    await act.undo(receipt)
    assert servers.told == [("", "new", 1), ("", "wrong", 1)]
    servers.away = ("wrong:1",)
    servers.at[""] = Replication("replica", 95, primary="new:1")
    with pytest.raises(PlanRejected, match="wrong:1 cannot be followed"):
        await act.undo(receipt)


@pytest.mark.parametrize(
    ("leads", "to", "why"),
    [
        ("", "", "nobody says who the primary is now: old:1 does not answer"),
        ("", "other:1", "other:1 is itself a replica, of new:1"),
        ("other:1", "", "other:1 is itself a replica"),
        ("", "gone:1", "gone:1 cannot be followed: gone:1 gave no answer"),
        ("", "nowhere", "host:port"),
        ("", "h\x1b:1", "host:port"),
    ],
)
async def test_a_primary_is_never_guessed(leads: str, to: str, why: str) -> None:
    servers = Servers(leads)
    for make in (Reattach(servers, "second", to=to).plan, lambda: Reattach(servers, "b", to=to).run(nothing)):
        with pytest.raises(PlanRejected, match=why):
            await make()
    assert servers.told == []


async def test_whom_sentinels_name_is_not_argued_with() -> None:
    servers = Servers("new:1")
    with pytest.raises(PlanRejected, match="new:1 is the primary now, not other:1"):
        await Reattach(servers, "shop", node="r:1", to="other:1").plan()
    plan = await Reattach(servers, "shop", node="r:1").plan()
    assert plan.summary.startswith("let r:1 follow new:1")
    receipt = await Reattach(servers, "shop", node="r:1", to="new:1").run(nothing)
    assert receipt.undo is None
    with pytest.raises(PlanRejected, match="new:1 is a primary: what was written there would be lost"):
        await Reattach(servers, "shop", node="new:1").plan()


async def test_one_that_does_not_reach_its_own_primary_is_not_mended_so() -> None:
    servers = Servers("new:1")
    servers.at[""] = Replication("replica", 7, primary="new:1", link_up=False, link_down_s=3.0)
    with pytest.raises(PlanRejected, match="does not reach it: see its primaryauth"):
        await Reattach(servers, "second").plan()


async def test_cut_short_it_says_that_the_copy_is_not_whole() -> None:
    servers, notes = Servers("new:1"), []
    servers.then = lambda now: Replication("replica", 0, primary=now.primary, link_up=False, syncing=True)
    running = asyncio.create_task(
        Reattach(servers, "second").run(lambda progress: notes.append(progress.note))
    )
    await until(lambda: notes)
    assert notes[0] == "taking over the copy"
    running.cancel()
    with pytest.raises(Cancelled, match="its copy is not whole yet"):
        await running
    servers.at[""] = Replication("replica", 7, primary="old:1", link_up=False)
    servers.then = lambda now: Replication("replica", 0, primary="third:1")
    with pytest.raises(PartlyDone, match="somebody else changed whom second follows") as cut:
        await Reattach(servers, "second").run(nothing)
    assert cut.value.receipt.done == 1


@pytest.fixture
async def three(server_folder: Folder) -> AsyncIterator[list[Data]]:
    """A primary and two replicas of it."""
    need_valkey()
    first = a_server(server_folder)
    made = [first, a_server(server_folder, first), a_server(server_folder, first)]
    for server in made:
        await server.start()
    yield made
    for server in made:
        await server.kill()


def backend(server: Data) -> Valkey:
    return Valkey(server.name, ValkeyOptions(server.bare_url, "", server.password))


async def test_the_other_replica_follows_the_promoted_one(three: list[Data]) -> None:
    first, second, third = three
    power = backend(third)
    try:
        await first.ask("MSET", "a", "1", "b", "2", "c", "3")
        await auntil(lambda: copied(third), 10)
        with pytest.raises(PlanRejected, match=r"follows 127\.0\.0\.1:.* already"):
            await Reattach(power, "third").plan()
        await first.kill()
        await second.ask("REPLICAOF", "NO", "ONE")
        await second.ask("SET", "d", "4")
        with pytest.raises(PlanRejected, match="nobody says who the primary is now"):
            await Reattach(power, "third").plan()
        with pytest.raises(PlanRejected, match="cannot be followed"):
            await Reattach(power, "third", to=f"127.0.0.1:{first.port}").plan()
        act = Reattach(power, "third", to=f"127.0.0.1:{second.port}")
        plan = await act.plan()
        assert "the 3 keys that third holds" in plan.warnings[0]
        assert "holds 4 keys" in plan.affects[1]
        assert "at offset" in (await act.run(nothing)).summary
        assert await third.ask("GET", "d") == b"4"
    finally:
        await power.close()


async def copied(server: Data) -> bool:
    return bool(await server.ask("DBSIZE") == 3)


async def test_the_primary_at_the_end_of_replicas_is_found_without_being_named(three: list[Data]) -> None:
    """The one it follows became a replica itself: that one says of whom."""
    first, second, third = three
    power = backend(third)
    try:
        await second.ask("REPLICAOF", "NO", "ONE")
        await first.ask("REPLICAOF", second.host, second.port)
        plan = await Reattach(power, "third").plan()
        assert plan.summary == f"let third follow 127.0.0.1:{second.port}, the primary that is one now"
        receipt = await Reattach(power, "third").run(nothing)
        assert f"follows 127.0.0.1:{second.port}" in receipt.summary
        assert (await power.leader("")) == f"127.0.0.1:{second.port}"
    finally:
        await power.close()
