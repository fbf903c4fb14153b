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


@dataclass(slots=True)
class Scrape:
    """Samples by metric name, as (labels in written order, value), and the types families declared."""

    samples: dict[str, list[tuple[Labels, float]]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    count: int = 0


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
                    named, tail = self._parse(bare)
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

    def _parse(self, line: str) -> tuple[tuple[str, Labels], str]:
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
        if len(words) == 1:
            if len(self._known) >= MAX_CACHED:
                self._known.clear()
            self._known[line[: len(line) - len(words[0])].rstrip(" ")] = named
        return named, words[0]


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
