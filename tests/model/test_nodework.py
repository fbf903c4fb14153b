"""What nodes say they do and have waiting: read as it was written, bounded, and nothing else believed; orders."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.model.nodeorders import LARGEST, Order, What, new_order, orders_key, pack_order, unpack_order
from perftui.model.noderecord import NoRecord, pack, unpack
from perftui.model.nodework import (
    LONGEST,
    MOST,
    MOST_OBEYED,
    LongLoad,
    NodeWork,
    Obeyed,
    Unread,
    WaitingItem,
    letters,
    mark_of,
    oldest,
)
from perftui.model.tiers import TierStats

TEXT = st.text("ké:/ 世", max_size=40)
AGES = st.floats(0, 1e9).map(lambda age: round(age, 1))
LOADS = st.builds(LongLoad, TEXT, TEXT.map(mark_of), AGES)
WORK = st.builds(
    lambda loads, more, waiting, error, obeyed, unread: NodeWork(
        tuple(loads), len(loads) + more, tuple(waiting), error, tuple(obeyed), tuple(unread)
    ),
    st.lists(LOADS, max_size=MOST),
    st.integers(0, 99),
    st.lists(st.builds(WaitingItem, st.sampled_from(["entry", "tag"]), TEXT, AGES), max_size=MOST),
    TEXT,
    st.lists(
        st.builds(Obeyed, st.text("0af", min_size=12, max_size=12), st.integers(0, 9), TEXT),
        max_size=MOST_OBEYED,
    ),
    st.lists(st.builds(Unread, TEXT, st.sampled_from(["damaged", "foreign"]), AGES), max_size=MOST),
)
GOOD = json.loads(pack(TierStats("shop", "n1", work=NodeWork()), 7.0))
MARK = mark_of("k")


def through(work):
    return unpack(pack(TierStats("shop", "n1", work=work), 7.0)).stats.work


@given(WORK)
def test_it_is_read_as_it_was_written(work):
    assert through(work) == work


def test_records_of_before_say_nothing_of_it():
    assert unpack(pack(TierStats("shop", "n1"), 7.0)).stats.work is None
    old = {**GOOD, "work": {name: told for name, told in GOOD["work"].items() if name != "unread"}}
    assert unpack(json.dumps(old).encode()).stats.work == NodeWork()


def test_the_oldest_are_told_and_keys_are_cut_and_printable():
    keys = ["\x1b[2J" + "k" * 1000, "bidi\u202e", "lone\udcff", *(f"k{n}" for n in range(9))]
    loads = tuple(LongLoad(key, mark_of(key), 9.0) for key in keys)
    waiting = [WaitingItem("write", key, 2.0) for key in keys] + [
        WaitingItem("entry", key, 1.0) for key in keys
    ]
    told = through(
        NodeWork(loads, len(loads), tuple(waiting), "e\n" * 999, tuple(Obeyed("0" * 12, 1) for _ in keys))
    )
    assert [load.key for load in told.loads] == ["?[2J" + "k" * (LONGEST - 4), "bidi?", "lone?", "k0", "k1"]
    assert [load.mark for load in told.loads] == [mark_of(key) for key in keys[:MOST]]
    assert (told.long, len(told.obeyed)) == (12, MOST_OBEYED)
    assert [one.what for one in told.waiting] == ["write"] * MOST + ["entry"] * MOST
    assert (len(told.error), told.error[:4]) == (160, "e?e?")


LOAD = ["k", MARK, 1.0]


@pytest.mark.parametrize(
    "change",
    [
        5, [], "x", None, {"loads": {}}, {"loads": [LOAD] * 6, "long": 9}, {"loads": [LOAD]}, {"loads": [LOAD], "long": -1},
        {"loads": [["\x1b[2J", MARK, 1.0]], "long": 1}, {"loads": [["k" * 201, MARK, 1.0]], "long": 1},
        {"loads": [["k", "\x1b" * 32, 1.0]], "long": 1}, {"loads": [["k", MARK, -1.0]], "long": 1},
        {"loads": [["k", MARK, "1"]], "long": 1}, {"loads": [["k", MARK, 10**400]], "long": 1}, {"loads": ["kkk"], "long": 1},
        {"loads": [[1, MARK, 1.0]], "long": 1}, {"loads": [["k", MARK]], "long": 1}, {"long": True}, {"long": 1.5},
        {"waiting": [["entry", "k", 1.0]] * 11}, {"waiting": [["e" * 25, "k", 1.0]]}, {"waiting": [["\x1b", "k", 1.0]]},
        {"waiting": [None]}, {"error": "\x07"}, {"error": "e" * 161}, {"error": 5}, {"obeyed": [["x", 1, ""]]},
        {"obeyed": [["0" * 12, -1, ""]]}, {"obeyed": [["0" * 12, 1, "\x1b"]]}, {"obeyed": [["0" * 12, 1, ""]] * 9},
        {"unread": [["k", "damaged", -1]]}, {"unread": [["k", "w" * 25, 1]]}, {"unread": [["k", "x", 1]] * 6},
    ],
)  # fmt: skip
def test_another_shape_is_refused(change):
    work = GOOD["work"] | change if isinstance(change, dict) else change
    with pytest.raises(NoRecord, match="another shape"):
        unpack(json.dumps(GOOD | {"work": work}).encode())


def test_a_field_that_is_missing_is_refused():
    for name in GOOD["work"].keys() - {"unread"}:  # which nodes of before do not say
        work = {key: value for key, value in GOOD["work"].items() if key != name}
        with pytest.raises(NoRecord, match="another shape"):
            unpack(json.dumps(GOOD | {"work": work}).encode())


def test_loads_of_several_nodes_and_letters_that_all_see():
    a, b = NodeWork((LongLoad("x", MARK, 2.0),), 1), NodeWork((LongLoad("y", MARK, 9.0),), 1)
    assert [(node, load.key) for node, load in oldest([("a", a), ("b", b), ("c", None)])] == [
        ("b", "y"),
        ("a", "x"),
    ]
    assert letters([2.0, 3.0], [4.0, 4.0]) == 9
    assert letters([], []) == 0
    assert letters([1e308, 1e308, -5.0], [float("inf")]) == 3 * 10**12


def test_an_order_is_read_as_it_was_given():
    for order in (new_order(What.RETRY), new_order(What.CANCEL, mark_of("k" * 9999 + "\udcff"))):
        assert unpack_order(pack_order(order)) == order
        assert len(pack_order(order)) <= LARGEST
    assert new_order(What.RETRY).id != new_order(What.RETRY).id
    assert orders_key("shop") == b"__orders:shop"


@pytest.mark.parametrize(
    "member",
    [
        b"", b"orders.1", b"cancel", b"cancel 0123456789ab", b"retry 0123456789ab x", b"retry 0123456789AB", b"\xff",
        b"retry 0123456789ab\n", b"wipe 0123456789ab", f"cancel 0123456789ab {MARK} ".encode(), None, 5, "retry 0123456789ab",
    ],
)  # fmt: skip
def test_what_is_no_order_is_none(member):
    assert unpack_order(member) is None


def test_what_a_node_says_of_an_order():
    work = NodeWork(obeyed=(Obeyed("a" * 12, 1), Obeyed("b" * 12, 0, "disk full")))
    assert work.answer("b" * 12) == Obeyed("b" * 12, 0, "disk full")
    assert work.answer("c" * 12) is None
    assert Order("a", What.RETRY).mark == ""
