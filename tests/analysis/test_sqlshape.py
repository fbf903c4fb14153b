"""The statement fingerprint: equal shapes meet, values never stay, nothing makes it raise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.sqlshape import fingerprint, line, parameters, redacted, tokens

SQLISH = st.text(alphabet="abE'\"$1;-/*() \n\\.=é\x1b", max_size=60)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT * FROM t WHERE a = 1", "select *  from T where a = 'x' -- why\n"),
        ("select 1 where a in (1,2,3)", "select $1 where a in ($2)"),
        ("insert into t values (1), (2), (3)", "insert into t values (9)"),
        ("select E'it\\'s' || 'a''b'", "select $$any$$ || $x$body$x$"),
        ("select 1.5e10 /* /* nested */ still */", "select 7;"),
    ],
)
def test_same_shape_same_fingerprint(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("select a from t", "select b from t"), ('select "A"', 'select "a"'), ("select a.b", "select a, b")],
)
def test_other_shape_other_fingerprint(one: str, other: str) -> None:
    assert fingerprint(one).id != fingerprint(other).id


def test_literals_are_redacted_and_names_kept() -> None:
    sql = "update users set pw='hunter2', n=42 where mail = E'x\\'@y' and \"Id\"=$1 -- secret"
    text = redacted(sql)
    assert "hunter2" not in text
    assert "42" not in text
    assert "secret" not in text
    assert "x\\'" not in text
    assert '"Id"=$1' in text


def test_an_unterminated_literal_hides_all_that_follows() -> None:
    assert redacted("select 'open password=abc") == "select ?"
    assert redacted("select $tag$ abc $other$") == "select ?"


def test_parameters_only_outside_literals() -> None:
    assert parameters("select $1")
    assert not parameters("select '$1', \"$2\" -- $3")
    assert not parameters("select $$ $1 $$")


def test_line_is_one_line_and_bounded() -> None:
    assert line("select\n  1 -- x\n, 2") == "select 1 , 2"
    assert len(line("select " + "a" * 10_000, 50)) == 50


@given(SQLISH)
def test_tokens_give_the_text_back(sql: str) -> None:
    assert "".join(token.text for token in tokens(sql)) == sql


@given(SQLISH)
def test_fingerprint_never_raises_and_is_stable(sql: str) -> None:
    assert fingerprint(sql) == fingerprint(sql)
    assert not any(token.kind in {"string", "comment"} for token in tokens(redacted(sql)))


def test_a_megabyte_is_quick() -> None:
    sql = "select '" + "x" * 1_000_000 + "'" + " , 1" * 50_000
    assert len(fingerprint(sql).id) == 16
