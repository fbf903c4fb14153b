"""Packing: what is small or gains little stays as it is, and nothing but the same bytes comes back."""

import json
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.codec import PAGE, CannotUnpack, Codec, Packer, codecs_here
from perftui.model.envelope import Why
from perftui.model.errors import Unsupported

HOSTILE = """
import resource, sys
from perftui.analysis.codec import CannotUnpack, Packer
codec, payload = int(sys.argv[1]), bytes.fromhex(sys.argv[2])
packer = Packer()
packed = packer.squeeze(codec, 0, b"warm" * 1000)
assert packer.unpack(codec, 0, packed, 4000) == b"warm" * 1000
have = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (have + (16 << 20),) * 2)
try:
    packer.unpack(codec, 0, payload, 48 << 20)
except CannotUnpack as error:
    print(error.why)
"""
PACKING = [Codec.LZ4, Codec.SNAPPY, Codec.ZSTD]


def product(seed, size=1100):
    """JSON as a service keeps it."""
    chance = random.Random(seed)
    rows = []
    while len(json.dumps(rows)) < size:
        rows.append(
            {
                "id": chance.randrange(10**6),
                "name": f"{chance.getrandbits(48):x}",
                "stock": chance.randrange(90),
            }
        )
    return json.dumps(rows).encode()


@given(st.binary(max_size=3000), st.sampled_from(PACKING), st.booleans())
def test_the_same_bytes_come_back(data, codec, twice):
    packer = Packer(codec, threshold=0)
    data = data * 3 if twice else data
    packed = packer.pack(data)
    assert packer.unpack(*packed, size=len(data)) == data
    assert len(packed.payload) <= len(data)


@pytest.mark.parametrize("codec", PACKING)
def test_small_ones_and_those_that_gain_little_stay_raw(codec):
    packer = Packer(codec)
    noise = random.Random(1).randbytes(5000)
    assert packer.pack(b"a" * 1023) == (Codec.RAW, 0, b"a" * 1023)
    assert packer.pack(noise) == (Codec.RAW, 0, noise)
    assert packer.pack(b"a" * 1024).codec == codec
    saved = packer.savings
    assert (saved.small, saved.kept_raw, saved.packed) == (1, 1, 1)
    assert saved.bytes_in == 1023 + 5000 + 1024
    assert saved.bytes_out < 1023 + 5000 + 200
    assert saved.by_codec == {codec.name.lower(): 1}


def test_ten_percent_is_the_line():
    """Half noise, half text of a growing length: whatever is kept packed saves a tenth or more."""
    noise = random.Random(2).randbytes(4000)
    kinds = set()
    for text in range(0, 1200, 40):
        packer = Packer(Codec.LZ4)
        data = noise + b"t" * text
        packed = packer.pack(data)
        kinds.add(packed.codec)
        bare = len(packer.squeeze(Codec.LZ4, 0, data))
        assert (packed.codec == Codec.LZ4) == (bare <= 0.9 * len(data))
    assert kinds == {Codec.RAW, Codec.LZ4}


@given(st.binary(max_size=300), st.sampled_from(PACKING), st.integers(0, 70_000))
def test_any_payload_is_unpacked_or_refused(payload, codec, size):
    try:
        assert len(Packer().unpack(codec, 0, payload, size)) == size
    except CannotUnpack as error:
        assert error.why == Why.DAMAGED  # noqa: PT017 - either outcome is right, another error is not


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        (Codec.LZ4, b"\x1fa\x01\x00" + b"\xff" * 20),
        (Codec.SNAPPY, b"\x80\x80\x80\x18" + b"\xfea\x00" * 7),  # its own head says 48 MiB too
    ],
)
def test_nobody_gets_more_room_than_a_payload_can_fill(codec, payload):
    """48 MiB for 25 bytes, in a process that may have 16 more: asking for them would be its end."""
    said = subprocess.run(
        [sys.executable, "-c", HOSTILE, str(int(codec)), payload.hex()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (said.returncode, said.stdout.strip()) == (0, "damaged"), said.stderr


@pytest.mark.parametrize("codec", PACKING)
@pytest.mark.parametrize("size", [0, 1, PAGE - 1, PAGE, PAGE + 1])
def test_any_size_around_a_page_comes_back(codec, size):
    data = b"ab" * (size // 2) + b"c" * (size % 2)
    packer = Packer(codec, threshold=0)
    assert packer.unpack(codec, 0, packer.squeeze(codec, 0, data), size) == data


def test_a_block_shorter_than_promised_holds_nothing_of_ours():
    packer = Packer(Codec.LZ4)
    packed = packer.pack(b"abc" * 1000)
    assert packer.unpack(*packed, size=3100) == b"abc" * 1000 + b"\0" * 100


@pytest.mark.parametrize(
    ("codec", "dictionary", "size", "why"),
    [
        (99, 0, 3, Why.CODEC),
        (Codec.ZSTD, 77, 3, Why.DICTIONARY),
        (0, 0, 99 << 20, Why.OVERSIZE),
        (0, 0, 4, Why.DAMAGED),
    ],
)
def test_what_cannot_be_unpacked_says_why(codec, dictionary, size, why):
    with pytest.raises(CannotUnpack) as caught:
        Packer().unpack(codec, dictionary, b"abc", size)
    assert caught.value.why == why


def test_without_the_libraries_they_are_named(monkeypatch):
    packed = Packer(Codec.LZ4).pack(product(1))
    monkeypatch.setitem(sys.modules, "cramjam", None)
    with pytest.raises(Unsupported, match=r"perftui\[cache\]"):
        Packer(Codec.LZ4)
    with pytest.raises(CannotUnpack) as caught:
        Packer().unpack(*packed, size=len(product(1)))
    assert caught.value.why == Why.EXTRA
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert codecs_here() == {"raw": True, "lz4": False, "snappy": False, "zstd": False}
    assert Packer().pack(product(1)).codec == Codec.RAW
