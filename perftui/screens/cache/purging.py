"""What is typed to purge: a pattern, a namespace or its tags, the file that values are saved in, a pace."""

from __future__ import annotations

import math
from typing import Any, Final

from perftui.screens.tab import Tab

FILE: Final = "--quarantine"
RATE: Final = "--rate"
NAMESPACE: Final = "--namespace"
TAG: Final = "--tag"
OPTIONS: Final = (FILE, RATE, NAMESPACE, TAG)
WANTED: Final = "a pattern, such as product:*"


def read(text: str) -> tuple[str, dict[str, Any]]:
    """`[--rate N] [--quarantine FILE] [--namespace NS] [--tag TAG] [PATTERN]`: an action's id, what it takes.

    Options come first, in any order; a value with spaces stands in double quotes.
    """
    rest = text.strip()
    how: dict[str, Any] = {}
    while True:
        word, _, more = rest.partition(" ")
        if word not in OPTIONS:
            break
        value, rest = _value(more.strip())
        if word == TAG:
            how.setdefault("tags", []).append(value)
        else:
            how["file" if word == FILE else word[2:]] = value
    if rest or not (how.get("namespace") or "tags" in how):
        how["pattern"] = rest
    if "tags" in how:
        return "cache.purge-tag", how
    return "cache.purge-file" if "file" in how else "cache.purge", how


def _value(text: str) -> tuple[str, str]:
    """An option's value, "" where another option stands in its place, and what follows it."""
    end = text[1:].find('"') if text.startswith('"') else -1
    if end >= 0:
        return text[1 : end + 1], text[end + 2 :].strip()
    value, _, rest = text.partition(" ")
    return ("", text) if value in OPTIONS else (value, rest.strip())


def check(text: str) -> str:
    """Why that cannot be planned; nothing when it can."""
    action, how = read(text)
    if not _number(how.get("rate", "1")):
        return f"{RATE} takes keys a second, 1 or more"
    if how.get("namespace") == "":
        return f"{NAMESPACE} takes the name of a cache"
    if action == "cache.purge-tag":
        return _of_tags(how)
    if how.get("pattern", "any"):
        return ""
    return WANTED if action == "cache.purge" else f"{FILE} FILE, then {WANTED}"


def _of_tags(how: dict[str, Any]) -> str:
    """Why these tags cannot be removed."""
    if not all(how["tags"]):
        return f"{TAG} takes a tag"
    if "rate" in how or "pattern" in how:
        return f"{TAG} takes neither {RATE} nor a pattern: no key is touched"
    return ""


def _number(text: str) -> bool:
    try:
        return 1 <= float(text) < math.inf
    except ValueError:
        return False


def within(namespace: str) -> str:
    """A namespace as it is typed; nothing for one that cannot be."""
    if not namespace or not namespace.isprintable() or '"' in namespace:
        return ""
    return f'{NAMESPACE} "{namespace}"' if " " in namespace else f"{NAMESPACE} {namespace}"


def purge(tab: Tab, source: str, text: str, namespace: str = "") -> None:
    """Plan what was typed; tags without a namespace are those of `namespace`."""
    action, how = read(text)
    if action == "cache.purge-tag" and not how.setdefault("namespace", namespace):
        tab.toast(f"whose tag is it? {NAMESPACE} NS says so", "warn")
        return
    if "rate" in how:
        how["rate"] = float(how["rate"])
    if action == "cache.purge-file":
        how["cap"] = tab.session.setting("cache.quarantine_bytes")
    tab.perform(action, source, **how)


def ask(tab: Tab, source: str, text: str = "", namespace: str = "") -> None:
    """Ask what is to be purged, then plan it."""
    tab.ask(
        f"Purge keys of {source}",
        "pattern, such as product:* (the plan comes first);"
        f" {NAMESPACE} NS before it or alone: entries of that cache; {TAG} TAG: those with the tag;"
        f" {FILE} FILE saves the values in that new file, {RATE} N takes N keys a second at most",
        lambda typed: purge(tab, source, typed, namespace),
        value=text,
        check=check,
    )
