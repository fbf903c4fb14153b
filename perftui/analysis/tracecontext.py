"""W3C Trace Context: one request keeps one identity across services, whoever wrote them.

Source: the W3C Recommendation "Trace Context" (level 1) with level 2's random flag and key grammar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

SAMPLED = 0x01
RANDOM = 0x02
MEMBER_LIMIT = 32
STATE_LIMIT = 512
LONG_MEMBER = 128

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII | re.DOTALL)
_KEY = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}", re.ASCII)
_VALUE = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]", re.ASCII)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where a request stands in its trace: ids as lower-case hex, flags, and vendors' state."""

    trace_id: str
    span_id: str
    flags: int = SAMPLED
    state: tuple[tuple[str, str], ...] = ()

    @property
    def sampled(self) -> bool:
        """Whether the caller recorded it."""
        return bool(self.flags & SAMPLED)

    @property
    def traceparent(self) -> str:
        """The header's value, version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags & (SAMPLED | RANDOM):02x}"

    @property
    def tracestate(self) -> str:
        """The header's value within 512 characters; empty when there is no state."""
        return format_state(self.state)


def parse_parent(value: str) -> TraceContext | None:
    """A `traceparent` header, or None where the Recommendation says to start a new trace.

    Version 00 has exactly four fields; a higher version is read by its first four; `ff`, upper
    case and all-zero ids are refused.
    """
    match = _PARENT.fullmatch(value.strip(" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id, span_id, int(flags, 16) & (SAMPLED | RANDOM))


def parse_state(headers: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """All `tracestate` headers joined; empty when any member is malformed, doubled or one too many."""
    members: list[tuple[str, str]] = []
    for text in ",".join(headers).split(","):
        member = text.strip(" \t")
        if not member:
            continue
        key, equals, value = member.partition("=")
        if not equals or not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            return ()
        members.append((key, value))
    if len(members) > MEMBER_LIMIT or len({key for key, _ in members}) < len(members):
        return ()
    return tuple(members)


def parse(parent: str | None, states: Iterable[str] = ()) -> TraceContext | None:
    """Both headers; a bad `tracestate` never invalidates the `traceparent`."""
    context = parse_parent(parent) if parent else None
    return replace(context, state=parse_state(states)) if context else None


def start(random: Callable[[int], bytes], *, sampled: bool = True) -> TraceContext:
    """A new trace; `random(n)` gives n random bytes."""
    return TraceContext(_id(random, 16), _id(random, 8), RANDOM | (SAMPLED if sampled else 0))


def child(parent: TraceContext, random: Callable[[int], bytes]) -> TraceContext:
    """The same trace, one span further down."""
    return replace(parent, span_id=_id(random, 8))


def with_member(context: TraceContext, key: str, value: str) -> TraceContext:
    """Our own member set and moved to the front; the oldest member goes when there are too many."""
    rest = tuple(member for member in context.state if member[0] != key)
    return replace(context, state=((key, value), *rest)[:MEMBER_LIMIT])


def format_state(members: Sequence[tuple[str, str]]) -> str:
    """`tracestate` within 512 characters: whole members go, those over 128 characters first."""
    kept = [f"{key}={value}" for key, value in members]
    while len(",".join(kept)) > STATE_LIMIT:
        long = [index for index, member in enumerate(kept) if len(member) > LONG_MEMBER]
        del kept[long[-1] if long else -1]
    return ",".join(kept)


def _id(random: Callable[[int], bytes], size: int) -> str:
    while True:
        text = random(size).hex()
        if int(text, 16):
            return text
