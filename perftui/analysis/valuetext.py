"""A key's value as lines for people: unpacked and decoded within bounds, whatever somebody put there."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from perftui.analysis.codec import CannotUnpack, Codec, Packer
from perftui.model.envelope import MAGIC, SERIALIZERS, Envelope, Unreadable, Why, unpack
from perftui.model.keyvalue import WHOLE, Part, ValuePage

MOST_LINES: Final = 5000
MOST_TEXT: Final = 4096  # characters of a line
MOST_STRING: Final = 2000  # characters of one string in it
DEEPEST: Final = 32
HEX: Final = 16  # bytes of a line of those that are no text
STEP: Final = "  "
NAMES: Final = {number: name for name, number in SERIALIZERS.items()}
WHYS: Final = {
    Why.VERSION: "it was written by a later perftui",
    Why.DAMAGED: "it is damaged, or changed while it was read",
    Why.OVERSIZE: "it is larger than is unpacked here",
    Why.CODEC: "it is packed in a way that is not known here",
    Why.EXTRA: 'what unpacks it is not here: pip install "perftui[cache]"',
    Why.DICTIONARY: "its dictionary is not there any more",
    Why.SERIALIZER: "it is not what its header says",
}


@dataclass(frozen=True, slots=True)
class ValueRow:
    """One line: what it is called (an index, a field, an offset), and its text, not yet inert."""

    at: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ValueText:
    """A page as lines. `form` is how they were made; `why` an entry's value is not among them.

    `entry` is the header of an entry of the cache library, `ended` whether its value is past its end by the
    server's clock, in so many seconds (negative: it is fresh for as long).
    """

    form: str
    rows: tuple[ValueRow, ...] = ()
    why: str = ""
    entry: Envelope | None = None
    ended: float | None = None


def told(page: ValuePage) -> ValueText:
    """What a page holds."""
    if page.kind != "string":
        return ValueText(page.kind, tuple(_elements(page.parts)))
    if page.whole and page.data[:2] == MAGIC:
        return _entry(page)
    whole = not page.place and not page.following
    start = int(page.place or 0)
    form, lines = _shown(page.data, start, whole=whole)
    return ValueText(form, _rows(lines))


def codec_name(codec: int) -> str:
    """How a payload is packed, in a word."""
    return Codec(codec).name.lower() if codec in set(Codec) else f"codec {codec}"


def _entry(page: ValuePage) -> ValueText:
    """An entry of the cache library."""
    entry = unpack(page.data, WHOLE)
    if isinstance(entry, Unreadable):
        form, lines = _shown(page.data, 0, whole=True)
        return ValueText(form, _rows(lines), WHYS.get(entry.why, str(entry.why)))
    if entry.removed:
        return ValueText("removed", entry=entry)
    ended = page.now - entry.fresh_until if entry.fresh_until != math.inf else -math.inf
    try:
        raw = _unpacked(entry, page.dictionary)
    except CannotUnpack as error:
        form, lines = _shown(entry.payload, 0, whole=False)
        return ValueText(form, _rows(lines), WHYS.get(error.why, str(error)), entry, ended)
    form = NAMES.get(entry.serializer, "")
    if form in _DECODERS:
        try:
            value = _DECODERS[form](raw)
        except ValueError:
            form, lines = _shown(raw, 0, whole=True)
            return ValueText(form, _rows(lines), WHYS[Why.SERIALIZER], entry, ended)
        return ValueText(form, _rows(_numbered(_pretty(value))), "", entry, ended)
    why = "a pickle runs what is in it: it is shown as it is" if form == "pickle" else ""
    form, lines = _shown(raw, 0, whole=True)
    return ValueText(form, _rows(lines), why, entry, ended)


def _unpacked(entry: Envelope, dictionary: bytes) -> bytes:
    packer = Packer(Codec.RAW)
    if dictionary:
        try:
            packer.learn(dictionary)
        except ValueError as error:
            raise CannotUnpack(Why.DICTIONARY, str(error)) from error
    return packer.unpack(entry.codec, entry.dictionary, entry.payload, entry.size, WHOLE)


def _msgpack(raw: bytes) -> Any:
    import msgspec

    try:
        return msgspec.msgpack.decode(raw)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(str(error)) from error


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except RecursionError as error:
        raise ValueError("too deep") from error


_DECODERS: Final = {"msgpack": _msgpack, "json": _json}


def _shown(data: bytes, start: int, *, whole: bool) -> tuple[str, Iterator[tuple[str, str]]]:
    """JSON, text, or bytes, and its lines with what each is called."""
    if whole and data[:1] in {b"{", b"["}:
        try:
            return "json", _numbered(_pretty(_json(data)))
        except ValueError:
            pass
    text = _text(data, whole=whole)
    if text is not None:
        return "text", _numbered(text.splitlines())
    return "bytes", _hex(data, start)


def _text(data: bytes, *, whole: bool) -> str | None:
    """Text in UTF-8, of a page without characters cut at its ends; None for anything else."""
    ends = 0 if whole else 3
    for front in range(ends + 1):
        for back in range(ends + 1):
            try:
                text = data[front : len(data) - back].decode()
            except UnicodeDecodeError:
                continue
            strange = sum(not (char.isprintable() or char in "\t\r\n") for char in text)
            return text if strange <= len(text) // 20 else None
    return None


def _hex(data: bytes, start: int) -> Iterator[tuple[str, str]]:
    for at in range(0, len(data), HEX):
        piece = data[at : at + HEX]
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        yield f"{start + at:08x}", f"{piece.hex(' '):<{3 * HEX}} {seen}"


def _elements(parts: Sequence[Part]) -> Iterator[ValueRow]:
    for at, part in enumerate(parts):
        yield ValueRow(at, _cut(part.name, part.name_bytes), _cut(part.value, part.value_bytes))


def _cut(data: bytes, size: int) -> str:
    text = data.decode("utf-8", "backslashreplace")
    return text if len(data) >= size else f"{text}… ({size:,} bytes)"


def _pretty(value: Any, depth: int = 0, lead: str = "", end: str = "") -> Iterator[str]:
    """A value as JSON lines, two blanks a level."""
    before = STEP * min(depth, DEEPEST) + lead
    if isinstance(value, Mapping | list) and value and depth >= DEEPEST:
        yield f"{before}…{end}"
    elif isinstance(value, Mapping) and value:
        yield before + "{"
        for left, (key, one) in zip(range(len(value) - 1, -1, -1), value.items(), strict=True):
            yield from _pretty(one, depth + 1, f"{_plain(key)}: ", "," if left else "")
        yield STEP * depth + "}" + end
    elif isinstance(value, list) and value:
        yield before + "["
        for left, one in zip(range(len(value) - 1, -1, -1), value, strict=True):
            yield from _pretty(one, depth + 1, "", "," if left else "")
        yield STEP * depth + "]" + end
    else:
        yield before + _plain(value) + end


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        more = f"… ({len(value):,} bytes)" if len(value) > MOST_STRING // 2 else ""
        return f"bytes {value[: MOST_STRING // 2].hex()}{more}"
    if isinstance(value, str) and len(value) > MOST_STRING:
        return json.dumps(value[:MOST_STRING], ensure_ascii=False) + f"… ({len(value):,} characters)"
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)


def _numbered(lines: Sequence[str] | Iterator[str]) -> Iterator[tuple[str, str]]:
    return ((str(at), text) for at, text in enumerate(lines, 1))


def _rows(lines: Iterator[tuple[str, str]]) -> tuple[ValueRow, ...]:
    """No more than `MOST_LINES`, and a line that says so."""
    rows: list[ValueRow] = []
    for at, (name, text) in enumerate(lines):
        if at == MOST_LINES:
            rows.append(ValueRow(at, "…", f"more than {MOST_LINES:,} lines"))
            break
        rows.append(ValueRow(at, name, text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…"))
    return tuple(rows)
