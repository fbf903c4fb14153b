"""Reads the Prometheus text format (0.0.4) and OpenMetrics 1.0 without a client library.

A plain scanner that remembers what stands before each value: the same names and labels come back with
every scrape, so after the first one a sample costs one search, one look-up and a float.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]

_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}
_NO_LABELS: Labels = ()
_NAME = re.compile(r"([^\s{]+)\s*")
MAX_CACHED = 50_000
MOST_EXEMPLARS = 5000  # of one scrape; those beyond are left out


@dataclass(frozen=True, slots=True)
class Example:
    """What OpenMetrics calls an exemplar: one observation behind a sample, with labels of its own.

    `at` is epoch seconds, None when it was not told.
    """

    name: str
    series: Labels
    labels: Labels
    value: float
    at: float | None = None


@dataclass(slots=True)
class Scrape:
    """Samples by metric name, as (labels in written order, value), and the types families declared."""

    samples: dict[str, list[tuple[Labels, float]]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    count: int = 0
    examples: list[Example] = field(default_factory=list)


class Scanner:
    """Parses scrapes of one target, remembering what stands before each value."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, Labels]] = {}

    def scan(self, text: str, max_samples: int = 200_000) -> Scrape:
        """All samples of a scrape; ValueError names the line that cannot be read.

        Equal labels come back as the same object from scrape to scrape.
        """
        found = Scrape()
        samples, known = found.samples, self._known
        for number, line in enumerate(text.split("\n"), 1):
            head, _, tail = line.rpartition(" ")
            named = known.get(head)
            try:
                if named is None:
                    if not (bare := line.strip()) or bare[0] == "#":
                        _type(found, bare)
                        continue
                    named, tail = self._parse(bare, found)
                value = float(tail)
            except (ValueError, IndexError) as error:
                raise ValueError(f"line {number} is no sample: {line[:80]!r}") from error
            rows = samples.get(named[0])
            if rows is None:
                samples[named[0]] = [(named[1], value)]
            else:
                rows.append((named[1], value))
            found.count += 1
            if found.count > max_samples:
                raise ValueError(f"more than {max_samples} samples: line {number}")
        return found

    def _parse(self, line: str, found: Scrape) -> tuple[tuple[str, Labels], str]:
        """Name and labels, and the text of the value; remembered when nothing follows the value."""
        match = _NAME.match(line)
        if match is None:
            raise ValueError("no name")
        labels, end = _NO_LABELS, match.end()
        if line[end : end + 1] == "{":
            labels, close = parse_labels(line, end + 1)
            end = close + 1
        words = line[end:].split(None, 2)
        named = (match[1], labels)
        if len(words) > 1 and (mark := line.find("# {", end)) >= 0:
            named = self._remembered(line[:end].rstrip(" "), named)  # equal labels stay one object
            _example(found, named, line, mark + 3)
        if len(words) == 1:
            self._remembered(line[: len(line) - len(words[0])].rstrip(" "), named)
        return named, words[0]

    def _remembered(self, head: str, named: tuple[str, Labels]) -> tuple[str, Labels]:
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        return self._known.setdefault(head, named)


def _example(found: Scrape, named: tuple[str, Labels], line: str, start: int) -> None:
    """Keep what follows `# {`; an exemplar that cannot be read costs nothing but itself."""
    if len(found.examples) >= MOST_EXEMPLARS:
        return
    try:
        labels, close = parse_labels(line, start)
        words = line[close + 1 :].split()
        at = float(words[1]) if len(words) > 1 else None
        found.examples.append(Example(*named, labels, float(words[0]), at))
    except (ValueError, IndexError):
        return


def _type(found: Scrape, line: str) -> None:
    words = line.split(None, 3)
    if len(words) == 4 and words[1] == "TYPE":
        found.types[words[2]] = words[3].strip()


def parse_labels(line: str, start: int) -> tuple[Labels, int]:
    """Labels from just after `{`, and the place of the closing brace; ValueError when malformed."""
    pairs: list[tuple[str, str]] = []
    at = start
    while True:
        while line[at] in " ,":
            at += 1
        if line[at] == "}":
            return tuple(pairs), at
        equals = line.index("=", at)
        name = line[at:equals].strip()
        quote = line.index('"', equals)
        if not name or line[equals + 1 : quote].strip():
            raise ValueError(f"bad label at column {at + 1}")
        value, at = _quoted(line, quote + 1)
        pairs.append((name, value))


def _quoted(line: str, start: int) -> tuple[str, int]:
    """The value up to its closing quote with escapes resolved, and the place after the quote."""
    end = line.index('"', start)
    if "\\" not in line[start:end]:
        return line[start:end], end + 1
    out: list[str] = []
    at = start
    while line[at] != '"':
        if line[at] == "\\":
            out.append(_ESCAPES.get(line[at + 1], "\\" + line[at + 1]))
            at += 2
        else:
            out.append(line[at])
            at += 1
    return "".join(out), at + 1
