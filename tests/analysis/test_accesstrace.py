"""Traces of accesses: what is written is read, names are not in them, and strange files are refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis import accesstrace
from perftui.analysis.accesstrace import MAGIC, TraceWriter, read

SECRET = b"s" * 16
accesses = st.lists(st.tuples(st.text(max_size=8), st.integers(0, 2**32 - 1), st.floats(0, 4e6)), max_size=40)


@given(accesses)
def test_what_is_written_is_read(rows):
    writer = TraceWriter(SECRET, 1000.0)
    assert all(writer.add(key, size, 1000.0 + at) for key, size, at in rows)
    trace = read(writer.dump())
    assert (trace.began, len(trace), trace.cut) == (1000.0, len(rows), False)
    assert list(trace.sizes) == [size for _, size, _ in rows]
    assert list(trace.at) == pytest.approx([at for _, _, at in rows], abs=0.001)
    assert trace.distinct == len({key for key, _, _ in rows})
    names = [key for key, _, _ in rows]
    same = [[a == b for a in names] for b in names]
    assert [[a == b for a in trace.keys] for b in trace.keys] == same


def test_names_are_not_in_it_and_another_secret_gives_other_hashes():
    one, other = (TraceWriter(secret, 0.0) for secret in (SECRET, b"t" * 16))
    for writer in (one, other):
        writer.add("user:mary", 10, 1.0)
        writer.add(b"user:mary", 10, 1.0)
    assert b"mary" not in one.dump()
    assert SECRET not in one.dump()
    assert list(read(one.dump()).keys) != list(read(other.dump()).keys)
    assert read(one.dump()).distinct == 1
    with pytest.raises(ValueError, match="secret"):
        TraceWriter(b"short", 0.0)


def test_figures_beyond_the_field_are_the_most_it_holds():
    writer = TraceWriter(SECRET, 1000.0)
    writer.add("a", 2**40, 999.0)
    writer.add("a", -5, 1e10)
    trace = read(writer.dump())
    assert list(trace.sizes) == [2**32 - 1, 0]
    assert list(trace.at) == [0.0, (2**32 - 1) / 1000]


def test_a_full_trace_takes_no_more():
    writer = TraceWriter(SECRET, 0.0, most=2)
    assert [writer.add("k", 1, 0.0) for _ in range(3)] == [True, True, False]
    assert len(read(writer.dump())) == len(writer) == 2


def test_mean_size_is_of_keys_as_they_were_last():
    writer = TraceWriter(SECRET, 0.0)
    for key, size in (("a", 10), ("a", 30), ("b", 10)):
        writer.add(key, size, 0.0)
    assert read(writer.dump()).mean_size == 20.0
    assert read(TraceWriter(SECRET, 0.0).dump()).mean_size == 0.0


def test_a_file_cut_within_an_access_is_read_up_to_there():
    writer = TraceWriter(SECRET, 0.0)
    writer.add("a", 1, 0.0)
    writer.add("b", 1, 0.0)
    trace = read(writer.dump()[:-3])
    assert (len(trace), trace.cut) == (1, True)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no access trace"),
        (b"\x1b[2J" * 9, "no access trace"),
        (MAGIC, "no access trace"),
        (MAGIC[:7] + b"\x09" + bytes(8), "version 9"),
        (MAGIC + struct.pack("<d", float("nan")), "no known time"),
        (MAGIC + struct.pack("<d", 1e300), "no known time"),
    ],
)
def test_strange_files_are_refused(data, said):
    with pytest.raises(ValueError, match=said):
        read(data)


def test_files_longer_than_traces_get_are_refused(monkeypatch):
    monkeypatch.setattr(accesstrace, "BYTES_MOST", 100)
    with pytest.raises(ValueError, match="longer"):
        read(MAGIC + bytes(200))


@given(st.binary(max_size=80))
def test_whatever_the_bytes_a_trace_or_value_error(data):
    for start in (b"", MAGIC):
        try:
            trace = read(start + data)
        except ValueError:
            continue
        assert len(trace) <= len(data) // 16
