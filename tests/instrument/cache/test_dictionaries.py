"""Dictionaries in a real server: rolled out to other nodes, rolled back, and hostile ones passed over."""

import random

import pytest

from perftui.analysis.codec import Codec, Packer
from perftui.analysis.codecchoice import EVERY, FIRST, SelfChoosing
from perftui.analysis.codectrain import train
from perftui.instrument.cache.dictionaries import Dictionaries
from perftui.instrument.cache.envelope import Sealer
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.names import value_key
from perftui.model.envelope import Unreadable, Why, unpack
from perftui.model.errors import BackendError
from tests.waiting import auntil, until

WORDS = ["".join(random.Random(n).choices("abcdefgiklmnorstu", k=3 + n % 7)) for n in range(300)]
VALUES = [
    {"name": random.Random(n).choice(WORDS), "all": random.Random(n).choices(WORDS, k=20)} for n in range(400)
]
STAMP = b"s" * 16


def node(store, namespace):
    sealer = Sealer(packer=Packer(Codec.LZ4))
    return sealer, Dictionaries(store, namespace, sealer.packer)


async def test_a_dictionary_reaches_other_nodes_and_is_rolled_back(store):
    (one, here), (two, there) = node(store, "shop-d"), node(store, "shop-d")
    samples = [one.serializer.dumps(value) for value in VALUES]
    first, second = train(samples[:200]), train(samples[200:])
    await here.roll_out(first.dictionary)
    small = one.seal(VALUES[0], STAMP)
    assert len(small) < 76 + len(samples[0]) * 0.6
    assert two.open(small) == Unreadable(Why.DICTIONARY)
    assert await there.refresh() == first.number
    assert two.open(small)[1] == VALUES[0]

    await there.roll_out(second.dictionary)
    newer = two.seal(VALUES[0], STAMP)
    assert await here.refresh() == second.number
    assert one.open(newer)[0].dictionary == second.number
    assert one.open(small)[1] == VALUES[0]  # the old one stays readable

    assert await here.roll_back() == first.number == await there.refresh()
    assert await here.roll_back() == second.number
    fresh, anew = node(store, "shop-d")
    assert await anew.refresh() == second.number
    assert [fresh.open(raw)[1] for raw in (small, newer)] == [VALUES[0]] * 2


async def test_a_value_that_cannot_be_read_brings_its_dictionary(store, monkeypatch):
    monkeypatch.setattr("perftui.instrument.cache.dictionaries.LOOK", 0.01)
    (one, here), (two, there) = node(store, "shop-g"), node(store, "shop-g")
    there.follow(lambda: two.unreadable[Why.DICTIONARY])
    there.follow(lambda: 0)
    await auntil(lambda: _asked(store))
    await here.roll_out(train([one.serializer.dumps(value) for value in VALUES]).dictionary)
    small = one.seal(VALUES[0], STAMP)
    assert two.open(small) == Unreadable(Why.DICTIONARY)
    await until(lambda: two.packer.dictionary)
    assert two.open(small)[1] == VALUES[0]
    there.stop()
    there.stop()


async def test_a_cache_reads_and_writes_with_what_was_rolled_out(store, l2, monkeypatch):
    monkeypatch.setattr("perftui.instrument.cache.dictionaries.LOOK", 0.01)
    sealer, dictionaries = node(store, "shop-h")
    async with Cache("shop-h", l2=l2.url) as cache:
        await auntil(lambda: _asked(store))
        number = await dictionaries.roll_out(train([sealer.serializer.dumps(v) for v in VALUES]).dictionary)
        await store.put(value_key("shop-h", "a"), sealer.seal(VALUES[0], STAMP), None)

        async def read():
            return await cache.get("a") == VALUES[0]

        await auntil(read)
        await cache.set("b", VALUES[1])
        assert unpack(await store.get(value_key("shop-h", "b"))).dictionary == number


async def _asked(store):
    """Whether somebody has looked for a namespace's dictionaries."""
    return b"cmdstat_hkeys" in await store.command("INFO", "commandstats", key=b"")


async def test_rolled_back_from_the_first_the_codec_before_is_used(store):
    sealer, dictionaries = node(store, "shop-e")
    await dictionaries.roll_out(train([sealer.serializer.dumps(value) for value in VALUES]).dictionary)
    assert await dictionaries.roll_back() == 0
    assert (sealer.packer.codec, sealer.packer.dictionary) == (Codec.LZ4, 0)


@pytest.mark.parametrize("values", [VALUES, [n.randbytes(3000) for n in map(random.Random, range(300))]])
async def test_a_packer_that_chooses_tries_what_is_in_force_alone(store, values):
    """In force it is used, until a judgement leaves it; rolled back it is used no more, whatever was judged."""
    packer = SelfChoosing(seed=1)
    sealer, dictionaries = Sealer(packer=packer), Dictionaries(store, "shop-i", packer)
    number = await dictionaries.roll_out(train([sealer.serializer.dumps(v) for v in VALUES]).dictionary)
    assert (packer.codec, packer.dictionary) == (Codec.ZSTD, number)
    for n in range(FIRST):
        sealer.seal(values[n % len(values)], STAMP)
    assert number in {trial.dictionary for trial in packer.trials}
    packer.use(Codec.SNAPPY)  # as a judgement may
    assert await dictionaries.refresh() == 0
    assert packer.codec == Codec.SNAPPY
    packer.use(Codec.ZSTD, number)
    assert await dictionaries.roll_back() == 0
    assert (packer.codec, packer.dictionary) == (Codec.LZ4, 0)
    for n in range(EVERY):
        sealer.seal(values[n % len(values)], STAMP)
    assert packer.trials
    assert {trial.dictionary for trial in packer.trials} == {packer.dictionary} == {0}
    before = packer.codec
    assert await dictionaries.refresh() == 0
    assert packer.codec == before


async def test_what_is_no_dictionary_does_no_harm(store, l2):
    sealer, dictionaries = node(store, "shop-f")
    async with l2.client() as client:
        name = "__dictionaries:shop-f"
        await client.hset(
            name, mapping={"current": "9", "9": b"nonsense", "x\x1b[": b"", "11": b"a" * (2 << 20)}
        )
        assert await dictionaries.refresh() == 0
        assert sealer.packer.known == ()
        await client.hset(name, mapping={str(number): b"" for number in range(100)})
        with pytest.raises(BackendError, match="more than"):
            await dictionaries.refresh()
    with pytest.raises(ValueError, match="larger"):
        await dictionaries.roll_out(b"a" * (2 << 20))
