"""Reads the Prometheus text format (0.0.4) and OpenMetrics 1.0 without a client library.

What stands before each value is remembered: the same names and labels come back with every scrape, so
after the first one a sample costs its share of one cut through the text, one look-up and a float. The first
time, heads of one metric differ in their quoted values alone: what stands between is read once.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]
Rows = list[tuple[Labels, float]]

_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}
_NO_LABELS: Labels = ()
_NAME = re.compile(r"([^\s{]+)\s*")
_ENDS = re.compile(r" (\S+)\n")
_FIRST = re.compile(r"\s*([^\s{#\"][^\s{\"]*)\s*\{[ ,]*([^\s{}=,\"]+)\s*=\s*")
_NEXT = re.compile(r"[ ,]*([^\s{}=,\"]+)\s*=\s*")
_LAST = re.compile(r"[ ,]*\}\s*")
MAX_CACHED = 50_000
MAX_SHAPES = 5000
KEPT = 2 << 10  # characters before a value; what is longer is read anew with each scrape
LONGEST = 16 << 10  # characters of a line; a longer one is passed over, and counted
MOST_SAMPLES = 50_000  # of one scrape, if nothing else is said: what stands before each is remembered
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


class Samples(Mapping[str, Rows]):
    """Rows of (labels in written order, value) by metric name.

    What stands before each value was found to be well formed; it becomes labels when its metric is
    asked for, for of most metrics nobody asks.
    """

    def __init__(self, labels: Callable[[str], Labels]) -> None:
        self._labels = labels
        self._rows: dict[str, Rows] = {}
        self.told: dict[str, tuple[list[str], list[float]]] = {}

    def of(self, name: str) -> tuple[list[str], list[float]]:
        """Heads and values of a metric, to add to."""
        found = self.told.get(name)
        if found is None:
            found = self.told[name] = ([], [])
        return found

    def __getitem__(self, name: str) -> Rows:
        rows = self._rows.get(name)
        if rows is None:
            heads, values = self.told[name]
            rows = self._rows[name] = list(zip(map(self._labels, heads), values, strict=True))
        return rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.told)

    def __len__(self) -> int:
        return len(self.told)

    def __contains__(self, name: object) -> bool:
        return name in self.told


@dataclass(slots=True)
class Scrape:
    """Samples by metric name, and the types families declared.

    `damaged` counts lines too long to be read, `duplicates` samples told again: the first of them counts.
    """

    samples: Samples
    types: dict[str, str] = field(default_factory=dict)
    count: int = 0
    examples: list[Example] = field(default_factory=list)
    damaged: int = 0
    duplicates: int = 0


class Scanner:
    """Parses scrapes of one target, remembering what stands before each value; `most` samples of each."""

    def __init__(self, most: int = MOST_SAMPLES) -> None:
        self._most, self._cached = most, max(MAX_CACHED, most)
        self._names: dict[str, str] = {}  # metric by head
        self._labels: dict[str, Labels] = {}  # of heads somebody asked for
        self._shapes: dict[tuple[str, ...], str] = {}  # metric by what stands between quoted values

    def scan(self, text: str) -> Scrape:
        """All samples of a scrape; ValueError names the line that cannot be read, or that is one too many.

        Equal labels come back as the same object from scrape to scrape.
        """
        text, damaged = _short(text)
        if text.count("\n") >= self._most:
            _bounded(text, self._most)
        try:
            found = self._quickly(text)
        except ValueError:  # from the first line again, for the number of the one that cannot be read
            found = Scrape(Samples(self.labels))
            self._by_line(text, found)
        found.damaged, found.duplicates = damaged, _once(found.samples)
        found.count = sum(len(values) for _, values in found.samples.told.values())
        return found

    def labels(self, head: str) -> Labels:
        """Labels of what stood before a value and was found to be well formed."""
        found = self._labels.get(head)
        if found is None:
            found = self._spelled(head)
            if len(head) <= KEPT:
                if len(self._labels) >= self._cached:
                    self._labels.clear()
                self._labels[head] = found
        return found

    def _spelled(self, head: str) -> Labels:
        opened = head.find("{")
        return parse_labels(head, opened + 1)[0] if opened >= 0 else _NO_LABELS

    def _quickly(self, text: str) -> Scrape:
        """The text cut at once into what stands before each value, and the values."""
        found = Scrape(Samples(self.labels))
        names, new = self._names.get, self._new
        pieces = _ENDS.split(text + "\n")
        last, heads, values = "", list[str](), list[float]()
        each = iter(pieces)
        for head, value in zip(each, each):  # noqa: B905 (what follows the last value is one piece more)
            name = names(head) or new(head)
            if name is None:
                self._by_line(f"{head} {value}", found)
                continue
            if name is not last:
                last = name
                heads, values = found.samples.of(name)
            values.append(float(value))
            heads.append(head)
        self._by_line(pieces[-1], found)
        return found

    def _new(self, head: str) -> str | None:
        """The metric of a head whose names of labels were met before; None: read it by the letter.

        Without a backslash every quote begins or ends a value, so what stands between values is what
        heads of one metric have in common.
        """
        parts = head.split('"')
        between = tuple(parts[::2])
        name = self._shapes.get(between) or self._shape(between)
        if name is None or not len(parts) & 1 or "\\" in head or len(head) > KEPT:
            return None
        return self._remembered(head, name)

    def _shape(self, between: tuple[str, ...]) -> str | None:
        """The metric's name out of what stands between values; None where it is another form."""
        first = _FIRST.fullmatch(between[0])
        if first is None or len(between) < 2 or not _LAST.fullmatch(between[-1]):
            return None
        if not all(map(_NEXT.fullmatch, between[1:-1])) or sum(map(len, between)) > KEPT:
            return None
        if len(self._shapes) >= MAX_SHAPES:
            self._shapes.clear()
        return self._shapes.setdefault(between, first[1])

    def _by_line(self, text: str, found: Scrape) -> None:
        """Line by line and letter by letter, whatever form the format allows."""
        for number, line in enumerate(text.split("\n"), 1):
            head, _, tail = line.rpartition(" ")
            name = self._names.get(head)
            try:
                if name is None:
                    if not (bare := line.strip()) or bare[0] == "#":
                        _type(found, bare)
                        continue
                    name, head, tail = self._parse(bare, found)
                value = float(tail)
            except (ValueError, IndexError) as error:
                raise ValueError(f"line {number} is no sample: {line[:80]!r}") from error
            heads, values = found.samples.of(name)
            heads.append(head)
            values.append(value)

    def _parse(self, line: str, found: Scrape) -> tuple[str, str, str]:
        """Metric, what stands before the value, and the text of the value."""
        head, _, value = line.rpartition(" ")[0].rpartition(" ")
        if (name := self._names.get(head)) is not None:  # with an instant behind the value
            return name, head, value
        match = _NAME.match(line)
        if match is None:
            raise ValueError("no name")
        end = match.end()
        if line[end : end + 1] == "{":
            end = parse_labels(line, end + 1)[1] + 1
        head, words = line[:end].rstrip(" "), line[end:].split(None, 2)
        name = self._remembered(head, match[1])
        if len(words) > 1 and (mark := line.find("# {", end)) >= 0:
            _example(found, (name, self.labels(head)), line, mark + 3)
        return name, head, words[0]

    def _remembered(self, head: str, name: str) -> str:
        if len(head) > KEPT:
            return name
        if len(self._names) >= self._cached:
            self._names.clear()
        return self._names.setdefault(head, name)


