"""Values to L2's bytes and back, by every serializer and codec, and hostile bytes without harm."""

import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.codec import Codec, Packer
from perftui.instrument.cache.envelope import Sealer, tombstone
from perftui.instrument.cache.serializer import Json, MsgPack, Pickle
from perftui.model.envelope import Envelope, Unreadable, Why, pack, unpack

STAMP = b"\x01" * 16
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=20,
)


@given(VALUES, st.sampled_from(list(Codec)))
def test_a_value_comes_back_as_it_was(value, codec):
    sealer = Sealer(packer=Packer(codec, threshold=0, least_saved=-9))
    envelope, back = sealer.open(sealer.seal(value, STAMP, ttl=5.0, etag="e"))
    assert back == value
    assert (envelope.codec, envelope.ttl, envelope.etag, envelope.stamp) == (codec, 5.0, "e", STAMP)


@given(st.binary(max_size=200), st.integers(0, 5), st.integers(0, 300), st.integers(0, 3))
def test_forged_payloads_are_counted_never_raised(payload, codec, size, dictionary):
    sealer = Sealer()
    raw = pack(*Envelope(0, STAMP, 9.0, 0.0, 1.0, 0.0, codec, 1, dictionary, size, (), "", 0.0, payload))
    opened = sealer.open(raw)
    assert isinstance(opened, Unreadable) == bool(sealer.unreadable.total())


@given(st.binary(max_size=200))
def test_any_bytes_are_counted_never_raised(raw):
    sealer = Sealer(Json())
    opened = sealer.open(raw)
    assert sealer.unreadable == {opened.why: 1}


def test_a_declared_size_is_not_believed_and_not_allocated():
    bombs = [
        pack(*Envelope(0, STAMP, 9.0, 0.0, 1.0, 0.0, codec, 1, 0, 60 << 20, (), "", 0.0, payload))
        for codec, payload in (
            (Codec.LZ4, b"\x1f" + b"\xff" * 50),
            (Codec.SNAPPY, b"\x80\x80\x80\x1e\x00"),
            (Codec.ZSTD, b"\x28\xb5\x2f\xfd\xa4\x00\x00\x00\x10"),
            (Codec.RAW, b"abc"),
        )
    ]
    sealer = Sealer()
    sealer.open(bombs[2])  # the libraries are loaded before anything is measured
    tracemalloc.start()
    assert [sealer.open(bomb) for bomb in bombs] == [Unreadable(Why.DAMAGED)] * 4
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_bomb_of_few_bytes_opens_to_no_more_than_allowed():
    sealer = Sealer(packer=Packer(Codec.ZSTD), largest=1 << 20)
    whole = Sealer(packer=Packer(Codec.ZSTD)).seal(b"\0" * (8 << 20), STAMP)
    assert len(whole) < 2000
    assert sealer.open(whole) == Unreadable(Why.OVERSIZE)
    with pytest.raises(ValueError, match="larger than"):
        sealer.seal(b"\0" * (2 << 20), STAMP)


@pytest.mark.parametrize("serializer", [MsgPack(), Json(), Pickle()])
def test_another_serializers_value_is_never_read(serializer):
    sealed = Sealer(serializer).seal([1], STAMP)
    for other in (MsgPack(), Json(), Pickle()):
        opened = Sealer(other).open(sealed)
        assert opened == Unreadable(Why.SERIALIZER) if other.name != serializer.name else opened[1] == [1]


def test_hostile_msgpack_is_no_value():
    sealer = Sealer()
    for data in (b"\xdd\xff\xff\xff\xff", b"\xc1", b"\x91" * 50_000, b"", b"\x01\x01", b"\xa1\xff"):
        raw = pack(*Envelope(0, STAMP, 9.0, 0.0, 1.0, 0.0, 0, 1, 0, len(data), (), "", 0.0, data))
        assert sealer.open(raw) == Unreadable(Why.SERIALIZER)


def test_what_cannot_be_written_is_a_type_error():
    endless = []
    endless.append(endless)
    for serializer in (MsgPack(), Json()):
        for value in (object(), 2**70 if serializer.name == "msgpack" else {1: object()}, endless, lambda: 1):
            with pytest.raises(TypeError):
                serializer.dumps(value)
    with pytest.raises(TypeError):
        Pickle().dumps(lambda: 1)
    with pytest.raises(ValueError, match="no pickle"):
        Pickle().loads(b"cnope\nnope\n.")


def test_instants_keep_their_zone_in_msgpack():
    at = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)
    sealer = Sealer()
    assert sealer.open(sealer.seal(at, STAMP))[1] == at


def test_a_tombstone_has_a_stamp_and_no_value():
    raw = tombstone(STAMP)
    assert unpack(raw).removed
    assert Sealer().open(raw)[1] is None
    assert raw[4:20] == STAMP
