"""The console's one statement fingerprint: what a statement is once its values are taken out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<line>--[^\n]*)
    | (?P<block>/\*)
    | (?P<estring>[eE]'(?:[^'\\]|\\.|'')*(?:'|$))
    | (?P<string>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|$))
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*(?:"|$))
    | (?P<parameter>\$\d+)
    | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<number>(?:\d[\d_]*(?:\.[\d_]*)?|\.\d+)(?:[eE][+-]?\d+)?\w*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_LISTS = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")
_ROWS = re.compile(r"\(\?\)(?:\s*,\s*\(\?\))+")


class Token(NamedTuple):
    """A piece of SQL: kind (space comment string word quoted parameter number other) and text."""

    kind: str
    text: str


class Fingerprint(NamedTuple):
    """`id` is 16 hex digits of the shape, `text` the shape for people."""

    id: str
    text: str


def tokens(sql: str) -> Iterator[Token]:
    """The pieces of `sql`, whose texts joined give it back; never raises, a broken tail is a string."""
    at, end = 0, len(sql)
    while at < end:
        match = _TOKEN.match(sql, at)
        assert match is not None  # `other` takes any character
        kind, stop = match.lastgroup or "other", match.end()
        if kind == "block":
            kind, stop = "comment", _comment_end(sql, stop)
        elif kind == "dollar":
            close = sql.find(match.group(), stop)
            kind, stop = "string", end if close < 0 else close + len(match.group())
        elif kind == "line":
            kind = "comment"
        elif kind == "estring":
            kind = "string"
        yield Token(kind, sql[at:stop])
        at = stop


def _comment_end(sql: str, at: int) -> int:
    """Where the block comment that is open at `at` ends; PostgreSQL's nest."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(sql, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)


def redacted(sql: str) -> str:
    """`sql` with every literal replaced by `?` and comments dropped, for audit and history."""
    parts = (
        "?" if t.kind in {"string", "number"} else " " if t.kind == "comment" else t.text for t in tokens(sql)
    )
    return "".join(parts)


@lru_cache(maxsize=1024)
def parameters(sql: str) -> bool:
    """Whether it holds `$n` parameters (outside literals and comments)."""
    return any(token.kind == "parameter" for token in tokens(sql))


@lru_cache(maxsize=1024)
def fingerprint(sql: str) -> Fingerprint:
    """The shape of a statement: literals and parameters are `?`, lists of them one, words lower-case,
    spaces single; quoted names keep their case. Equal shapes have equal ids on every machine.
    """
    parts = []
    for token in tokens(sql):
        if token.kind in {"space", "comment"}:
            parts.append(" ")
        elif token.kind in {"string", "number", "parameter"}:
            parts.append("?")
        else:
            parts.append(token.text.lower() if token.kind == "word" else token.text)
    shape = " ".join("".join(parts).split()).rstrip("; ")
    shape = _ROWS.sub("(?)", _LISTS.sub("(?)", shape))
    return Fingerprint(blake2b(shape.encode("utf-8", "replace"), digest_size=8).hexdigest(), shape)


@lru_cache(maxsize=1024)
def line(sql: str, limit: int = 500) -> str:
    """The statement on one line without comments, cut at `limit` characters."""
    kept = "".join(
        " " if token.kind in {"comment", "space"} else token.text for token in tokens(sql[: 4 * limit])
    )
    text = " ".join(kept.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
