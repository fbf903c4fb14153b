"""Large requests and replies, from servers that keep them beside the slow log (Valkey 8.1).

Source: https://valkey.io/commands/commandlog-get.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import hiredis

from perftui.backends.valkey.link import Command, translated
from perftui.backends.valkey.slowlog import command_text, named, others
from perftui.model.commandlog import KINDS, PANEL, LargeCommand, LargeFacts
from perftui.model.errors import Unsupported

NONE: Final = "large requests and replies are not kept here: COMMANDLOG came with Valkey 8.1"
SETTINGS: Final = (
    ("CONFIG", "GET", "commandlog-request-larger-than"),
    ("CONFIG", "GET", "commandlog-reply-larger-than"),
)
"""Asked for now and then; where there is no such log the answers are empty."""


class LargeLog:
    """What the next look asks for, and what the last one told; `count` entries of each log.

    A server without such logs is asked again with `anew` only: it may be another one by then.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._why = ""
        self.facts = LargeFacts()

    def asked(self, *, anew: bool) -> list[Command]:
        """COMMANDLOG GET of both kinds, with `anew` from how many bytes on an entry is kept."""
        if self._why and not anew:
            return []
        logs = (("COMMANDLOG", "GET", self._count, kind) for kind in KINDS)
        return [*logs, *SETTINGS] if anew else [*logs]

    def take(self, replies: Sequence[Any], where: str, limits: list[tuple[str, str]]) -> LargeFacts:
        """What the replies to `asked` tell; where nothing was asked, what is known."""
        if replies:
            error = next((one for one in replies[:2] if isinstance(one, hiredis.ReplyError)), None)
            self._why = "" if error is None else self._reason(error, where)
            entries = () if self._why else tuple(_newest(replies[:2]))
            request, reply = self.facts.request_bytes, self.facts.reply_bytes
            if len(replies) > len(KINDS):
                request, reply = map(_threshold, replies[2:])
            self.facts = LargeFacts(entries, request, reply)
        if self._why:
            limits.append((PANEL, self._why))
        return self.facts

    @staticmethod
    def _reason(error: hiredis.ReplyError, where: str) -> str:
        said = translated(error, "COMMANDLOG GET", where)
        return f"{where}: {NONE}" if isinstance(said, Unsupported) else str(said)


def _newest(replies: Sequence[Any]) -> list[LargeCommand]:
    entries = [_entry(kind, row) for kind, reply in zip(KINDS, replies, strict=True) for row in others(reply)]
    return sorted(entries, key=lambda entry: -entry.at)


def _entry(kind: str, row: Sequence[Any]) -> LargeCommand:
    return LargeCommand(int(row[0]), float(row[1]), kind, int(row[2]), command_text(row[3]), named(row))


def _threshold(reply: Any) -> int | None:
    """Bytes as CONFIG GET has them; None where nothing is kept, or that is not told."""
    if isinstance(reply, list) and len(reply) == 2 and bytes(reply[1]).isdigit():
        return int(reply[1])
    return None
