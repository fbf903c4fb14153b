"""Finding things by a few of their letters: quick enough for every keystroke over thousands of names."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable
from functools import lru_cache

WORD = 8
START = 12
RUN = 5
MISS = 0.05


@lru_cache(maxsize=64)
def _in_order(pattern: str) -> re.Pattern[str]:
    """A pattern that finds the letters in order, whatever lies between."""
    return re.compile(".*?".join(re.escape(char) for char in pattern), re.DOTALL)


def score(pattern: str, text: str) -> float | None:
    """How well `pattern` (lower case, no blanks) is found in `text` (lower case); None when it is not.

    All letters must occur in order. Letters at the start of the text or of a word and letters in a
    run count more; a long text counts less. The letters are placed greedily, once from the first
    place they fit and once as one piece where the text contains them so.
    """
    if not pattern:
        return 0.0
    whole = text.find(pattern)
    if whole >= 0:
        best = RUN * (len(pattern) - 1) + _bonus(text, whole) + len(pattern)
        return best - MISS * len(text)
    found = _in_order(pattern).search(text)
    if found is None:
        return None
    return _greedy(pattern, text, found.start()) - MISS * len(text)


def _bonus(text: str, at: int) -> float:
    if at == 0:
        return START
    return 0 if text[at - 1].isalnum() else WORD


def _greedy(pattern: str, text: str, start: int) -> float:
    total = 0.0
    last = -2
    at = start
    for char in pattern:
        at = _best_next(text, char, at)
        total += 1 + (RUN if at == last + 1 else _bonus(text, at))
        last, at = at, at + 1
    return total


def _best_next(text: str, char: str, at: int) -> int:
    """The next place of a letter: here if it is here, else the first one there is."""
    return at if text.startswith(char, at) else text.index(char, at)


def find(pattern: str, texts: Iterable[str], limit: int = 50) -> list[int]:
    """Indices of the best `limit` texts (lower case), best first; ties keep their order.

    Words of the pattern, separated by blanks, must all be found.
    """
    words = pattern.lower().split()
    scored: list[tuple[float, int]] = []
    for index, text in enumerate(texts):
        total = 0.0
        for word in words:
            value = score(word, text)
            if value is None:
                break
            total += value
        else:
            scored.append((-total, index))
    return [index for _, index in heapq.nsmallest(limit, scored)]
