"""What is typed to purge: a pattern, and before it the file that values are saved in, or a pace."""

from __future__ import annotations

import math
from typing import Any, Final

from perftui.screens.tab import Tab

WORD: Final = "--quarantine"
RATE: Final = "--rate"
WANTED: Final = "a pattern, such as product:*"


def read(text: str) -> tuple[str, dict[str, Any]]:
    """`[--rate N] [--quarantine FILE] PATTERN`, as an action's id and what it takes."""
    action, rest = "cache.purge", text.strip()
    how: dict[str, Any] = {}
    while True:
        word, _, more = rest.partition(" ")
        if word not in {WORD, RATE}:
            return action, how | {"pattern": rest}
        value, _, rest = (part.strip() for part in more.strip().partition(" "))
        if word == WORD:
            action = "cache.purge-file"
        how["file" if word == WORD else "rate"] = value


def check(text: str) -> str:
    """Why that cannot be planned; nothing when it can."""
    action, how = read(text)
    if not _number(how.get("rate", "1")):
        return f"{RATE} takes keys a second, 1 or more"
    if how["pattern"]:
        return ""
    return WANTED if action == "cache.purge" else f"{WORD} FILE, then {WANTED}"


def _number(text: str) -> bool:
    try:
        return 1 <= float(text) < math.inf
    except ValueError:
        return False


def purge(tab: Tab, source: str, text: str) -> None:
    """Plan what was typed."""
    action, how = read(text)
    if "rate" in how:
        how["rate"] = float(how["rate"])
    if "file" in how:
        how["cap"] = tab.session.setting("cache.quarantine_bytes")
    tab.perform(action, source, **how)


def ask(tab: Tab, source: str, pattern: str = "") -> None:
    """Ask what is to be purged, then plan it."""
    tab.ask(
        f"Purge keys of {source}",
        "pattern, such as product:* (the plan comes first);"
        f" {WORD} FILE before it saves the values in that new file, {RATE} N takes N keys a second at most",
        lambda text: purge(tab, source, text),
        value=pattern,
        check=check,
    )
