"""Line numbers of TOML keys, because the standard parser gives values without their places."""

from __future__ import annotations

import re

Path = tuple[str, ...]

_PART = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_KEY = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_KEY})[ \t]*\]\]?[^\n]*")
_ASSIGN = re.compile(rf"[ \t]*({_KEY})[ \t]*=")
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[{]|[\]}]|\n|[^"\'#\[\]{}\n]+|.',
    re.DOTALL,
)
_REST = re.compile(r"[^\n]*\n?")


def key_lines(text: str) -> dict[Path, int]:
    """Line (from 1) of every table header and key of valid TOML.

    Keys inside inline tables have no entry of their own: `line_of` falls back to the key that
    holds them. Tables of an array get their index as a path part.
    """
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    prefix: Path = ()
    at = 0
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        if header := _HEADER.match(text, at):
            prefix = _parts(header[2])
            lines.setdefault(prefix, line)
            if header[1] == "[[":
                counts[prefix] = counts.get(prefix, -1) + 1
                prefix = (*prefix, str(counts[prefix]))
                lines[prefix] = line
            at = header.end() + 1
        elif assign := _ASSIGN.match(text, at):
            for n in range(1, len(parts := _parts(assign[1])) + 1):
                lines.setdefault((*prefix, *parts[:n]), line)
            at = _value_end(text, assign.end())
        else:
            rest = _REST.match(text, at)
            at = rest.end() if rest else len(text)
    return lines


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """Line of `path`, or of its nearest ancestor that stands in the file."""
    for n in range(len(path), 0, -1):
        if path[:n] in lines:
            return lines[path[:n]]
    return None


def _parts(key: str) -> Path:
    found: list[str] = re.findall(_PART, key)
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in found)


def _value_end(text: str, at: int) -> int:
    """Offset behind the newline that ends the value starting at `at` (values may span lines)."""
    depth = 0
    for token in _TOKEN.finditer(text, at):
        word = token[0]
        if word in "[{":
            depth += 1
        elif word in "]}":
            depth -= 1
        elif word == "\n" and depth <= 0:
            return token.end()
    return len(text)
