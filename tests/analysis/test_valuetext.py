"""What a key holds as lines: entries of the library, JSON, text, bytes, and what strangers put there."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.codec import Codec, Packer
from perftui.analysis.valuetext import DEEPEST, MOST_LINES, MOST_TEXT, told
from perftui.instrument.cache.envelope import Sealer, tombstone
from perftui.instrument.cache.serializer import Json, Pickle
from perftui.model.keyvalue import CUT, Part, ValuePage

NOW = 1_000_000.0
STAMP = bytes(16)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def page(data: bytes, **how: Any) -> ValuePage:
    return ValuePage(b"shop:k", "string", NOW, size=how.pop("size", len(data)), data=data, **how)


def lines(data: bytes, **how: Any) -> list[str]:
    return [row.text for row in told(page(data, **how)).rows]


@given(VALUES, st.sampled_from(["msgpack", "json"]), st.sampled_from(Codec))
def test_an_entrys_value_is_read_as_it_was_written(value: Any, how: str, codec: Codec) -> None:
    packer = Packer(codec, threshold=0, least_saved=-9.0)
    sealer = Sealer(Json() if how == "json" else None, packer)
    text = told(
        page(sealer.seal(value, STAMP, fresh_until=NOW + 60, ttl=300.0, tags=(("t", b"x" * 6, b"y" * 6),)))
    )
    assert (text.form, text.why) == (how, "")
    assert json.loads("\n".join(row.text for row in text.rows)) == value
    assert text.entry is not None
    assert (text.entry.ttl, text.entry.tags[0][0], text.ended) == (300.0, "t", -60)


def test_a_pickle_is_not_run() -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("it was run",))

    class Sealed(Pickle):
        def dumps(self, value: Any) -> bytes:
            return pickle.dumps(value)

    text = told(page(Sealer(Sealed()).seal(Trap(), STAMP)))
    assert text.form == "bytes"
    assert "pickle" in text.why


def test_with_a_dictionary_and_without_it() -> None:
    values = [json.dumps({"name": f"product {n}", "price": n, "stock": n % 7}).encode() for n in range(800)]
    import zstandard

    dictionary = zstandard.train_dictionary(4096, values).as_bytes()
    packer = Packer()
    packer.use(Codec.ZSTD, packer.learn(dictionary))
    data = Sealer(None, packer).seal({"name": "product 9", "price": 9, "stock": 2, "more": "x" * 100}, STAMP)
    assert lines(data, dictionary=dictionary)[1] == '  "name": "product 9",'
    text = told(page(data))
    assert "dictionary is not there" in text.why
    assert text.form == "bytes"


def test_tombstones_bombs_and_damage_are_said() -> None:
    assert told(page(tombstone(STAMP))).form == "removed"
    data = Sealer().seal("x" * 5_000_000, STAMP)
    text = told(page(data))
    assert (len(data) < 100_000, text.why) == (True, "it is larger than is unpacked here")
    good = Sealer().seal([1, 2], STAMP)
    assert "damaged" in told(page(good[:-1] + b"?")).why
    assert told(page(good[:-1], size=len(good))).why == ""  # a page of a longer value is no entry


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_shown(data: bytes, cut: bool) -> None:
    text = told(page(data, following="300" if cut else "", size=len(data) + cut))
    assert text.form in {"bytes", "json", "text"}
    if text.form == "bytes":
        assert bytes.fromhex("".join(row.text[:48] for row in text.rows)) == data


def test_text_that_a_page_cut_within_a_character_is_text() -> None:
    whole = "žluťoučký kůň\núpěl".encode() * 3
    text = told(page(whole[1:-1], place="1", following="9", size=99))
    assert (text.form, text.rows[0].text) == ("text", "luťoučký kůň")
    assert told(page(whole[1:-1])).form == "bytes"
    text = told(page(b"\x00\x01\x02" * 40, place="64"))
    assert (text.form, text.rows[1].name) == ("bytes", "00000050")


def test_what_is_long_or_deep_is_cut() -> None:
    assert lines(json.dumps(list(range(MOST_LINES + 10))).encode())[-1] == f"more than {MOST_LINES:,} lines"
    deep: Any = 1
    for _ in range(DEEPEST + 5):
        deep = [deep]
    assert sum("…" in text for text in lines(json.dumps(deep).encode())) == 1
    assert lines(b"[" * 30_000)[0].startswith("[[[")  # no JSON: text
    (text,) = lines(Sealer().seal("x" * 10_000, STAMP))
    assert text.endswith("… (10,000 characters)")
    assert len(lines(b"y" * 10_000)[0]) == MOST_TEXT + 1


def test_elements_say_how_long_they_are() -> None:
    parts = (Part(b"f", b"v" * CUT, 1, 9000), Part(b"\xff", b"", 1, 0))
    text = told(ValuePage(b"h", "hash", NOW, parts=parts))
    assert [(row.name, row.text[-15:]) for row in text.rows] == [
        ("f", "v… (9,000 bytes)"[-15:]),
        ("\\xff", ""),
    ]
