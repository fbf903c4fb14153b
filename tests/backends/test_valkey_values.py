"""Values read in pieces on real servers, of every type and any size, and keys told when to end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from perftui.analysis.valuetext import told
from perftui.backends.valkey import Valkey
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.link import Link
from perftui.engines.cache.dictionary import TrainDictionary
from perftui.instrument.cache import Cache
from perftui.model.envelope import MAGIC
from perftui.model.errors import Refused, Unsupported
from perftui.model.keyvalue import CUT, ELEMENTS, PIECE, WHOLE, ValuePage
from perftui.model.options import ValkeyClusterOptions
from tests.backends import test_valkey
from tests.conftest import need_valkey
from tests.topologies import a_cluster

if TYPE_CHECKING:
    from perftui.lab.cluster import Cluster
    from perftui.lab.folders import Folder


raw, server = test_valkey.raw, test_valkey.server


async def pages(server: Any, key: bytes) -> list[ValuePage]:
    """All of them, each from where the one before ended."""
    found, place = [], ""
    while True:
        page = await server.value_page(key, place)
        found.append(page)
        place = page.following
        if not place:
            return found


async def test_every_type_is_paged_to_its_end(server: Valkey, raw: Link) -> None:
    many = range(950)
    await raw.ask(
        [
            *(("RPUSH", "list", f"item {n}") for n in many),
            *(("ZADD", "zset", n / 2, f"member {n}") for n in many),
            *(("HSET", "hash", f"field {n}", f"value {n}") for n in many),
            *(("SADD", "set", f"member {n}") for n in many),
            *(("XADD", "stream", f"{n + 1}-0", "a", n, "b", "x") for n in many),
            ("EXPIRE", "hash", 500),
        ],
        20,
    )
    read = {kind: await pages(server, kind.encode()) for kind in ("list", "zset", "hash", "set", "stream")}
    for kind, found in read.items():
        assert {(page.kind, page.size, page.dropped) for page in found} == {(kind, 950, 0)}
        assert all(len(page.parts) <= 4 * ELEMENTS for page in found)
        assert len(found) > 2
    parts = {kind: [(p.name, p.value) for page in found for p in page.parts] for kind, found in read.items()}
    assert parts["list"] == [(b"%d" % n, b"item %d" % n) for n in many]
    assert parts["zset"] == [(b"member %d" % n, b"%g" % (n / 2)) for n in many]
    assert set(parts["hash"]) == {(b"field %d" % n, b"value %d" % n) for n in many}
    assert set(parts["set"]) == {(b"member %d" % n, b"") for n in many}
    assert parts["stream"] == [(b"%d-0" % (n + 1), b"a=%d b=x" % n) for n in many]
    assert 490 < (read["hash"][0].ttl_s or 0) <= 500
    assert (read["list"][0].ttl_s, read["hash"][0].encoding) == (None, "hashtable")


async def test_what_is_long_is_cut_before_it_is_sent(server: Valkey, raw: Link) -> None:
    long = b"v" * 100_000
    await raw.ask([("RPUSH", "list", long, long, "end"), ("HSET", "hash", long, long)], 20)
    await raw.ask([("SETRANGE", "giant", (8 << 20) - 1, "x"), ("XADD", "stream", "*", "f", long)], 20)
    before = await _sent(raw)
    (listed,) = await pages(server, b"list")
    (hashed,) = await pages(server, b"hash")
    (streamed,) = await pages(server, b"stream")
    first = await server.value_page(b"giant")
    last = await server.value_page(b"giant", str((8 << 20) - 10))
    assert await _sent(raw) - before < 2 * PIECE
    assert [(len(p.value), p.value_bytes) for p in listed.parts] == [
        (CUT, 100_000),
        (CUT, 100_000),
        (3, 3),
    ]
    assert (len(hashed.parts[0].name), hashed.parts[0].name_bytes) == (CUT, 100_000)
    assert len(streamed.parts[0].value) <= CUT
    assert (first.size, len(first.data), first.following, first.whole) == (8 << 20, PIECE, str(PIECE), False)
    assert (last.data, last.following) == (bytes(9) + b"x", "")


@pytest.mark.parametrize("kind", ["list", "zset", "hash", "set", "stream"])
async def test_a_page_of_large_elements_ends_before_many_are_read(
    server: Valkey, raw: Link, kind: str
) -> None:
    """Each of these is larger than what a page may read: the server takes them out one at a time."""
    large, few = 1_200_000, 30
    put = {
        "list": lambda n: ("RPUSH", "big", b"%02d" % n + b"x" * large),
        "zset": lambda n: ("ZADD", "big", n, b"%02d" % n + b"x" * large),
        "hash": lambda n: ("HSET", "big", f"f{n}", b"x" * large),
        "set": lambda n: ("SADD", "big", b"%02d" % n + b"x" * large),
        "stream": lambda n: ("XADD", "big", f"{n + 1}-0", "f", b"x" * large),
    }[kind]
    await raw.ask([put(n) for n in range(few)], 20)
    await raw.one("CONFIG", "RESETSTAT", deadline=2)
    first = await server.value_page(b"big")
    stats = str(await raw.one("INFO", "commandstats", deadline=2))
    command = {"list": "lindex", "zset": "zrange", "hash": "hscan", "set": "sscan", "stream": "xrange"}[kind]
    calls = int(stats.partition(f"cmdstat_{command}:calls=")[2].partition(",")[0])
    assert 1 <= calls <= 3  # a bucket or two that were empty; whether a stream goes on
    assert 1 <= len(first.parts) <= (14 if kind in {"hash", "set"} else 1)  # a bucket of Valkey holds seven
    found = [first, *await pages(server, b"big")][1:]
    assert sum(len(page.parts) for page in found) == few
    assert all(page.dropped == 0 for page in found)
    await raw.one("UNLINK", "big", deadline=5)


async def test_small_elements_before_a_large_one_are_one_page(server: Valkey, raw: Link) -> None:
    await raw.ask([("RPUSH", "mixed", *("x" for _ in range(50)), b"y" * 3_000_000, b"z" * 3_000_000)], 20)
    first, second = await pages(server, b"mixed")
    assert (len(first.parts), len(second.parts)) == (51, 1)
    assert (first.parts[50].value_bytes, len(first.parts[50].value)) == (3_000_000, CUT)


async def test_hostile_names_and_places(server: Valkey, raw: Link) -> None:
    name = b"\x1b[2J\xff\x00" + b"k" * 100_000
    await raw.ask([("SET", name, "v"), ("XADD", "stream", "1-1", "f", "v"), ("LPUSH", "list", "x")], 5)
    page = await server.value_page(name)
    assert (page.key, page.data, page.whole) == (name, b"v", True)
    for key, place in ((name, "1;x"), (b"list", "x"), (b"list", "-1"), (b"stream", "no id")):
        with pytest.raises(Unsupported, match="no place"):
            await server.value_page(key, place)
    for place in ("77", "123456789012345", "4503599627370497"):  # the longer ones no %.14g can write
        page = await server.value_page(b"list", place)
        assert (page.parts, page.following) == ((), "")
    assert (await server.value_page(b"nothing")).kind == "none"


async def test_looking_adds_nothing_to_the_hit_ratio(server: Valkey, raw: Link) -> None:
    await raw.ask([("SET", "s", "x" * 200_000), ("HSET", "h", "f", "v"), ("XADD", "x", "*", "f", "v")], 5)
    async with Cache("shop", l2=_url(raw), publish=False) as cache:
        await cache.set("k", "y" * 5)
    before = await _hits(raw)
    own = dict(server.own)
    for key in (b"s", b"h", b"x", b"shop:k", b"nothing"):
        await server.value_page(key)
        await server.key_end(key)
    hits, misses = (now - then for now, then in zip(await _hits(raw), before, strict=True))
    assert (server.own["keyspace_hits"] - own["keyspace_hits"], server.own["keyspace_misses"]) == (
        hits,
        misses,
    )


async def test_an_entry_of_the_library_is_whole_though_it_is_larger_than_a_page(
    server: Valkey,
    raw: Link,
) -> None:
    import secrets

    value = [secrets.token_hex(50) for _ in range(2000)]
    async with Cache("shop", l2=_url(raw), publish=False) as cache:
        await cache.set("k", value, tags=["home"], ttl=60)
    page = await server.value_page(b"shop:k")
    assert (page.whole, page.size > 2 * PIECE) == (True, True)
    text = told(page)
    assert (text.form, text.why, text.rows[1].text) == ("msgpack", "", f'  "{value[0]}",')
    assert text.entry is not None
    assert "home" in [name for name, _, _ in text.entry.tags]
    assert -60 <= (text.ended or 0) < -55


async def test_an_entry_that_is_too_large_is_not_read_whole(server: Valkey, raw: Link) -> None:
    await raw.one("SET", "large", MAGIC + bytes(WHOLE), deadline=5)
    page = await server.value_page(b"large")
    assert (len(page.data), page.size, page.following) == (PIECE, WHOLE + len(MAGIC), str(PIECE))


async def test_a_key_is_told_when_to_end(server: Valkey, raw: Link) -> None:
    await raw.ask([("SET", "k", "v"), ("SET", "e", "v", "EX", 100)], 5)
    assert (await server.key_end(b"k")).end is None
    end = await server.key_end(b"e")
    assert 99_000 < (end.end or 0) - end.now <= 100_000
    assert await server.end_key(b"k", 50_000)
    assert 49_000 < await raw.one("PTTL", "k", deadline=2) <= 50_000
    assert await server.end_key(b"k", None)
    assert await raw.one("PTTL", "k", deadline=2) == -1
    assert not await server.end_key(b"nothing", 50_000)
    assert not await server.end_key(b"nothing", None)
    assert not (await server.key_end(b"nothing")).there


@pytest.fixture
async def cluster(server_folder: Folder) -> Any:
    need_valkey()
    made = a_cluster(server_folder)
    await made.start()
    yield made
    await made.stop()


async def test_who_may_not_ask_for_the_time_is_told_which_right_is_lacking(valkey: Any, raw: Link) -> None:
    await raw.ask([("SET", "k", "v"), ("ACL", "SETUSER", "timeless", "on", ">pw", "~*", "+@all", "-time")], 5)
    made = Valkey("cache", test_valkey.options(valkey, username="timeless", password="pw"))
    for asked in (made.value_page(b"k"), made.key_end(b"k")):
        with pytest.raises(Refused, match=r"\+time"):
            await asked
    await made.close()
    await raw.one("ACL", "DELUSER", "timeless", deadline=2)


async def test_a_clusters_values_are_read_where_they_are(cluster: Cluster) -> None:
    """With the dictionary of the namespace, which another primary holds."""
    places = ",".join(f"{m.host}:{m.port}" for m in cluster.masters)
    how = ValkeyClusterOptions(f"redis+cluster://{places}", password=cluster.masters[0].password)
    shards = ValkeyCluster("shards", how)
    async with Cache("shop", l2=cluster.url) as cache:
        for n in range(600):
            await cache.set(f"k{n}", {"name": f"product {n}", "price": n, "text": "fine tea " * 5})
        train = TrainDictionary(shards, "shards", namespace="shop", size=4096, values=500)
        await train.plan()
        await train.run(lambda _progress: None)
        await cache._dictionaries.refresh()  # type: ignore[union-attr]
        for n in range(20):
            await cache.set(f"k{n}", {"name": f"product {n}", "price": n, "text": "fine tea " * 5})
    read = await asyncio.gather(*(shards.value_page(b"shop:k%d" % n) for n in range(20)))
    assert all(page.dictionary for page in read)
    assert [told(page).rows[1].text for page in read] == [f'  "name": "product {n}",' for n in range(20)]
    assert await shards.end_key(b"shop:k1", 50_000)
    assert (await shards.key_end(b"shop:k1")).end is not None
    await shards.close()


def _url(raw: Link) -> str:
    at = raw.address
    return f"redis://:{at.password}@{at.host}:{at.port}/0"


async def _hits(raw: Link) -> tuple[int, int]:
    text = (await raw.one("INFO", "stats", deadline=2)).decode()
    fields = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
    return int(fields["keyspace_hits"]), int(fields["keyspace_misses"])


async def _sent(raw: Link) -> int:
    text = (await raw.one("INFO", "stats", deadline=2)).decode()
    return int(text.split("total_net_output_bytes:")[1].split()[0])
