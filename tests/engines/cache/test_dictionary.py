"""A dictionary trained on a real namespace: shown, put in force, read by nodes, taken back."""

from __future__ import annotations

import random
from typing import Any

import pytest

from perftui.analysis.codec import Codec, Packer
from perftui.backends.valkey import Valkey
from perftui.engines.cache.dictionary import RollBackDictionary, TrainDictionary
from perftui.instrument.cache.dictionaries import Dictionaries
from perftui.instrument.cache.envelope import Sealer
from perftui.instrument.cache.store import open_store
from perftui.model.errors import PlanRejected, Unsupported
from perftui.model.options import ValkeyOptions

WORDS = ["".join(random.Random(n).choices("abcdefgiklmnorstu", k=3 + n % 7)) for n in range(300)]
VALUES = [
    {"id": n, "name": random.Random(n).choice(WORDS), "all": random.Random(n).choices(WORDS, k=150)}
    for n in range(600)
]
STAMP = b"s" * 16


@pytest.fixture
async def console(valkey: Any) -> Any:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    yield made
    await made.close()


@pytest.fixture
async def store(valkey: Any) -> Any:
    made = open_store(valkey.url)
    await made.command("FLUSHALL", key=b"")
    yield made
    await made.close()


@pytest.fixture
async def node(store: Any) -> Any:
    """A service's node whose namespace is full; its values are near 1 KB."""
    sealer = Sealer(packer=Packer(Codec.LZ4))
    for n, value in enumerate(VALUES):
        await store.put(f"sh*p:{n}".encode(), sealer.seal(value, STAMP), None)
    await store.put(b"sh*p:foreign", b"\x1b[31m not ours" * 20, None)
    await store.put(b"shop:other", sealer.seal("another namespace", STAMP), None)
    await store.command("LPUSH", "sh*p:list", "x", key=b"sh*p:list")
    return sealer


def quiet(_progress: object) -> None:
    """Nobody looks."""


async def test_it_is_shown_put_in_force_and_taken_back(node: Sealer, store: Any, console: Valkey) -> None:
    action = TrainDictionary(console, "cache", namespace="sh*p", size=8192)
    plan = await action.plan()
    assert plan.count == len(VALUES)
    assert [line.partition(":")[0] for line in plan.affects[1:]] == [
        "raw",
        "lz4",
        "snappy",
        "zstd",
        "zstd+dictionary",
    ]
    assert "µs to pack" in plan.affects[-1]
    receipt = await action.run(quiet)
    ratios = {row["codec"]: row["ratio"] for row in receipt.facts["trials"]}
    assert ratios["zstd+dictionary"] > 1.3 * ratios["lz4"]

    dictionaries = Dictionaries(store, "sh*p", node.packer)
    old = node.seal(VALUES[3], STAMP)
    number = await dictionaries.refresh()
    assert number == receipt.undo["number"]
    new = node.seal(VALUES[3], STAMP)
    assert len(new) < len(old)
    assert node.open(old)[1] == node.open(new)[1] == VALUES[3]

    again = TrainDictionary(console, "cache", namespace="sh*p", size=4096)
    await store.put(b"sh*p:3", new, None)  # values packed with a dictionary are learnt from too
    assert (await again.plan()).count == len(VALUES)
    second = await again.run(quiet)
    with pytest.raises(PlanRejected, match="changed it since"):
        await action.undo(receipt)
    await again.undo(second)
    assert await dictionaries.refresh() == number
    assert node.open(new)[1] == VALUES[3]


async def test_going_back_can_be_gone_back_from(node: Sealer, store: Any, console: Valkey) -> None:
    train = TrainDictionary(console, "cache", namespace="sh*p")
    await train.plan()
    number = (await train.run(quiet)).undo["number"]
    back = RollBackDictionary(console, "cache", namespace="sh*p")
    assert "none in place of" in (await back.plan()).summary
    receipt = await back.run(quiet)
    assert (await console.dictionary_state("sh*p")).current == 0
    await back.undo(receipt)
    assert (await console.dictionary_state("sh*p")).current == number


async def test_what_cannot_be_learnt_from_is_refused(store: Any, console: Valkey) -> None:
    with pytest.raises(PlanRejected, match="too few"):
        await TrainDictionary(console, "cache", namespace="empty").plan()
    with pytest.raises(PlanRejected, match="KiB"):
        await TrainDictionary(console, "cache", namespace="a", size=9).plan()
    with pytest.raises(PlanRejected, match="no other dictionary"):
        await RollBackDictionary(console, "cache", namespace="empty").plan()
    key = b"__dictionaries:many"
    await store.command("HSET", key, *(word for n in range(90) for word in (str(n + 1), "x")), key=key)
    with pytest.raises(Unsupported, match="more than"):
        await console.dictionary_state("many")
