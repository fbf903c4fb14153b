"""What replies announce is counted as hiredis reads it, in whatever pieces they come."""

from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.announced import LINE, MOST, Announced

WORDS = st.one_of(
    st.binary(max_size=40).map(lambda b: b"$%d\r\n%s\r\n" % (len(b), b)),
    st.sampled_from(
        [b"$-1\r\n", b"*-1\r\n", b"_\r\n", b":7\r\n", b"+OK\r\n", b"-ERR no\r\n", b"#t\r\n", b",1.5\r\n"]
    ),
    st.just(b"=8\r\ntxt:some\r\n"),
)


def listed(inner: Any) -> Any:
    lists = st.lists(inner, max_size=4).map(lambda rows: b"*%d\r\n" % len(rows) + b"".join(rows))
    maps = st.lists(st.tuples(st.just(b"+k\r\n"), inner), max_size=3).map(
        lambda rows: b"%%%d\r\n" % len(rows) + b"".join(k + v for k, v in rows)
    )
    pushes = st.lists(inner, min_size=1, max_size=3).map(lambda rows: b">%d\r\n" % len(rows) + b"".join(rows))
    return st.one_of(lists, maps, pushes)


REPLIES = st.recursive(WORDS, listed, max_leaves=12)


@given(st.lists(REPLIES, max_size=6), st.lists(st.integers(1, 30), min_size=1, max_size=30))
def test_whole_replies_leave_nothing_due(replies: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(replies)
    seen, at, turn = Announced(), 0, 0
    reader = hiredis.Reader(notEnoughData=reader_empty)
    while at < len(whole):
        step = cuts[turn % len(cuts)]
        seen.see(whole[at : at + step])
        reader.feed(whole[at : at + step])
        at, turn = at + step, turn + 1
    assert (seen._due, seen._rest, seen._skip) == (0, b"", 0)
    read = 0
    while reader.gets() is not reader_empty:
        read += 1
    assert read == len(replies)


reader_empty = object()


@pytest.mark.parametrize(
    "hostile",
    [
        b"*2147483648\r\n",
        b"*%d\r\n" % (MOST + 1),
        b">99999999999\r\n",
        b"~4294967295\r\n",
        b"%%%d\r\n" % (MOST // 2 + 1),
        b"$3\r\nabc\r\n*4294967295\r\n",
        b"*1048576\r\n" * 5,
        b"*2\r\n*3000000\r\n:1\r\n*3000000\r\n",
        b"*x\r\n",
        b"$?\r\n",
        b"*" + b"9" * 5000 + b"\r\n",
    ],
)
def test_what_is_too_much_is_refused_in_any_pieces(hostile: bytes) -> None:
    with pytest.raises(ValueError):
        Announced().see(hostile)
    with pytest.raises(ValueError):
        byte_by_byte(hostile)


def byte_by_byte(data: bytes) -> None:
    seen = Announced()
    for n in range(len(data)):
        seen.see(data[n : n + 1])


def test_what_looks_like_a_header_inside_a_value_is_none() -> None:
    seen = Announced()
    value = b"\r\n*4294967295\r\n"
    seen.see(b"$%d\r\n%s\r\n" % (len(value), value))
    seen.see(b"*%d\r\n" % (MOST - 1))
    assert seen._due == MOST - 1


def test_a_line_without_end_is_refused() -> None:
    seen = Announced()
    seen.see(b"+" + b"x" * (LINE - 1))
    with pytest.raises(ValueError, match="a line of more"):
        seen.see(b"xx")
