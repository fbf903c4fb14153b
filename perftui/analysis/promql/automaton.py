"""Patterns that could backtrack for ever, matched in linear time: all states at once."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from typing import Any

from perftui.model.errors import ExpressionError

LARGEST = 4000  # states: what bounded repeats may unfold to
SAFE_LOOPS = 2  # unbounded repeats one behind the other that `re` may try to fit
LONG = 20  # a repeat of more times is as good as an unbounded one
_parser: Any = importlib.import_module("re._parser")
_c: Any = importlib.import_module("re._constants")
_WORD = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
_SPACE = frozenset(" \t\n\r\f\v")
_DIGIT = frozenset("0123456789")

Test = Callable[[str], bool]


def risky(pattern: re.Pattern[str]) -> bool:
    """Whether loops hold loops or choices, or more than two stand behind each other."""
    count, depth = _loops(_tree(pattern))
    return depth > 1 or count > SAFE_LOOPS


def _tree(pattern: re.Pattern[str]) -> Any:
    return _parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)


def _loops(items: Iterable[Any]) -> tuple[int, int]:
    """Unbounded (or very long) repeats, and how deep they stand in each other; a choice counts as one."""
    count = depth = 0
    for op, value in items:
        inner, deep = 0, 0
        for part in _bodies(op, value):
            more, deeper = _loops(part)
            inner, deep = inner + more, max(deep, deeper)
        if op is _c.BRANCH or op in _REPEATS:
            deep = max(deep, 1) if op is _c.BRANCH or value[1] <= LONG else deep + 1
        if op in _REPEATS and value[1] > LONG:
            inner += 1
        count, depth = count + inner, max(depth, deep)
    return count, depth


def _bodies(op: Any, value: Any) -> list[Any]:
    if op is _c.BRANCH:
        return list(value[1])
    if op is _c.SUBPATTERN:
        return [value[3]]
    return [value[2]] if op in _REPEATS else []


_REPEATS = (_c.MAX_REPEAT, _c.MIN_REPEAT)


class Automaton:
    """A compiled pattern that only answers whether a whole text fits."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._tests: list[Test | None] = []  # None: goes on without a character
        self._next: list[list[int]] = []
        self._source = pattern.pattern
        self._end = self._state(None)
        self._start = self._sequence(_tree(pattern), self._end, pattern.flags)

    def fits(self, text: str) -> bool:
        """Whether all of `text` matches."""
        now = self._closure([self._start])
        for char in text:
            after = [
                n for state in now if (test := self._tests[state]) and test(char) for n in self._next[state]
            ]
            now = self._closure(after)
            if not now:
                return False
        return self._end in now

    def _closure(self, states: list[int]) -> set[int]:
        seen: set[int] = set()
        while states:
            state = states.pop()
            if state not in seen:
                seen.add(state)
                if self._tests[state] is None:
                    states += self._next[state]
        return seen

    def _state(self, test: Test | None, *after: int) -> int:
        if len(self._tests) >= LARGEST:
            raise ExpressionError(f"error parsing regexp: expression too large: {self._source[:60]!r}")
        self._tests.append(test)
        self._next.append(list(after))
        return len(self._tests) - 1

    def _sequence(self, items: Any, after: int, flags: int) -> int:
        for op, value in reversed(list(items)):
            after = self._item(op, value, after, flags)
        return after

    def _item(self, op: Any, value: Any, after: int, flags: int) -> int:
        if op in _REPEATS:
            least, most, body = value
            return self._repeat(least, most, body, after, flags)
        if op is _c.BRANCH:
            return self._state(None, *(self._sequence(part, after, flags) for part in value[1]))
        if op is _c.SUBPATTERN:
            _, add, remove, body = value
            return self._sequence(body, after, (flags | add) & ~remove)
        return self._state(self._test(op, value, flags), after)

    def _repeat(self, least: int, most: int, body: Any, after: int, flags: int) -> int:
        if most == _c.MAXREPEAT:
            loop = self._state(None, after)
            self._next[loop].append(self._sequence(body, loop, flags))
            after = loop
        else:
            end = after
            for _ in range(most - least):
                after = self._state(None, end, self._sequence(body, after, flags))
        for _ in range(least):
            after = self._sequence(body, after, flags)
        return after

    def _test(self, op: Any, value: Any, flags: int) -> Test:
        if op is _c.LITERAL:
            return _folded(lambda char: ord(char) == value, flags)
        if op is _c.NOT_LITERAL:
            same = _folded(lambda char: ord(char) == value, flags)
            return lambda char: not same(char)
        if op is _c.ANY:
            return (lambda char: True) if flags & re.DOTALL else (lambda char: char != "\n")
        if op is _c.IN:
            return self._set(value, flags)
        raise ExpressionError(
            f"error parsing regexp: {str(op).lower()} in a pattern of so many loops is not supported: "
            f"{self._source[:60]!r}"
        )

    def _set(self, items: Any, flags: int) -> Test:
        inverted = bool(items) and items[0][0] is _c.NEGATE
        tests = [_folded(_member(op, value), flags) for op, value in items[inverted:]]
        return lambda char: any(test(char) for test in tests) is not inverted


def _folded(test: Test, flags: int) -> Test:
    """The test, or with `(?i)` that of either case."""
    if not flags & re.IGNORECASE:
        return test
    return lambda char: test(char) or test(char.swapcase())


def _member(op: Any, value: Any) -> Test:
    if op is _c.LITERAL:
        return lambda char: ord(char) == value
    if op is _c.RANGE:
        low, high = value
        return lambda char: low <= ord(char) <= high
    for category, members, wanted in _CATEGORIES:
        if value is category:
            return lambda char: (char in members) is wanted
    raise ExpressionError(f"error parsing regexp: {value} is not supported")


_CATEGORIES = (
    (_c.CATEGORY_DIGIT, _DIGIT, True),
    (_c.CATEGORY_NOT_DIGIT, _DIGIT, False),
    (_c.CATEGORY_SPACE, _SPACE, True),
    (_c.CATEGORY_NOT_SPACE, _SPACE, False),
    (_c.CATEGORY_WORD, _WORD, True),
    (_c.CATEGORY_NOT_WORD, _WORD, False),
)
