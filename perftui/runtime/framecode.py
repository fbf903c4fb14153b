"""Frames as bytes and back: JSON by the report's own annotations, packed against a key frame of its minute.

What comes back may be a stranger's: a report is only ever a frozen value of the model (or of analysis), sizes
are bounded before anything is unpacked, and whatever does not fit raises ValueError.
"""

from __future__ import annotations

import dataclasses
import json
import re
import zlib
from collections.abc import Collection
from functools import cache
from importlib import import_module
from typing import Any

from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.finding import Finding, Offer
from perftui.model.frame import Frame, SeriesReader
from perftui.model.health import Health

MOST = 2 << 20  # bytes of one frame as text
WINDOW = 32 << 10  # of the key frame's text that packing may refer to: deflate reaches no further
NOTHING = "()"  # the kind of a report that is an empty tuple
_KIND = re.compile(r"((?:analysis\.)?[a-z][a-z_]{0,40}):([A-Z][A-Za-z0-9]{0,60})\Z")
_MODEL = "perftui.model."
_ANALYSIS = "perftui.analysis."  # values of pure mathematics may be reports too


def text_of(frame: Frame) -> bytes:
    """A frame without its history as JSON; ValueError for a report that cannot be kept."""
    report = frame.report
    kind = "" if report is None else kind_of(report)
    try:
        value = {
            "topic": frame.topic,
            "at": frame.at,
            "seen": frame.seen,
            "error": frame.error,
            "health": to_jsonable(dict(frame.health)),
            "findings": to_jsonable(frame.findings),
            "offers": to_jsonable(frame.offers),
            "kind": kind,
            "report": to_jsonable(report),
        }
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"a frame of {frame.topic} cannot be kept: {error}") from error
    if len(text) > MOST:
        raise ValueError(f"a frame of {frame.topic} has {len(text):,} bytes: too many to keep")
    return text


def frame_of(text: bytes, history: SeriesReader | None = None) -> Frame:
    """The frame that `text_of` wrote; ValueError when it does not fit."""
    try:
        value = json.loads(text)
    except (RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"not a stored frame: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("not a stored frame")
    kind, report = value.get("kind"), value.get("report")
    return Frame(
        topic=_as(str, value, "topic"),
        at=_as(float, value, "at"),
        report=_report(str(kind), report) if kind else None,
        health=from_jsonable(dict[str, Health], value.get("health") or {}),
        findings=from_jsonable(tuple[Finding, ...], value.get("findings") or []),
        offers=from_jsonable(tuple[Offer, ...], value.get("offers") or []),
        history=history,
        error=_as(str, value, "error"),
        seen=_as(float, value, "seen"),
    )


def _report(kind: str, value: Any) -> Any:
    if kind == NOTHING:
        return ()
    if kind.endswith("*"):
        many: Any = tuple[type_of(kind[:-1]), ...]  # type: ignore[misc]
        return from_jsonable(many, value)
    return from_jsonable(type_of(kind), value)


def _as(kind: type[Any], value: dict[str, Any], name: str) -> Any:
    return from_jsonable(kind, value.get(name, kind()))


def kind_of(report: Any) -> str:
    """`cache:CacheReport`, of a plain tuple of them `cache:CacheReport*`; ValueError for anything else."""
    if type(report) is tuple:
        kinds = {type(item) for item in report}
        return f"{_word(kinds.pop())}*" if len(kinds) == 1 else _mixed(kinds)
    return _word(type(report))


def _mixed(kinds: Collection[type]) -> str:
    if kinds:
        raise ValueError(f"values of {len(kinds)} types in one report")
    return NOTHING


def _word(cls: type) -> str:
    place = cls.__module__.removeprefix(_MODEL)
    word = f"{place.removeprefix('perftui.') if place.startswith(_ANALYSIS) else place}:{cls.__name__}"
    if type_of(word) is not cls:
        raise ValueError(f"{cls.__module__}.{cls.__name__} is no value of the model")
    return word


@cache
def type_of(word: str) -> type:
    """The value of the model that a kind names; ValueError for anything else."""
    found = _KIND.match(word)
    if found is None:
        raise ValueError(f"no report is called {word[:80]!r}")
    place = f"perftui.{found[1]}" if found[1].startswith("analysis.") else _MODEL + found[1]
    try:
        cls: Any = getattr(import_module(place), found[2], None)
    except ImportError as error:
        raise ValueError(f"no report is called {word!r}") from error
    plain = isinstance(cls, type) and (dataclasses.is_dataclass(cls) or issubclass(cls, tuple))
    if not plain or getattr(cls, "__module__", "") != place:
        raise ValueError(f"no report is called {word!r}")
    kind: type = cls
    return kind


def pack(text: bytes, key: bytes | None = None) -> bytes:
    """Text made small; with `key` only what differs from it."""
    if key is None:
        return zlib.compress(text, 6)
    packer = zlib.compressobj(6, zdict=key[-WINDOW:])
    return packer.compress(text) + packer.flush()


def unpack(data: bytes, key: bytes | None = None) -> bytes:
    """What `pack` made small; ValueError for damaged data and for more than a frame may be."""
    unpacker = zlib.decompressobj() if key is None else zlib.decompressobj(zdict=key[-WINDOW:])
    try:
        text = unpacker.decompress(data, MOST + 1)
    except (zlib.error, TypeError) as error:
        raise ValueError(f"a stored frame is damaged: {error}") from error
    if len(text) > MOST or not unpacker.eof:
        raise ValueError("a stored frame is damaged or too large")
    return text
