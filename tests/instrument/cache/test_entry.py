"""What an entry of L1 holds, what it shares with others, and what it takes."""

import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.instrument.cache import Cache
from perftui.instrument.cache.entry import STEPS, Entry
from perftui.instrument.cache.tags import MOST_FACTS, Tags
from tests.instrument.cache.clock import Hand

KEYS = 20_000


@given(
    st.binary(min_size=16, max_size=16),
    st.lists(st.tuples(st.integers(0, (1 << 38) - 1), st.integers(0, 3)), min_size=1, max_size=4),
)
def test_stamp_size_and_place_are_apart(stamp, settled):
    entry = Entry("v", stamp=stamp, size=settled[0][0])
    assert (entry.stamp, entry.size, entry.place) == (stamp, settled[0][0], 0)
    for size, place in settled:
        entry.settle(size, place)
        assert (entry.stamp, entry.size, entry.place) == (stamp, size, place)
        entry.size = 7
        assert (entry.stamp, entry.size, entry.place) == (stamp, 7, place)


@given(st.floats(1e-6, 1e5))
def test_a_load_time_is_off_by_a_thirtieth_at_most(took):
    entry = Entry("v", tags=(("t", b"e", b"r"),), ttl=5.0)
    entry.loaded(took, "mark", 7.0)
    assert entry.load_s == pytest.approx(took, rel=0.5 / STEPS)
    assert (entry.tags, entry.ttl, entry.etag, entry.last_modified) == (
        (("t", b"e", b"r"),),
        5.0,
        "mark",
        7.0,
    )


def test_an_entry_that_was_not_loaded_took_no_time():
    entry = Entry("v")
    entry.loaded(0.0, "", 0.0)
    assert entry.load_s == 0.0


def test_what_entries_have_alike_is_there_once():
    tags = Tags("x", None, Hand(), lambda _: None)
    entries = [Entry(n, tags=(("t", b"e" * 6, b"r" * 6),), ttl=math.sqrt(2)) for n in range(3)]
    for entry in entries:
        entry.loaded(0.0501 + 0.0001 * entry.value, "own" if entry.value == 2 else "", 0.0)
        tags.slim(entry)
    first, second, marked = entries
    assert first.facts is second.facts
    assert marked.facts is not first.facts
    assert marked.tags is first.tags
    for n in range(3 * MOST_FACTS):
        tags.slim(Entry(n, ttl=float(n)))
    assert len(tags._facts) <= MOST_FACTS


@pytest.mark.slow
async def test_what_an_entry_costs():
    """Beside key and value: the entry, what it holds, and its places; 48 bytes are of a map of which keys go."""
    keys, cache = [f"key-{i}" for i in range(2 * KEYS)], Cache("x", l1=KEYS)
    await cache.set("first", b"v", ttl=300)
    tracemalloc.start()
    try:
        for key in keys:
            await cache.set(key, b"v", ttl=300)
        took, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(cache.memory) == KEYS
    assert took / KEYS < 245
