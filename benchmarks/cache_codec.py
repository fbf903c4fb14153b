"""Codecs of the cache library on 1 KB JSON values, beside the native packages where these are installed.

    python -m benchmarks.cache_codec

Peers: `lz4` (block API), `python-snappy`, `zstandard` used directly, `msgspec` and `ormsgpack`. Figures are
CPU microseconds a value, medians of interleaved rounds; ratio is bytes in to bytes out over all values. What
the peers unpack is what ours packed: blocks that were packed better take longer.
"""

from __future__ import annotations

import importlib
import json
import random
import statistics
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from perftui.analysis.codec import Codec, Packer
from perftui.analysis.codectrain import train
from perftui.instrument.cache.envelope import Sealer
from perftui.model.envelope import pack, unpack

ROUNDS = 25
VALUES = 1200
STAMP = b"\0" * 16

Job = Callable[[], Any]


def values() -> list[dict[str, Any]]:
    """Products of a shop near 1 KB of JSON: like each other in form, not in content."""
    chance = random.Random(7)
    words = ["".join(chance.choices("abcdefghiklmnoprstu", k=3 + n % 7)) for n in range(600)]
    return [
        {
            "id": chance.randrange(10**6),
            "sku": f"{chance.getrandbits(48):x}",
            "name": " ".join(chance.choices(words, k=5)),
            "price": {"amount": chance.randrange(10**4) / 100, "currency": "EUR"},
            "stock": {city: chance.randrange(90) for city in ("berlin", "paris", "rome")},
            "attributes": [{"name": chance.choice(words), "value": chance.choice(words)} for _ in range(8)],
            "description": " ".join(chance.choices(words, k=64)),
            "updated_at": f"2026-0{chance.randrange(1, 9)}-1{chance.randrange(9)}T08:00:00Z",
        }
        for _ in range(VALUES)
    ]


def installed(name: str) -> ModuleType | None:
    """A peer, if it is here."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def race(jobs: dict[str, Job], each: int) -> dict[str, float]:
    """Median CPU microseconds a value of every job, all of them in each round."""
    took: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            began = time.process_time()
            job()
            took[name].append((time.process_time() - began) / each * 1e6)
    return {name: statistics.median(rounds) for name, rounds in took.items()}


def all_of(do: Callable[[Any], Any], over: list[Any]) -> Job:
    """The same call on each."""
    return lambda: [do(one) for one in over]


def ours(packer: Packer, codec: Codec, dictionary: int, data: list[bytes]) -> tuple[Job, Job, int]:
    """Pack, unpack, and packed bytes of our codec."""
    packed = [packer.squeeze(codec, dictionary, one) for one in data]
    pairs = [(out, len(one)) for out, one in zip(packed, data, strict=True)]
    number = int(codec)  # as a header has it
    return (
        all_of(lambda one: packer.squeeze(codec, dictionary, one), data),
        all_of(lambda pair: packer.unpack(number, dictionary, pair[0], pair[1]), pairs),
        sum(map(len, packed)),
    )


def theirs(
    pack_one: Callable[[bytes], bytes],
    unpack_one: Callable[[Any], Any],
    squeeze: Callable[[bytes], bytes],
    data: list[bytes],
) -> Any:
    """Pack, unpack, and packed bytes of a peer; its unpacking gets (what `squeeze` packed, size)."""
    pairs = [(squeeze(one), len(one)) for one in data]
    return all_of(pack_one, data), all_of(unpack_one, pairs), sum(map(len, map(pack_one, data)))


def codecs(data: list[bytes]) -> None:
    """The table of codecs."""
    packer = Packer(threshold=0)
    number = packer.learn(train(data[: VALUES // 2]).dictionary)
    apart = data[VALUES // 2 :]
    rows = {
        "LZ4": ours(packer, Codec.LZ4, 0, apart),
        "Snappy": ours(packer, Codec.SNAPPY, 0, apart),
        "zstd": ours(packer, Codec.ZSTD, 0, apart),
        "zstd, 16 KB dictionary": ours(packer, Codec.ZSTD, number, apart),
    }
    if lz4 := installed("lz4.block"):
        rows["python-lz4"] = theirs(
            lambda one: lz4.compress(one, store_size=False),
            lambda pair: lz4.decompress(pair[0], uncompressed_size=pair[1]),
            lambda one: packer.squeeze(Codec.LZ4, 0, one),
            apart,
        )
    if snappy := installed("snappy"):
        rows["python-snappy"] = theirs(
            snappy.compress,
            lambda pair: snappy.decompress(pair[0]),
            lambda one: packer.squeeze(Codec.SNAPPY, 0, one),
            apart,
        )
    if zstd := installed("zstandard"):
        out, back = zstd.ZstdCompressor(level=1), zstd.ZstdDecompressor()
        rows["zstandard, level 1"] = theirs(
            out.compress,
            lambda pair: back.decompress(pair[0]),
            lambda one: packer.squeeze(Codec.ZSTD, 0, one),
            apart,
        )
    packing = race({name: row[0] for name, row in rows.items()}, len(apart))
    unpacking = race({name: row[1] for name, row in rows.items()}, len(apart))
    total = sum(map(len, apart))
    print(f"\n{len(apart)} values of {total / len(apart):.0f} bytes")
    print("| codec | pack µs | unpack µs | ratio |\n|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {packing[name]:.2f} | {unpacking[name]:.2f} | {total / row[2]:.2f} |")


def serializers(objects: list[Any]) -> None:
    """What msgspec and ormsgpack take, and the envelope alone."""
    jobs: dict[str, Job] = {}
    if msgspec := installed("msgspec"):
        encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode
        raw = [encode(one) for one in objects]
        jobs["msgspec write"], jobs["msgspec read"] = all_of(encode, objects), all_of(decode, raw)
    if orm := installed("ormsgpack"):
        raw = [orm.packb(one) for one in objects]
        jobs["ormsgpack write"], jobs["ormsgpack read"] = all_of(orm.packb, objects), all_of(orm.unpackb, raw)
    tags = (("*", b"e" * 6, b"r" * 6), ("products", b"e" * 6, b"r" * 6))
    for codec in (Codec.RAW, Codec.LZ4):
        sealer = Sealer(packer=Packer(codec, threshold=512))
        sealed = [sealer.seal(one, STAMP, fresh_until=1e9, ttl=300.0, tags=tags) for one in objects]
        jobs[f"seal, {codec.name}"] = all_of(
            lambda one, s=sealer: s.seal(one, STAMP, fresh_until=1e9, ttl=300.0, tags=tags), objects
        )
        jobs[f"open, {codec.name}"] = all_of(sealer.open, sealed)
        if codec == Codec.RAW:
            envelopes = [e for e in map(unpack, sealed) if not hasattr(e, "why")]
            jobs["envelope alone, write"] = all_of(lambda e: pack(*e), envelopes)
            jobs["envelope alone, read"] = all_of(unpack, sealed)
    print("\n| 1 KB value | µs |\n|---|---|")
    for name, took in race(jobs, len(objects)).items():
        print(f"| {name} | {took:.2f} |")


if __name__ == "__main__":
    shop = values()
    codecs([json.dumps(one).encode() for one in shop])
    serializers(shop)
