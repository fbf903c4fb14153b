"""How ranks of hot keys move between two looks, and when the looks do not tell them apart."""

from __future__ import annotations

from perftui.analysis.ranks import NEW, Move, Ranks
from perftui.model.cache import HotKey


def look(**shares: float) -> list[HotKey]:
    return [HotKey(name.encode(), round(1000 * share), share, 0.02) for name, share in shares.items()]


def test_places_are_told_from_the_second_look_on() -> None:
    ranks = Ranks()
    ranks.see("main", 1.0, look(a=0.5, b=0.3, c=0.1))
    assert ranks.move(b"a") is None
    ranks.see("main", 2.0, look(c=0.6, a=0.2, d=0.1, b=0.05))
    moves = {name: ranks.move(name.encode()) for name in "abcd"}
    assert moves == {"a": Move(-1, True), "b": Move(-2, True), "c": Move(2, True), "d": Move(NEW, True)}
    assert [move.words for move in moves.values() if move] == ["▼ 1", "▼ 2", "▲ 2", "new"]
    assert ranks.move(b"gone") is None


def test_what_error_explains_is_not_sure() -> None:
    ranks = Ranks()
    ranks.see("main", 1.0, look(a=0.31, b=0.30, c=0.2))
    ranks.see("main", 2.0, look(b=0.31, a=0.30, c=0.2))
    assert (ranks.move(b"a"), ranks.move(b"b")) == (Move(-1, False), Move(1, False))
    same = ranks.move(b"c")
    assert same is not None
    assert (same.words, same.sure) == ("=", False)
    ranks.see("main", 3.0, look(b=0.31, a=0.30, d=0.015))
    assert ranks.move(b"d") == Move(NEW, False), "one command may be chance"


def test_the_same_look_changes_nothing_and_another_server_begins_anew() -> None:
    ranks = Ranks()
    ranks.see("main", 1.0, look(a=0.5, b=0.3))
    ranks.see("main", 2.0, look(b=0.5, a=0.3))
    ranks.see("main", 2.0, look(b=0.5, a=0.3))
    assert ranks.move(b"b") == Move(1, True)
    ranks.see("second", 3.0, look(a=0.5, b=0.3))
    assert ranks.move(b"b") is None
