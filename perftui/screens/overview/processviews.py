"""The process table as a tree, or summed by user, language or unit; pure."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

from perftui.model.resources import ProcessRow
from perftui.screens.processes import short

GROUPS = ("", "unit", "user", "language")
"""What `b` goes through; the first is none."""


def tree(rows: Sequence[ProcessRow], *, ascii_: bool = False) -> list[ProcessRow]:
    """Parents before their children, siblings in the order given, the command indented."""
    known = {row.pid for row in rows}
    children: dict[int, list[ProcessRow]] = {}
    for row in rows:
        children.setdefault(row.parent if row.parent in known and row.parent != row.pid else 0, []).append(
            row
        )
    found: list[ProcessRow] = []
    waiting = [(row, 0) for row in reversed(children.get(0, []))]
    while waiting:  # a stack of our own: a chain of processes may be longer than Python's
        row, depth = waiting.pop()
        branch = ("`- " if ascii_ else "└─ ") if depth else ""
        found.append(replace(row, command="  " * min(depth, 20) + branch + short(row.command)))
        waiting += [(child, depth + 1) for child in reversed(children.get(row.pid, []))]
    return found


def nice_mistake(text: str) -> str:
    """What is wrong with a nice value as typed, '' when nothing."""
    number = text.strip()
    fits = number.lstrip("-").isdecimal() and len(number) <= 3 and -20 <= int(number) <= 19
    return "" if fits else "a whole number from -20 to 19"


def grouped(rows: Sequence[ProcessRow], by: str) -> list[ProcessRow]:
    """One row a group, sums of what adds up; `pid` is 0, since it is no process."""
    groups: dict[str, list[ProcessRow]] = {}
    for row in rows:
        groups.setdefault(str(getattr(row, by)) or "–", []).append(row)
    return [_sum(name, members) for name, members in groups.items()]


def _sum(name: str, members: Sequence[ProcessRow]) -> ProcessRow:
    cpu = [row.cpu for row in members if row.cpu is not None]
    users, languages = {row.user for row in members}, {row.language for row in members}
    return ProcessRow(
        pid=0,
        parent=0,
        name=name,
        command=f"{name} ({len(members)} processes)",
        user=users.pop() if len(users) == 1 else "",
        state="",
        language=languages.pop() if len(languages) == 1 else "",
        cpu=sum(cpu) if cpu else None,
        rss=sum(row.rss for row in members),
        threads=sum(row.threads for row in members),
        started=float(zlib.crc32(name.encode())),  # with pid 0 the row's identity, whoever is in it
    )