def _short(text: str) -> tuple[str, int]:
    """The text with empty lines in place of those that are too long, and how many of these were samples."""
    kept: list[str] = []
    begun = at = damaged = 0
    while len(text) - at > LONGEST:
        end = text.rfind("\n", at, at + LONGEST + 1)
        if end < 0:
            kept.append(text[begun:at])
            damaged += text[at] != "#"
            end = text.find("\n", at)
            end = begun = len(text) if end < 0 else end
        at = end + 1
    return ("".join((*kept, text[begun:])), damaged) if kept else (text, 0)


def _once(samples: Samples) -> int:
    """Leave out samples told again under the same name and labels; how many there were."""
    again = 0
    for heads, values in samples.told.values():
        if len(set(heads)) < len(heads):
            first: dict[str, float] = {}
            for head, value in zip(heads, values, strict=True):
                first.setdefault(head, value)
            again += len(heads) - len(first)
            heads[:], values[:] = first, first.values()
    return again


def _bounded(text: str, most: int) -> None:
    """ValueError when there are more samples than that."""
    told = 0
    for number, line in enumerate(text.split("\n"), 1):
        told += line.lstrip()[:1] not in ("", "#")
        if told > most:
            raise ValueError(f"more than {most} samples (`most_samples`): line {number}")


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
