"""Hit ratios by prefix from real command streams, beside what the clients themselves counted."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from perftui.analysis.prefixhits import Did
from perftui.backends.valkey import Valkey, ValkeyOptions
from perftui.backends.valkey.link import Link, parse_url
from perftui.backends.valkey.prefixhits import steps
from perftui.model.cache import CommandSample
from perftui.model.prefixhits import PrefixHits
from tests.redis7 import redis

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

CLIENTS = 6


@pytest.fixture(params=["valkey", "redis7"])
async def server(request: pytest.FixtureRequest, valkey: Any, server_folder: Folder) -> AsyncIterator[Any]:
    if request.param == "valkey":
        yield valkey
        return
    async with redis(server_folder, "hits") as made:
        yield made


@pytest.fixture
async def links(server: Any) -> AsyncIterator[list[Link]]:
    made = [Link(parse_url(server.url)) for _ in range(CLIENTS)]
    await made[0].one("FLUSHALL", deadline=5)
    yield made
    for link in made:
        await link.close()


@pytest.fixture
async def console(server: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{server.port}/0", password=server.password))
    yield made
    await made.close()


Doing = Callable[[], Awaitable[object]]


async def watched(console: Valkey, doing: Doing, commands: int = 1500) -> CommandSample:
    """What the stream says while it is done again and again."""
    watch = asyncio.ensure_future(console.sample_commands(commands, 2.0))
    while not watch.done():
        await doing()
    return await watch


def of(sample: CommandSample) -> dict[bytes, PrefixHits]:
    return {row.prefix: row for row in sample.hits}


class Aside:
    """Clients that read, and after a miss load (some round trips long) and put; they count what they found."""

    def __init__(self, links: list[Link], life_ms: int, *, nx: bool = False) -> None:
        self.links, self.life, self.more = links, life_ms, ("NX",) if nx else ()
        self.found = Counter[tuple[bytes, bool]]()
        self.dice = random.Random(7)

    async def one(self, link: Link) -> None:
        prefix = self.dice.choice((b"page:", b"page:", b"cart:"))
        key = prefix + b"%d" % int(
            self.dice.paretovariate(0.7) if prefix == b"page:" else self.dice.random() * 3000
        )
        value = await link.one("GET", key, deadline=2)
        self.found[prefix, value is not None] += 1
        if value is None:
            await link.ask([("PING",)] * 3, 2)
            await link.one("SET", key, "v" * 50, "PX", self.life, *self.more, deadline=2)

    async def round(self) -> None:
        await asyncio.gather(*(self.one(link) for link in self.links))

    def ratio(self, prefix: bytes) -> float:
        hits = self.found[prefix, True]
        return hits / (hits + self.found[prefix, False])


@pytest.mark.parametrize(
    ("life_ms", "nx", "widest"), [(60_000, False, 0.2), (60_000, True, 0.2), (120, False, 1.0)]
)
async def test_ratios_are_those_the_clients_counted(
    console: Valkey, links: list[Link], life_ms: int, nx: bool, widest: float
) -> None:
    aside = Aside(links, life_ms, nx=nx)
    for _ in range(100):
        await aside.round()
    aside.found.clear()
    sample = await watched(console, aside.round)
    found = of(sample)
    assert sample.hits_limit == ""
    assert set(found) == {b"page:", b"cart:"}
    for prefix, row in found.items():
        assert row.reads > 150
        assert row.low <= aside.ratio(prefix) <= row.high, (row, aside.found)
        assert row.high - row.low < widest, row
    assert found[b"page:"].high > found[b"cart:"].high


async def test_asking_is_taken_off_the_servers_own_counts(console: Valkey, links: list[Link]) -> None:
    await links[0].ask([("MSET", "a:1", "v", "a:2", "v")], 2)
    await watched(console, lambda: links[0].ask([("MGET", "a:1", "a:2", "a:3")], 2), 100)
    assert (console.own_hits, console.own_misses) == (2, 1)
    row = of(await watched(console, lambda: links[0].ask([("MGET", "a:1", "a:2", "a:3")], 2), 100))[b"a:"]
    assert row.ratio == pytest.approx(2 / 3)
    assert row.reads == 300


async def test_sessions_that_are_written_back_are_not_misses(console: Valkey, links: list[Link]) -> None:
    await links[0].ask([("SET", f"session:{n}", "v") for n in range(50)], 2)
    dice = random.Random(3)

    async def visit() -> None:
        link, key = dice.choice(links), f"session:{dice.randrange(50)}"
        await link.one("GET", key, deadline=2)
        await link.one("SET", key, "v", "EX", 900, deadline=2)

    row = of(await watched(console, visit, 600))[b"session:"]
    assert row.misses == 0
    assert row.high > 0.99


async def test_what_a_script_writes_is_its_callers_and_what_it_reads_is_no_read(
    console: Valkey, links: list[Link]
) -> None:
    put = (
        "if redis.call('GET', KEYS[1]) then return 0 end return redis.call('SET', KEYS[1], 'v', 'PX', 60000)"
    )
    turn = iter(range(10**6))

    async def load() -> None:
        key = f"page:{next(turn)}"
        await links[0].one("GET", key, deadline=2)
        await links[0].one("EVAL", put, 1, key, deadline=2)
        await links[1].one("GET", key, deadline=2)

    row = of(await watched(console, load, 400))[b"page:"]
    assert row.hits == pytest.approx(row.misses, abs=2)
    assert row.unsure <= 1


async def test_other_databases_and_what_we_keep_are_left_out(console: Valkey, links: list[Link]) -> None:
    other = Link(
        parse_url(
            f"redis://127.0.0.1:{console._work.address.port}/1", password=console._work.address.password
        )
    )
    doing = [("GET", "page:1"), ("GET", "shop:__tag:x"), ("GET", "__node:a")]
    try:
        sample = await watched(
            console,
            lambda: asyncio.gather(other.ask(doing[:1], 2), links[0].ask([("GET", "cart:1"), *doing[1:]], 2)),
            200,
        )
    finally:
        await other.close()
    assert list(of(sample)) == [b"cart:"]
    assert of(sample)[b"cart:"].ratio == 0.0


async def test_who_may_not_ask_is_told_so_and_sees_the_hot_keys(console: Valkey, links: list[Link]) -> None:
    raw, address = links[0], console._work.address
    await raw.one("ACL", "SETUSER", "looker", "on", ">pw", "~*", "+@all", "-exists", deadline=2)
    options = ValkeyOptions(url=f"redis://looker:pw@127.0.0.1:{address.port}/0")
    looker = Valkey("cache", options)
    try:
        sample = await watched(
            looker, lambda: raw.ask([("GET", "a:1"), ("SET", "b:1", "v"), ("GET", "b:1")], 2), 90
        )
    finally:
        await looker.close()
        await raw.one("ACL", "DELUSER", "looker", deadline=2)
    assert "+exists" in sample.hits_limit
    assert {hot.key for hot in sample.keys} == {b"a:1", b"b:1"}
    found = of(sample)
    assert found[b"a:"].ratio is None
    assert found[b"b:"].ratio == 1.0


@pytest.mark.parametrize(
    ("words", "did"),
    [
        ('"SET" "k" "v"', Did.PUT),
        ('"SET" "k" "v" "EX" "9" "nx"', Did.FILL),
        ('"SET" "k" "v" "XX"', Did.CHANGED),
        ('"SETNX" "k" "v"', Did.FILL),
        ('"DEL" "k"', Did.TOOK),
        ('"GETDEL" "k"', Did.TOOK),
        ('"HSET" "k" "f" "v"', Did.ADD),
        ('"LPOP" "k"', Did.CHANGED),
        ('"ZADD" "k" "XX" "1" "m"', Did.CHANGED),
        ('"EXPIRE" "k" "900"', None),
        ('"EXPIRE" "k" "1"', Did.CHANGED),
        ('"EXPIRE" "k" "-1"', Did.CHANGED),
        ('"PEXPIRE" "k" "1"', Did.CHANGED),
        ('"TTL" "k"', None),
        ('"GET" "k"', Did.READ),
        ('"JSON.SET" "k" "$" "1"', Did.CHANGED),
        ('"PING"', None),
        ('"RENAME" "a" "k"', Did.CHANGED),
        ('"MSET" "a" "k" "k" "v"', Did.PUT),
    ],
)
def test_what_commands_do(words: str, did: Did | None) -> None:
    line = b"1700000000.123456 [0 127.0.0.1:5000] " + words.encode()
    assert {step.did for step in steps([line], 0) if step.key == b"k"} == ({did} if did else set())
    assert not list(steps([line], 1))


def test_a_flush_takes_all_that_was_seen() -> None:
    lines = [
        b'1.0 [0 a:1] "GET" "k"',
        b'1.1 [0 a:1] "FLUSHALL"',
        b'1.2 [0 a:1] "GET" "k"',
        b"OK",
        b"1.3 [0 a:1] ",
    ]
    assert [step.did for step in steps(lines, 0)] == [Did.READ, Did.TOOK, Did.READ]
