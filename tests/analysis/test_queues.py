"""Rows of several servers' queues, merged and paced."""

from __future__ import annotations

from perftui.analysis.queues import Paces, key, merged, newest, opened
from perftui.model.queues import QueueDepth, QueuePart, pace


def kafka(at, *parts, source="k"):
    rows = tuple(QueuePart(str(n), waiting, added) for n, (waiting, added) in enumerate(parts))
    waiting, added = sum(p.waiting for p in rows), sum(p.added for p in rows)
    return QueueDepth(source, "Kafka", "orders@billing", at, waiting, added=added, parts=rows)


def test_each_source_replaces_its_own_rows_only():
    a, b = kafka(1, source="a"), kafka(1, source="b")
    newer = kafka(2, source="a")
    assert merged(None, "a", (a,)) == (a,)
    assert merged((a, b), "a", (newer,)) == (b, newer)
    assert merged((a, b), "a", ()) == (b,)


def test_the_pace_of_partitions_counts_those_both_looks_know():
    before, now = kafka(0, (10, 100)), kafka(10, (5, 120), (0, 9000))
    assert (pace(now, before).in_per_s, pace(now, before).out_per_s) == (2, 2.5)
    assert pace(kafka(10, (5, 7)), before).in_per_s is None  # made anew
    assert pace(kafka(10, (60, 120)), before).out_per_s == 0  # set back: it took nothing


def test_what_a_system_reckons_itself_is_taken():
    depth = QueueDepth("r", "RabbitMQ", "mail", 1.0, 30, rates=(1.0, 4.0))
    assert pace(depth, None).drains_in == 10


def test_an_opened_queue_is_followed_by_its_partitions_the_furthest_behind_first():
    (view,) = Paces().views([kafka(0, (1, 5), (7, 9))])
    assert opened([view], ()) == [view]
    rows = opened([view], {key(view.depth)})
    assert [(r.depth.name, r.depth.waiting) for r in rows[1:]] == [
        ("orders@billing/1", 7),
        ("orders@billing/0", 1),
    ]


def test_queues_that_are_gone_are_forgotten():
    paces = Paces()
    paces.views([kafka(0, (1, 5))])
    paces.views([])
    (view,) = paces.views([kafka(10, (1, 50))])
    assert view.in_per_s is None


def test_of_a_queue_two_have_looked_at_the_younger_look_is_shown():
    paces = Paces()
    (first,) = paces.views([kafka(0, (1, 5))])
    (paced,) = paces.views([kafka(9, (3, 7))])
    (other,) = Paces().views([kafka(5, (9, 9), source="b")])
    assert newest([first], [paced, other]) == [other, paced]
    assert newest([paced], [first]) == [paced]
    assert newest([], [first]) == [first]  # a recording: nobody asks a server
