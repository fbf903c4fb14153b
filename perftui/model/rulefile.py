"""Rule files as Prometheus has them: what a file says, before anything is evaluated."""

from __future__ import annotations

from dataclasses import dataclass, field

from perftui.model.alerts import Labels
from perftui.model.errors import ConfigError


@dataclass(frozen=True, slots=True)
class FileRule:
    """One rule of a file: an alert, or a recording (`record`). Durations in seconds, `line` from one."""

    name: str
    expr: str
    record: bool = False
    hold: float = 0.0
    keep: float = 0.0
    labels: Labels = ()
    annotations: Labels = ()
    line: int = 0

    def annotation(self, name: str) -> str:
        """An annotation's template, "" when there is none."""
        return dict(self.annotations).get(name, "")


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Rules evaluated one after the other at the same instant; `interval` 0: the default."""

    name: str
    rules: tuple[FileRule, ...] = ()
    interval: float = 0.0
    limit: int = 0
    query_offset: float = 0.0
    labels: Labels = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in a file, as Prometheus words it; `caret` draws the place in an expression."""

    line: int
    column: int
    text: str
    caret: str = ""

    def at(self, path: str) -> str:
        """`rules.yml:12:5: …`, with the expression below where one is wrong."""
        said = f"{path}:{self.line}:{self.column}: {self.text}"
        return "\n  ".join((said, *self.caret.splitlines()))


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A file read: its groups, and what a Prometheus server would do with it all the same."""

    path: str
    groups: tuple[FileGroup, ...]
    text: str = field(default="", repr=False)
    warnings: tuple[Mistake, ...] = ()

    @property
    def rules(self) -> tuple[FileRule, ...]:
        """Of all groups, in order."""
        return tuple(rule for group in self.groups for rule in group.rules)


class RuleFileError(ConfigError):
    """A rule file that cannot be used; every mistake that was found in it."""

    def __init__(self, path: str, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(mistake.at(path) for mistake in mistakes))
        self.path = path
        self.mistakes = mistakes
