"""Notices as they travel."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perftui.instrument.cache.backplane import pack, unpack
from perftui.instrument.cache.ports import Notice, NoticeKind

NODES = st.binary(min_size=8, max_size=8).map(bytes.hex)
KEYS = st.text(st.characters(codec="utf-8"))
NOTICES = st.builds(
    Notice, NODES, st.just("shop"), st.sampled_from(NoticeKind), KEYS, st.binary(min_size=16, max_size=16)
)


@given(NOTICES)
def test_what_was_packed_is_what_is_heard(notice: Notice) -> None:
    assert unpack(pack(notice), "shop") == (notice, True)


@given(NOTICES, st.integers(2, 255))
def test_a_later_version_drops_the_key_and_is_counted(notice: Notice, version: int) -> None:
    data = bytearray(pack(notice))
    data[2] = version
    heard, known = unpack(bytes(data), "shop")
    assert not known
    assert heard is not None
    assert (heard.kind, heard.key) == (NoticeKind.REMOVE, notice.key)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_notice_or_none(data: bytes) -> None:
    notice, known = unpack(data, "shop")
    assert known <= (notice is not None)
