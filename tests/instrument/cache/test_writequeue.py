"""The queue of write-behind: whatever happens to batches, each key's writes stay in order and none is lost."""

import random

from hypothesis import given
from hypothesis import strategies as st

from perftui.instrument.cache.journal import Item
from perftui.instrument.cache.writequeue import BATCH, TRIES, WAIT_S, Queue


def item(sequence, key="a"):
    return Item(sequence, key, b"%d" % sequence)


def written(batch):
    return [(e.item.key, e.item.sequence) for e in batch.entries]


def test_it_waits_for_a_batch_or_a_fifth_of_a_second():
    queue = Queue()
    queue.push(item(1), now=0.0)
    assert queue.take(0.1) is None
    assert 0 < queue.due_in(0.1) <= WAIT_S
    assert written(queue.take(WAIT_S)) == [("a", 1)]
    for n in range(BATCH + 20):
        queue.push(item(n, f"k{n}"), now=1.0)
    assert len(queue.take(1.0).entries) == BATCH
    assert queue.take(1.0) is None


def test_the_last_write_of_a_key_covers_the_earlier():
    queue = Queue()
    for n in (1, 2, 4, 3):
        queue.push(item(n), now=0.0)
    batch = queue.take(1.0)
    assert written(batch) == [("a", 4)]
    assert sorted(batch.sequences()) == [1, 2, 3, 4]
    assert queue.coalesced == 3
    queue.ended(batch, reached=True)
    assert len(queue) == 0


def test_a_key_is_in_one_batch_at_a_time():
    queue = Queue()
    queue.push(item(1), 0.0)
    first = queue.take(1.0)
    queue.push(item(2), 1.0)
    queue.push(item(3, "b"), 1.0)
    assert written(queue.take(2.0)) == [("b", 3)]
    assert queue.latest("a").sequence == 2
    queue.ended(first, reached=True)
    assert written(queue.take(2.0)) == [("a", 2)]


def test_one_bad_item_is_found_within_the_tries_and_the_rest_goes_through():
    queue, now, dead, done = Queue(), 0.0, [], set()
    for n in range(BATCH):
        queue.push(item(n, f"k{n}"), 0.0)
    while len(queue):
        now += queue.due_in(now)
        batch = queue.take(now)
        if any(e.item.sequence == 77 for e in batch.entries):
            if batch.tries + 1 < TRIES:
                queue.failed(batch, now, away=False)
                continue
            dead += batch.entries
        else:
            done.update(batch.sequences())
        queue.ended(batch, reached=True)
    assert [e.item.sequence for e in dead] == [77]
    assert done == set(range(BATCH)) - {77}
    assert now < 30


def test_while_the_database_is_away_nothing_new_is_tried():
    queue = Queue()
    queue.push(item(1), 0.0)
    batch = queue.take(1.0)
    queue.push(item(2, "b"), 1.0)
    queue.failed(batch, 1.0, away=True)
    assert queue.take(1.2) is None
    again = queue.take(10.0)
    assert written(again) == [("a", 1)]
    queue.ended(again, reached=True)
    assert written(queue.take(10.0)) == [("b", 2)]


def test_seized_entries_come_back_before_the_newer_ones():
    queue = Queue(coalesce=False)
    for n in (1, 2, 9):
        queue.push(item(n), 0.0)
    older = queue.seize("a", 5)
    assert [e.item.sequence for e in older] == [1, 2]
    assert queue.take(1.0) is None
    queue.give_back("a", older)
    assert [n for _, n in written(queue.take(1.0))] == [1, 2, 9]


@given(st.integers(0, 2**32), st.booleans())
def test_whatever_fails_order_holds_and_all_are_accounted_for(seed, coalesce):
    chance, queue, now = random.Random(seed), Queue(coalesce=coalesce), 0.0
    keys, covered, reached, dead, under_way = "abcd", [], [], [], []
    total = chance.randrange(1, 60)
    left = list(range(total))
    while left or len(queue):
        now += chance.uniform(0, 0.3)
        if left and chance.random() < 0.6:
            queue.push(item(left.pop(0), chance.choice(keys)), now)
        elif under_way and chance.random() < 0.7:
            batch = under_way.pop(chance.randrange(len(under_way)))
            fate = chance.random()
            if fate < 0.4 and batch.tries + 1 < TRIES:
                queue.failed(batch, now, away=fate < 0.2)
                continue
            (reached if fate < 0.8 else dead).extend(e.item for e in batch.entries)
            covered += [n for e in batch.entries for n in e.covers]
            queue.ended(batch, reached=True)
        elif (batch := queue.take(now)) is not None:
            assert (
                len({e.item.key for e in batch.entries} & {e.item.key for b in under_way for e in b.entries})
                == 0
            )
            under_way.append(batch)
        elif queue.due_in(now):
            now += queue.due_in(now)
    for key in keys:
        sequences = [i.sequence for i in reached if i.key == key]
        assert sequences == sorted(sequences)
        assert queue.latest(key) is None
    assert sorted([*(i.sequence for i in reached + dead), *covered]) == list(range(total))
    assert not covered or coalesce
    assert queue.oldest_s(now) == 0.0
