"""Finding things by a few of their letters: quick enough for every keystroke over thousands of names."""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from functools import lru_cache

WORD = 8
START = 12
RUN = 5
MISS = 0.05
MANY = 1000


@lru_cache(maxsize=64)
def _in_order(pattern: str) -> re.Pattern[str]:
    """A pattern that finds the letters in order, whatever lies between."""
    first, rest = pattern[0], pattern[1:]
    return re.compile(re.escape(first) + "".join(f"[^{re.escape(c)}]*{re.escape(c)}" for c in rest))


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


def find(pattern: str, texts: Sequence[str], limit: int = 50) -> list[int]:
    """Indices of the best `limit` texts (lower case), best first; ties keep their order.

    Words of the pattern, separated by blanks, must all be found. Texts that contain the words as they
    are come first; letters scattered over a text are looked for only when those are fewer than `limit`.
    """
    words = pattern.lower().split()
    if not words:
        return list(range(min(limit, len(texts))))
    whole = list(range(len(texts)))
    for word in words:
        whole = [i for i in whole if word in texts[i]]
    found = _best(words, texts, whole, limit)
    if len(found) < limit:
        taken = set(whole)
        loose = [i for i in range(len(texts)) if i not in taken]
        for word in words:
            search = _in_order(word).search
            loose = [i for i in loose if search(texts[i])]
        found += _best(words, texts, loose, limit - len(found))
    return found


def _best(words: Sequence[str], texts: Sequence[str], among: Sequence[int], limit: int) -> list[int]:
    """The best of these; of many, only the shortest are weighed, which are nearly always the best."""
    if len(among) > MANY:
        among = heapq.nsmallest(MANY, among, key=lambda i: len(texts[i]))
    scored = [(-sum(score(word, texts[i]) or 0.0 for word in words), i) for i in among]
    return [index for _, index in heapq.nsmallest(limit, scored)]
