"""Who did what to which system, with what outcome: written before it happens, and never rewritten."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from perftui.model.action import Outcome
from perftui.model.auditlog import AuditEntry, AuditReport
from perftui.model.errors import StoreError
from perftui.runtime import chain
from perftui.runtime.chain import Verdict

MASK = "•••"
LONGEST_TEXT = 2000
MOST_ITEMS = 50
MOST_PARAMS = 16 << 10  # bytes of all parameters of one line
LOOK_BACK = 5000  # lines searched for unfinished runs
OTHER_HOST = 86400.0

_SECRET = re.compile(
    r"pass(wd|word|phrase)?$|secret|token|api_?key|private_?key|credential|authorization|cookie|dsn$",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?<=://)([^/@\s:]*):([^/@\s]+)@")


def masked(value: Any, name: str = "") -> Any:
    """`value` for the log: secrets by name and passwords in URLs replaced, long text and lists cut."""
    if name and _SECRET.search(name) and value not in (None, ""):
        return MASK
    if isinstance(value, Mapping):
        return {str(k): masked(v, str(k)) for k, v in list(value.items())[:MOST_ITEMS]}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(item) for item in list(value)[:MOST_ITEMS]]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = _USERINFO.sub(rf"\1:{MASK}@", str(value))
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def _params(params: Mapping[str, Any]) -> dict[str, Any]:
    safe: dict[str, Any] = masked(params)
    size = len(chain.canonical(safe))
    return safe if size <= MOST_PARAMS else {"cut": f"{size} bytes of parameters are too long for this log"}


@cache
def who() -> tuple[str, str, str]:
    """Login (with the one behind sudo), SSH client address ("" locally) and host name."""
    import getpass

    try:
        login = getpass.getuser()
    except (KeyError, OSError):
        login = str(os.getuid())
    behind = os.environ.get("SUDO_USER", "")
    if behind and behind != login:
        login = f"{behind} as {login}"
    origin = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
    return login, origin, socket.gethostname()


class Audit:
    """The append-only, hash-chained log of one installation; every method may block on the disk.

    All raise StoreError with a sentence ("cannot write …: No space left on device").
    """

    def __init__(self, path: Path, max_bytes: int = 8 << 20) -> None:
        self.path = path
        self._chain = chain.Chain(path, max_bytes)

    def write(self, entry: AuditEntry) -> AuditEntry:
        """Append `entry` and fsync; user, origin, host and pid are filled in when empty."""
        user, origin, host = who()
        line = {
            "at": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="microseconds"),
            "run": entry.run,
            "user": entry.user or user,
            "origin": entry.origin or origin,
            "env": entry.env,
            "action": entry.action,
            "target": masked(entry.target),
            "outcome": entry.outcome.value,
            "params": _params(entry.params),
            "plan": masked(entry.plan),
            "detail": masked(entry.detail),
            "duration": round(entry.duration, 6),
            "host": entry.host or host,
            "pid": entry.pid or os.getpid(),
        }
        return _entry(self._chain.append(line))

    def problem(self) -> str:
        """Why the log cannot be written now, or ""."""
        return self._chain.probe()

    def verify(self) -> Verdict:
        """Whether the whole chain holds, else where it breaks first."""
        return chain.verify(self.path)

    def report(self, limit: int = 1000) -> AuditReport:
        """The newest lines, without walking the chain."""
        return AuditReport(self.entries(limit), str(self.path), "not walked: these are the lines of then")

    def entries(self, limit: int = 1000, since: float = 0.0, text: str = "") -> tuple[AuditEntry, ...]:
        """The newest lines, newest first: at or after `since` and matching `text`."""
        found: list[AuditEntry] = []
        for entry in self._backwards():
            if entry.at < since or len(found) >= limit:
                break
            if entry.matches(text):
                found.append(entry)
        return tuple(found)

    def unfinished(self, running: Collection[str] = ()) -> tuple[AuditEntry, ...]:
        """Runs that were STARTED and never ended, whose process is gone; `running` are our own."""
        ended = set(running)
        left = []
        for entry in islice(self._backwards(), LOOK_BACK):
            if entry.outcome is not Outcome.STARTED:
                ended.add(entry.run)
            elif entry.run not in ended and not _alive(entry):
                left.append(entry)
        return tuple(left)

    def _backwards(self) -> Iterator[AuditEntry]:
        try:
            for path in reversed(chain.parts(self.path)):
                for text in reversed(path.read_bytes().splitlines()):
                    line = chain.parsed(text)
                    if line is not None:
                        yield _entry(line)
        except OSError as error:
            raise StoreError(f"cannot read {self.path}: {error.strerror or error}") from error


def _alive(entry: AuditEntry) -> bool:
    if entry.host != who()[2]:
        return time.time() - entry.at < OTHER_HOST  # nobody can ask that host; no action runs for a day
    if entry.pid == os.getpid():
        return False  # ours are named by `running`: this one had our number before us
    try:
        os.kill(entry.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _entry(line: dict[str, Any]) -> AuditEntry:
    """What a line says; a field that was tampered into nonsense reads as empty, verify tells."""

    def text(name: str) -> str:
        return str(line.get(name, ""))

    try:
        outcome = Outcome(text("outcome"))
        at = datetime.fromisoformat(text("at")).timestamp()
        duration, pid = float(line.get("duration", 0)), int(line.get("pid", 0))
    except (ValueError, TypeError):
        outcome, at, duration, pid = Outcome.FAILED, 0.0, 0.0, 0
    params = line.get("params")
    return AuditEntry(
        at=at,
        run=text("run"),
        user=text("user"),
        origin=text("origin"),
        env=text("env"),
        action=text("action"),
        target=text("target"),
        outcome=outcome,
        params=params if isinstance(params, dict) else {},
        plan=text("plan"),
        detail=text("detail"),
        duration=duration,
        host=text("host"),
        pid=pid,
        seq=line["seq"],
    )
