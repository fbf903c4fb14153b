"""`perftui cache value` and `cache expire`: what one key holds, page by page, and when it ends."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.model.errors import Lost
from perftui.model.keyvalue import TOPIC, ValuePage

if TYPE_CHECKING:
    from perftui.analysis.valuetext import ValueText
    from perftui.session import Session

VERBS = ("value", "expire")


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser], source: Callable[..., None]) -> None:
    """Declare both verbs; `source` adds the options of the backend."""
    value = verbs.add_parser("value", help="what a key holds, decoded, a page at a time")
    value.add_argument("key", metavar="KEY", help="its whole name")
    value.add_argument(
        "--at", metavar="PLACE", default="", help="where the page begins, as the page before said"
    )
    source(value)
    expire = verbs.add_parser("expire", help="set when a key ends")
    expire.add_argument("key", metavar="KEY", help="its whole name")
    expire.add_argument("ttl", metavar="DURATION", help="such as 5m from now, or never")
    source(expire, change=True)


async def run(session: Session, source: str, args: argparse.Namespace) -> int:
    """Print a page, or set when the key ends."""
    key = os.fsencode(args.key)
    if args.verb == "expire":
        action = session.action("cache.set-key-ttl", source, key=key, ttl=args.ttl)
        return await common.perform(session, action, args)
    frame = await session.probe(TOPIC, source, "KeyEditor", lambda power: power.value_page(key, args.at))
    if frame.error:
        raise Lost(frame.error)
    page: ValuePage = frame.report
    return show(page, args)


def show(page: ValuePage, args: argparse.Namespace) -> int:
    """Facts on standard error, the value's lines on standard output; 1 where there is no such key."""
    from perftui.analysis.valuetext import told
    from perftui.draw.valuefacts import facts

    if page.kind == "none":
        common.narrate("there is no such key")
        return common.NO
    text = told(page)
    if args.json:
        common.say(_row(page, text), args.json)
        return common.DONE
    for name, fact in facts(page, text):
        common.narrate(f"{name}: {fact}")
    common.narrate(f"shown as {text.form}")
    common.print_lines(_lines(page, text))
    if page.following:
        common.narrate(f"more with --at {page.following}")
    return common.DONE


def _lines(page: ValuePage, text: ValueText) -> Iterator[str]:
    named = page.kind != "string" or text.form == "bytes"
    return (f"{row.name}  {row.text}" if named else row.text for row in text.rows)


def _row(page: ValuePage, text: ValueText) -> dict[str, Any]:
    entry = text.entry
    return {
        "key": page.key.decode("utf-8", "backslashreplace"),
        "type": page.kind,
        "encoding": page.encoding,
        "ttl_s": page.ttl_s,
        "bytes": page.bytes_,
        "size": page.size,
        "at": page.place,
        "next": page.following or None,
        "form": text.form,
        "why": text.why or None,
        "entry": None
        if entry is None
        else {
            "removed": entry.removed,
            "past_end_s": text.ended if text.ended not in {None, float("-inf")} else None,
            "ttl_s": entry.ttl if entry.ttl != float("inf") else None,
            "load_s": entry.load_s,
            "codec": entry.codec,
            "dictionary": entry.dictionary,
            "size": entry.size,
            "tags": [name for name, _, _ in entry.tags],
            "etag": entry.etag,
        },
        "rows": [[row.name, row.text] for row in text.rows],
    }
