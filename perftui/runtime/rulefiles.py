"""The operator's rule file: read again when it changes, the rules before kept while it is wrong."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from pathlib import Path

from perftui.analysis.promrules import Group, groups_of
from perftui.analysis.rulefile import read_rules
from perftui.analysis.yamlbounds import LARGEST
from perftui.model.alerts import Rule
from perftui.model.rulefile import Mistake, RuleFile, RuleFileError

log = logging.getLogger(__name__)

KEPT = ".previous"  # what the version before is called


class RuleShelf:
    """A rule file on disk, which need not be there; `problem` says why what is on disk is not in force."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).expanduser() if path else None
        self.groups: tuple[Group, ...] = ()
        self.problem = ""
        self._seen: tuple[int, int] | None = None

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Of all groups, in order."""
        return tuple(rule for group in self.groups for rule in group.rules)

    async def refresh(self) -> bool:
        """Read what is on disk when it is not what was read last; whether other rules are in force now."""
        mark = self._mark()
        if mark == self._seen:
            return False
        self._seen = mark
        before = self.groups
        try:
            file = await asyncio.to_thread(self._read)
            self.groups, self.problem = groups_of(file), ""
        except RuleFileError as error:
            self.problem = f"{error.mistakes[0].at(self._name)}: the rules before stay in force"
            log.warning("%s", error)
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror}: the rules before stay in force"
        return self.groups != before

    def _mark(self) -> tuple[int, int] | None:
        if self.path is None:
            return None
        try:
            found = os.stat(self.path)  # noqa: PTH116 - five times cheaper, every few seconds
        except OSError:
            return (0, 0)
        return found.st_mtime_ns, found.st_size

    @property
    def _name(self) -> str:
        return self.path.name if self.path else ""

    def _read(self) -> RuleFile:
        return read_rules(self.text(), self._name)

    # what is written

    def text(self) -> str:
        """What is on disk, "" when nothing is; RuleFileError when it is too large or no text."""
        if self.path is None or not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RuleFileError(self._name, (Mistake(1, 1, "not UTF-8"),)) from error

    def write(self, text: str) -> None:
        """Put a text in its place in one step; the version before stays beside it. OSError."""
        if self.path is None:
            raise OSError(errno.ENOENT, "no rule file is configured")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.path.exists():
            self._put(self.path.with_name(self.path.name + KEPT), self.path.read_bytes())
        self._put(self.path, text.encode())

    def previous(self) -> str:
        """The version before, "" when there is none."""
        if self.path is None:
            return ""
        kept = self.path.with_name(self.path.name + KEPT)
        return kept.read_text(encoding="utf-8") if kept.exists() else ""

    @staticmethod
    def _put(path: Path, data: bytes) -> None:
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
