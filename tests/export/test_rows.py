"""JSON values as one CSV table."""

from __future__ import annotations

from perftui.export import rows


def test_records_share_their_columns_and_objects_are_dotted() -> None:
    told = rows.text([{"a": 1, "b": {"c": 2.5}}, {"a": None, "d": [1, "x"]}])
    assert told.splitlines() == ["a,b.c,d", "1,2.5,", ',,"[1, ""x""]"']


def test_lists_of_records_repeat_what_else_is_said() -> None:
    assert rows.text({"at": 1, "keys": [{"k": "a"}, {"k": "b"}]}).splitlines() == ["at,k", "1,a", "1,b"]
    told = rows.text({"x": [{"k": "a"}], "y": [{"k": "b"}], "z": []}).splitlines()
    assert told == ["z,part,k", "[],x,a", "[],y,b"]


def test_a_header_can_be_left_out_and_nothing_is_nothing() -> None:
    assert rows.text([{"a": 1}], header=False).splitlines() == ["1"]
    assert rows.text([], header=False) == rows.text([]) == ""
    assert rows.text(5).splitlines() == ["value", "5"]


def test_cells_are_no_formulas_and_obey_no_escape_code() -> None:
    told = rows.text([{"key": "=1+2", "other": "\x1b[31mred\u202e"}])
    assert "'=1+2" in told
    assert not set(told) & {"\x1b", "\u202e"}


def test_what_a_head_splits_into_lines_is_one_cell() -> None:
    told = rows.text([{"a": "x\ny", "b": 1}], header=False)
    assert len(told.splitlines()) == 1
