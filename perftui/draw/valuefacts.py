"""What is to be said of a key beside its value: type, life, size, and the header of a library's entry."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from perftui.analysis.valuetext import ValueText, codec_name
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.envelope import Envelope, Kind

if TYPE_CHECKING:
    from perftui.model.keyvalue import ValuePage

TAGS = 20  # that are named


def facts(page: ValuePage, text: ValueText) -> Iterator[tuple[str, str]]:
    """(name, words) of each, inert."""
    encoding = f" ({inert(page.encoding, 24)})" if page.encoding else ""
    size = fmt.bytes_(page.size) if page.kind == "string" else fmt.many(page.size, "element")
    memory = f", {fmt.bytes_(page.bytes_)} of memory" if page.bytes_ is not None else ""
    yield "type", f"{inert(page.kind, 24)}{encoding}, {size}{memory}"
    yield "TTL", "never ends" if page.ttl_s is None else fmt.duration(page.ttl_s)
    if text.why:
        yield "but", inert(text.why, 120)
    if page.dropped:
        yield "left out", f"{fmt.many(page.dropped, 'element')} that found no room on this page"
    if text.entry is not None:
        yield from _entry(text.entry, text.ended)


def _entry(entry: Envelope, ended: float | None) -> Iterator[tuple[str, str]]:
    if entry.removed:
        what = "expired" if entry.kind == Kind.EXPIRED else "removed"
        yield "entry", f"{what}: it forbids older values for a minute"
        return
    loaded = f", loaded in {fmt.duration(entry.load_s)}" if entry.load_s else ""
    yield "entry", f"{_life(entry, ended)}, TTL {fmt.life(entry.ttl)}{loaded}"
    packed = f"{codec_name(entry.codec)}, {fmt.bytes_(len(entry.payload))} for {fmt.bytes_(entry.size)}"
    yield "packed", packed + (f", dictionary {entry.dictionary}" if entry.dictionary else "")
    tags = [inert(name, 40) for name, _, _ in entry.tags if name != "*"]
    if tags:
        more = f" and {len(tags) - TAGS} more" if len(tags) > TAGS else ""
        yield "tags", ", ".join(tags[:TAGS]) + more
    if entry.etag:
        yield "etag", inert(entry.etag, 80)


def _life(entry: Envelope, ended: float | None) -> str:
    if ended is None or ended == -math.inf:
        return "never stale"
    if ended < 0:
        return f"fresh for {fmt.duration(-ended)}"
    kept = f", kept for {fmt.duration(entry.kept - ended)}" if entry.kept > ended else ""
    return f"stale for {fmt.duration(ended)}{kept}"
