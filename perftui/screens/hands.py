"""What keys lead to, imported with the first key that does: none of it is needed to paint."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from perftui.app import PerftuiApp
    from perftui.screens.copying import Takeaway
    from perftui.screens.deeds import Deeds
    from perftui.screens.switches import Switches
    from perftui.screens.travel import Travel
    from perftui.screens.verbs import ShellVerbs


class Hands:
    """The parts of the application that do what keys ask for."""

    @cached_property
    def deeds(self) -> Deeds:
        """Actions and questions, from plan to toast."""
        from perftui.screens.deeds import Deeds

        return Deeds(cast("PerftuiApp", self))

    @cached_property
    def takeaway(self) -> Takeaway:
        """What is copied and exported."""
        from perftui.screens.copying import Takeaway

        return Takeaway(cast("PerftuiApp", self))

    @cached_property
    def switches(self) -> Switches:
        """Themes, environments and the like."""
        from perftui.screens.switches import Switches

        return Switches(cast("PerftuiApp", self))

    @cached_property
    def travel(self) -> Travel:
        """Going to another instant."""
        from perftui.screens.travel import Travel

        return Travel(cast("PerftuiApp", self))

    @cached_property
    def verbs(self) -> ShellVerbs:
        """Global commands and words of the palette."""
        from perftui.screens.verbs import ShellVerbs

        return ShellVerbs(cast("PerftuiApp", self))
