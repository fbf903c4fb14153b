"""The two protocols everything live is made of: a Backend that reads and an Engine that concludes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from perftui.model.finding import Finding, Offer
from perftui.model.frame import SeriesReader
from perftui.model.reading import Look, Reading


class Backend(Protocol):
    """A live system. Constructed as `Class(name, options)`; opening and reading may fail.

    `Options` is a frozen dataclass; each field has `metadata={"help": …}` and, for secrets,
    `"secret": True`; it is the only declaration of the configuration's keys. `open` connects,
    `read` returns one look; both raise only errors of `perftui.model.errors` and are safe to cancel.
    `close` never raises and may be called twice. `period`, `idle_period` and `deadline` are seconds.
    Powers (`perftui.model.ports`) are further methods of the same object. A class may list in
    `libraries` the modules its `open` will import: they are imported before, where nobody waits.
    """

    kind: ClassVar[str]
    layer: ClassVar[str]
    Options: ClassVar[type]
    period: ClassVar[float]
    idle_period: ClassVar[float]
    deadline: ClassVar[float]
    name: str

    async def open(self) -> None:
        """Connect; raise Lost, Refused, Unsupported or Protocol."""
        ...

    async def read(self) -> Reading:
        """Take one look."""
        ...

    async def close(self) -> None:
        """Let go of every socket and child."""
        ...


class Engine(Protocol):
    """A pure reader of looks: no clock, no I/O, no sleeping; it may remember what it saw last.

    `stem` names its topic, `kinds` the backend kinds it listens to.
    """

    stem: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]

    def observe(self, now: float, looks: Mapping[str, Look], history: SeriesReader) -> Any:
        """One report from the newest looks, keyed by backend name; a frozen dataclass."""
        ...

    def findings(self, report: Any) -> Sequence[Finding]:
        """Conclusions of a report, each with evidence."""
        ...

    def actions(self, report: Any) -> Sequence[Offer]:
        """Offers, not deeds: what could be done about this report."""
        ...
