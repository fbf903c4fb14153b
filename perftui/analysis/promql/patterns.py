"""Label matchers with Prometheus' patterns: anchored at both ends, RE2's syntax, and bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from perftui.model.alerts import Labels, Matcher
from perftui.model.errors import ExpressionError

LONGEST = 1000  # characters of a pattern
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_NAMED = re.compile(r"\[:(\w+):\]")
_LOOP = re.compile(r"[*+}]")
# What Python reads and RE2 refuses, or reads otherwise.
_FOREIGN = re.compile(
    r"(?P<back>\\[1-9])|\((?P<look>\?<?[=!]|\?\(|\?#|\?>|\?P=)|(?P<own>\\[ZN])|(?P<greedy>[*+?}]\+)"
    r"|(?P<unicode>\\[pPC])|\\."
)


@lru_cache(maxsize=2048)
def compiled(text: str) -> re.Pattern[str]:
    """A pattern for `fullmatch`; ExpressionError says what about it is not RE2's."""
    if len(text) > LONGEST:
        raise ExpressionError(f"a pattern may have {LONGEST} characters, not {len(text)}")
    for found in _FOREIGN.finditer(text):
        if found.lastgroup:
            raise ExpressionError(f"error parsing regexp: {found[0]!r} is not supported: {text[:60]!r}")
    ours = _NAMED.sub(lambda m: _CLASSES.get(m[1], m[0]), text).replace("\\z", "\\Z")
    try:
        return re.compile(ours, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ExpressionError(f"error parsing regexp: {error}: {text[:60]!r}") from error


@lru_cache(maxsize=2048)
def _fitting(text: str) -> Callable[[str], bool]:
    """The test of a whole text: by `re` where that is surely quick, else in linear time."""
    pattern = compiled(text)
    if _LOOP.search(text):
        from perftui.analysis.promql.automaton import Automaton, risky

        if risky(pattern):
            return Automaton(pattern).fits
    return lambda value: pattern.fullmatch(value) is not None


@lru_cache(maxsize=16384)
def fits(pattern: str, value: str) -> bool:
    """Whether a pattern matches the whole of a value."""
    return _fitting(pattern)(value)


def matching(matchers: Sequence[Matcher]) -> Callable[[Labels], bool]:
    """The test of a label set; a label that is not there counts as empty."""
    tests = tuple(
        (m.name, m.value, m.op in {"=", "=~"}, m.op in {"=~", "!~"})
        for m in sorted(matchers, key=lambda m: m.op != "=")
    )

    def holds(labels: Labels) -> bool:
        have = dict(labels)
        for name, value, wanted, pattern in tests:
            own = have.get(name, "")
            if (fits(value, own) if pattern else own == value) is not wanted:
                return False
        return True

    return holds
