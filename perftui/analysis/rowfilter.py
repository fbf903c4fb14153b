"""The little language of `/`: plain words, `field:value`, `field>n`, `>n`, `-word`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_TERM = re.compile(r"(?P<no>[-!])?(?:(?P<field>[\w. %/]*?)(?P<op>>=|<=|!=|>|<|=|:))?(?P<text>.*)", re.DOTALL)
_WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)\s*([a-zA-Zµ%]*)")
_FACTORS = {
    "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40,
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0,
    "%": 0.01,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `field` "" means any text column, or the sorted column for comparisons."""

    field: str
    op: str  # ":" contains, "=" "!=" ">" "<" ">=" "<="
    text: str
    number: float | None
    negated: bool = False


def parse_number(text: str) -> float | None:
    """`10k`, `1.5MiB`, `250ms`, `95%` in base units; None when it is not a number."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2] not in _FACTORS:
        return None
    return float(match[1]) * _FACTORS[match[2]]


def parse(text: str) -> tuple[Term, ...]:
    """The terms of a filter line, all of which must hold; never fails: odd input is plain text."""
    return tuple(_term(word.replace('"', "")) for word in _WORD.findall(text) if word.strip('-!"'))


def _term(word: str) -> Term:
    match = _TERM.fullmatch(word)
    if match is None or match["op"] is None:
        negated = len(word) > 1 and word[0] in "-!"
        return Term("", ":", word[1:].lower() if negated else word.lower(), None, negated)
    number = parse_number(match["text"])
    if match["op"] in (">", "<", ">=", "<=") and number is None:
        return Term("", ":", word.lower(), None)
    return Term(match["field"].lower(), match["op"], match["text"].lower(), number, bool(match["no"]))


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


@dataclass(frozen=True, slots=True)
class Field:
    """A column as the filter sees it: its true value and its text as shown."""

    name: str
    title: str
    value: Callable[[Any], Any]
    shown: Callable[[Any], str]


def compile_filter(text: str, fields: Sequence[Field], sorted_by: str = "") -> Callable[[Any], bool] | None:
    """A test of one item for a filter line; None when the line is empty.

    A field is found by its key, then by the beginning of its title; an unknown field makes the whole
    term plain text.
    """
    tests = [_test(term, fields, sorted_by) for term in parse(text)]
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda item: all(test(item) for test in tests)


def _find(name: str, fields: Sequence[Field]) -> Field | None:
    for field in fields:
        if field.name.lower() == name:
            return field
    return next((field for field in fields if name and field.title.lower().startswith(name)), None)


def _test(term: Term, fields: Sequence[Field], sorted_by: str) -> Callable[[Any], bool]:
    compare = _COMPARE.get(term.op)
    field = _find(term.field or (sorted_by.lower() if compare else ""), fields)
    if compare is not None and field is not None and term.number is not None:
        test = _numeric(field, compare, term.number)
    elif term.field and field is not None:
        test = _equal(field, term) if term.op in ("=", "!=") else _contains((field,), term.text, shown=True)
    else:
        whole = term.text if not term.field else f"{term.field}{term.op}{term.text}"
        test = _contains(fields, whole, shown=False)
    return (lambda item: not test(item)) if term.negated else test


def _numeric(field: Field, compare: Callable[[float, float], bool], limit: float) -> Callable[[Any], bool]:
    def test(item: Any) -> bool:
        value = field.value(item)
        return isinstance(value, int | float) and compare(value, limit)

    return test


def _equal(field: Field, term: Term) -> Callable[[Any], bool]:
    wanted = term.op == "="

    def test(item: Any) -> bool:
        value = field.value(item)
        if term.number is not None and isinstance(value, int | float):
            return (value == term.number) is wanted
        return (term.text in (str(value).lower(), field.shown(item).lower())) is wanted

    return test


def _contains(fields: Sequence[Field], text: str, shown: bool) -> Callable[[Any], bool]:
    """Text columns are searched by value; a named column also by what it shows."""

    def test(item: Any) -> bool:
        for field in fields:
            value = field.value(item)
            if isinstance(value, int | float) and not shown:
                continue
            if text in str(value).lower() or (shown and text in field.shown(item).lower()):
                return True
        return False

    return test
