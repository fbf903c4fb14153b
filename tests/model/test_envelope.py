"""The envelope: what was put in comes out, and whatever else comes in is told apart without harm."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perftui.model.envelope import HEAD, STAMP, VERSION, Envelope, Kind, Unreadable, Why, pack, unpack

TOKEN = st.binary(min_size=6, max_size=6)
LIFE = st.floats(0, 1e9) | st.just(math.inf)
ENVELOPES = st.builds(
    Envelope,
    kind=st.sampled_from([int(k) for k in Kind]),
    stamp=st.binary(min_size=16, max_size=16),
    fresh_until=st.integers(1, 2**45).map(lambda ms: ms / 1000) | st.just(math.inf),
    kept=st.integers(0, 2**32 - 2).map(float) | st.just(math.inf),
    ttl=LIFE,
    load_s=st.floats(0, 1e6),
    codec=st.integers(0, 255),
    serializer=st.integers(0, 255),
    dictionary=st.integers(0, 2**32 - 1),
    size=st.integers(0, 1 << 20),
    tags=st.lists(st.tuples(st.text(max_size=40), TOKEN, TOKEN), max_size=30).map(tuple),
    etag=st.text(max_size=40),
    last_modified=st.floats(allow_nan=False, allow_infinity=False),
    payload=st.binary(max_size=300),
)
ONE = Envelope(
    0, b"s" * 16, 9.5, 60.0, 5.0, 0.25, 1, 1, 7, 9, (("*", b"e" * 6, b"r" * 6),), "v1", 3.0, b"xyz"
)


@given(ENVELOPES)
def test_what_was_packed_comes_back(envelope):
    data = pack(*envelope)
    assert unpack(data) == envelope
    assert data[STAMP] == envelope.stamp


@given(st.binary(max_size=400))
@example(b"")
@example(pack(*ONE)[: HEAD.size])
def test_any_bytes_are_an_envelope_or_unreadable(data):
    for raw in (data, pack(*ONE)[:4] + data, pack(*ONE)[: HEAD.size] + data):
        assert isinstance(unpack(raw), Envelope | Unreadable)


@given(ENVELOPES, st.data())
def test_one_changed_byte_is_found(envelope, data):
    raw = bytearray(pack(*envelope))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    assert isinstance(unpack(bytes(raw)), Unreadable)


@given(ENVELOPES, st.integers(1, 60))
def test_a_cut_one_is_damaged(envelope, cut):
    assert unpack(pack(*envelope)[:-cut]) == Unreadable(Why.DAMAGED)


def forged(**changes):
    """An envelope whose checksum is right and whose content cannot be."""
    return pack(*ONE._replace(**changes))


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x82\xa1a\x01\xa1b\x02", Why.FOREIGN),
        (b"", Why.FOREIGN),
        (pack(*ONE)[:2] + bytes([VERSION + 1]) + pack(*ONE)[3:], Why.VERSION),
        (forged(size=(64 << 20) + 1), Why.OVERSIZE),
        (forged(ttl=math.nan), Why.DAMAGED),
        (forged(ttl=-1.0), Why.DAMAGED),
        (forged(load_s=math.inf), Why.DAMAGED),
        (forged(last_modified=math.nan), Why.DAMAGED),
        (forged(kind=9), Why.DAMAGED),
    ],
)
def test_what_cannot_be_is_named(raw, why):
    assert unpack(raw) == Unreadable(why)


def test_a_thousand_tags_fit_and_too_many_are_refused():
    tags = tuple((f"tag:{n}", n.to_bytes(6), b"r" * 6) for n in range(1000))
    assert unpack(pack(*ONE._replace(tags=tags))).tags == tags
    with pytest.raises(ValueError, match="1 MiB"):
        pack(*ONE._replace(tags=tuple((f"{n:0>60000}", b"e" * 6, b"r" * 6) for n in range(20))))


@pytest.mark.parametrize("changes", [{"stamp": b"short"}, {"tags": (("t", b"e", b"r" * 6),)}])
def test_what_does_not_fit_is_refused(changes):
    with pytest.raises(ValueError):
        pack(*ONE._replace(**changes))


def test_names_that_are_no_text_elsewhere_come_back():
    odd = ONE._replace(tags=(("\udcff\0\x1b[2J", b"e" * 6, b"r" * 6),), etag="\ud800")
    assert unpack(pack(*odd)) == odd
