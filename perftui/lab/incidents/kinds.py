"""What every incident has in common."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from perftui.lab.whole import Lab


class Incident(abc.ABC):
    """One kind of trouble: `what` in a line, `look` where it shows (a tab's name)."""

    name: ClassVar[str]
    what: ClassVar[str]
    look: ClassVar[str]

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @abc.abstractmethod
    async def start(self) -> None:
        """Cause it."""

    @abc.abstractmethod
    async def stop(self) -> None:
        """Undo it; called also when `start` failed half-way, and when its server has died meanwhile.

        Raises:
            LabError: it could not be undone.
        """
