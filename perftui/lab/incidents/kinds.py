"""What every incident has in common, and the catalogue of them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from perftui.lab.whole import Lab


class Incident:
    """One kind of trouble: `what` in a line, `look` where it shows (a tab's name)."""

    name: ClassVar[str]
    what: ClassVar[str]
    look: ClassVar[str]

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    async def start(self) -> None:
        """Cause it."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Undo it; called also when `start` failed half-way."""
        raise NotImplementedError


CATALOGUE: dict[str, type[Incident]] = {}
