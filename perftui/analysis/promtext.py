"""Reads the Prometheus text format (0.0.4) and OpenMetrics 1.0 without a client library.

A plain scanner with a cache of label strings: the same label strings come back with every scrape,
so after the first one a sample costs two string searches and a float.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]

_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}
_NO_LABELS: Labels = ()
MAX_CACHED = 50_000


@dataclass(slots=True)
class Scrape:
    """Samples by metric name, as (labels in written order, value), and the types families declared."""

    samples: dict[str, list[tuple[Labels, float]]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    count: int = 0


class Scanner:
    """Parses scrapes of one target, remembering its label strings between them."""

    def __init__(self) -> None:
        self._labels: dict[str, Labels] = {"": _NO_LABELS}

    def scan(self, text: str, max_samples: int = 200_000) -> Scrape:
        """All samples of a scrape; ValueError names the line that cannot be read."""
        found = Scrape()
        samples, cache = found.samples, self._labels
        for number, line in enumerate(text.split("\n"), 1):
            if not line or line[0] == "#":
                if line.startswith("# TYPE "):
                    _type(found, line)
                continue
            brace = line.find("{")
            try:
                if brace < 0:
                    name, _, rest = line.strip().partition(" ")
                    labels = _NO_LABELS
                else:
                    name = line[:brace].strip()
                    close = line.rfind("} ") if "# {" not in line else -1
                    known = cache.get(line[brace + 1 : close]) if close > 0 else None
                    labels, end = (known, close) if known is not None else self._parse(line, brace + 1)
                    rest = line[end + 1 :]
                value = float(rest.split(None, 1)[0])
            except (ValueError, IndexError) as error:
                if not line.strip():
                    continue
                raise ValueError(f"line {number} is no sample: {line[:80]!r}") from error
            rows = samples.get(name)
            if rows is None:
                samples[name] = [(labels, value)]
            else:
                rows.append((labels, value))
            found.count += 1
            if found.count > max_samples:
                raise ValueError(f"more than {max_samples} samples: line {number}")
        return found

    def _parse(self, line: str, start: int) -> tuple[Labels, int]:
        labels, end = parse_labels(line, start)
        if len(self._labels) >= MAX_CACHED:
            self._labels = {"": _NO_LABELS}
        self._labels[line[start:end]] = labels
        return labels, end


def _type(found: Scrape, line: str) -> None:
    words = line.split(None, 3)
    if len(words) == 4:
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
