"""What is typed to purge: a pattern, or the file that values are to be saved in, then the pattern."""

from __future__ import annotations

from typing import Any, Final

from perftui.screens.tab import Tab

WORD: Final = "--quarantine"
WANTED: Final = "a pattern, such as product:*"


def read(text: str) -> tuple[str, dict[str, Any]]:
    """`PATTERN` or `--quarantine FILE PATTERN`, as an action's id and what it takes."""
    word, _, rest = text.strip().partition(" ")
    if word != WORD:
        return "cache.purge", {"pattern": text.strip()}
    file, _, pattern = rest.strip().partition(" ")
    return "cache.purge-file", {"file": file, "pattern": pattern.strip()}


def check(text: str) -> str:
    """Why that cannot be planned; nothing when it can."""
    action, how = read(text)
    if how["pattern"]:
        return ""
    return WANTED if action == "cache.purge" else f"{WORD} FILE, then {WANTED}"


def purge(tab: Tab, source: str, text: str) -> None:
    """Plan what was typed."""
    action, how = read(text)
    if "file" in how:
        how["cap"] = tab.session.setting("cache.quarantine_bytes")
    tab.perform(action, source, **how)


def ask(tab: Tab, source: str, pattern: str = "") -> None:
    """Ask what is to be purged, then plan it."""
    tab.ask(
        f"Purge keys of {source}",
        "pattern, such as product:* (the plan comes first);"
        f" {WORD} FILE before it saves the values in that new file",
        lambda text: purge(tab, source, text),
        value=pattern,
        check=check,
    )
