"""L1: what it holds is bounded, what it lets go is what S3-FIFO lets go, and every byte is accounted for."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perftui.analysis.policies import Lru
from perftui.analysis.s3fifo import S3Fifo
from perftui.instrument.cache.entry import Entry
from perftui.instrument.cache.ghosts import Ghosts
from perftui.instrument.cache.memory import Memory

names = st.integers(0, 14).map(str)
acts = st.lists(st.tuples(st.sampled_from(("use", "use", "use", "drop")), names), max_size=150)


def use(memory, key, size=0):
    """Get it, or put it when it is not there; whether it was."""
    if memory.get(key) is not None:
        return True
    memory.put(key, Entry(key), size)
    return False


AFTER_A_DROP = [
    *(("use", n) for n in ["d", "e", "0", "3", "1", "e", "3", "4"]),
    *(("drop", n) for n in ["4", "e"]),
    *(("use", n) for n in ["0", "8"]),
    ("drop", "4"),
    *(("use", n) for n in ["5", "e", "0"]),
]


@given(acts, st.integers(1, 9))
@example(AFTER_A_DROP, 3)  # fewer are held for a while: no fewer names are remembered
def test_it_is_s3fifo_also_when_keys_are_dropped_and_come_again(acts, room):
    memory, model = Memory(room), S3Fifo(room)
    for act, key in acts:
        if act == "drop":
            assert (memory.drop(key) is not None) == model.drop(key)
        else:
            assert use(memory, key) == model.access(key)
    assert set(memory.keys()) == {key for _, key in acts if key in model}


@given(st.lists(names, max_size=150), st.integers(1, 12))
def test_it_is_lru_where_that_was_chosen(trace, room):
    memory, model = Memory(room, policy="lru"), Lru(room)
    assert [use(memory, key) for key in trace] == [model.access(key) for key in trace]


def test_a_long_trace_with_ghosts_is_s3fifo():
    chance = random.Random(3)
    memory, model = Memory(150), S3Fifo(150)
    keys = [f"k{int(chance.paretovariate(0.4)) % 3000}" for _ in range(30_000)]
    hits, wanted = sum(use(memory, key) for key in keys), sum(map(model.access, keys))
    assert hits == pytest.approx(wanted, rel=0.005), "only names that a full bucket forgot may differ"


@pytest.mark.parametrize("policy", ["s3fifo", "lru"])
@given(
    st.lists(st.tuples(st.sampled_from(("use", "put", "drop", "clear", "sweep")), names, st.integers(0, 60))),
    st.integers(1, 10),
    st.none() | st.integers(1, 100),
)
def test_bounds_hold_and_every_byte_and_entry_is_accounted_for(policy, acts, room, most):
    memory, came = Memory(room, most, policy), 0
    for act, key, size in acts:
        if act == "put" or (act == "use" and memory.get(key) is None):
            came += memory.look(key) is None
            memory.put(key, Entry(size, kept_until=float(size)), size)
        elif act == "drop":
            memory.drop(key)
        elif act == "clear":
            memory.clear()
        elif act == "sweep":
            memory.sweep(30.0, 4)
        held = memory.keys()
        assert len(memory) == len(held) <= room
        assert memory.bytes == sum(memory.look(k).value for k in held)
        assert most is None or memory.bytes <= most
        assert came == len(memory) + sum(memory.evictions.values())


def test_a_look_is_no_use():
    memory = Memory(10)
    for key in "abcdefghij":
        memory.put(key, Entry(key))
    for _ in range(3):
        memory.get("a")
        memory.look("b")
    memory.put("k", Entry("k"))
    memory.put("l", Entry("l"))
    assert memory.look("a") is not None
    assert memory.look("b") is None


def test_a_key_that_was_dropped_and_comes_again_is_the_newest():
    memory = Memory(4)
    for key in "abcd":
        memory.put(key, Entry(key))
    memory.drop("a")
    memory.put("a", Entry("a"))
    memory.put("e", Entry("e"))
    assert set(memory.keys()) == set("cdae")


def test_what_is_larger_than_the_memory_drives_nothing_out():
    memory = Memory(10, bytes_=100)
    memory.put("a", Entry(1), 40)
    memory.put("b", Entry(2), 40)
    memory.put("huge", Entry(3), 101)
    assert memory.keys() == ("a", "b")
    memory.put("a", Entry(4), 101)
    assert (memory.keys(), memory.bytes, memory.evictions["capacity"]) == (("b",), 40, 2)


def test_an_entry_may_be_put_again_with_another_size():
    memory, entry = Memory(10, bytes_=20), Entry("x")
    memory.put("a", entry, 5)
    memory.put("a", entry, 9)
    assert memory.bytes == 9
    memory.put("a", entry, 21)
    assert (len(memory), memory.bytes) == (0, 0)


def test_a_sweep_goes_round_within_its_budget():
    memory = Memory(1000)
    for n in range(100):
        memory.put(str(n), Entry(n, kept_until=10.0 if n % 2 else 99.0))
    assert memory.sweep(9.9, 100) == 0
    found = [memory.sweep(10.0, 30) for _ in range(4)]
    assert sum(found) == 50
    assert max(found) <= 30
    assert memory.evictions == {"capacity": 0, "expiry": 50, "explicit": 0}
    held = memory.keys()
    assert all(int(key) % 2 == 0 for key in held)


@pytest.mark.parametrize("policy", ["s3fifo", "lru"])
def test_clear_and_start_again(policy):
    memory = Memory(5, policy=policy)
    for n in range(8):
        memory.put(str(n), Entry(n), 1)
    assert memory.clear() == 5
    assert (len(memory), memory.bytes, memory.get("7"), memory.evictions["explicit"]) == (0, 0, None, 5)
    memory.put("7", Entry(7), 1)
    assert memory.get("7").value == 7


def test_dropping_for_ever_does_not_fill_the_queues():
    memory = Memory(1000)
    for n in range(20_000):
        memory.put("a", Entry(n))
        memory.put(f"b{n % 7}", Entry(n))
        memory.drop("a")
        memory.drop(f"b{n % 7}")
    queues = memory._queues
    assert len(queues._small) + len(queues._main) < 600
    assert sum(map(len, queues._gone)) < 600


def test_ghosts_are_the_last_names_once_each():
    ghosts = Ghosts()
    for n in range(1000):
        ghosts.add(str(n), 700)
    remembered = [ghosts.take(str(n), 700) for n in range(1000)]
    assert not any(remembered[:300])
    assert sum(remembered[300:]) > 630, "a full bucket forgets some"
    assert not any(ghosts.take(str(n), 700) for n in range(1000))


def test_ghosts_grow_and_keep_what_they_had():
    ghosts = Ghosts()
    for n in range(400):
        ghosts.add(str(n), 400)
    small = ghosts.bytes
    ghosts.add("last", 5000)
    assert small < ghosts.bytes <= 12 * 5000
    assert sum(ghosts.take(str(n), 5000) for n in range(400)) > 380


@pytest.mark.parametrize(
    ("entries", "bytes_", "policy"), [(0, None, "lru"), (1, 0, "lru"), (1, None, "fifo")]
)
def test_senseless_bounds_are_refused(entries, bytes_, policy):
    with pytest.raises(ValueError, match="at least one entry"):
        Memory(entries, bytes_, policy)


def test_who_watches_hears_what_is_asked_until_he_ends_it():
    memory, first, second = Memory(4), [], []
    plain = memory.get
    memory.put("a", Entry("a"))
    end = memory.watch(first.append)
    memory.watch(second.append)
    assert memory.get("a") is memory.look("a")
    assert memory.get("b") is None
    end()
    end()
    memory.get("a")
    assert (first, second) == (["a", "b"], ["a", "b", "a"])
    memory.watch(first.append)()
    assert memory.get is not plain  # the other one hears on
