"""A second tab, which shows nothing."""

from __future__ import annotations

from typing import ClassVar

from perftui.screens.tab import Tab


class OtherTab(Tab):
    """Nothing but a second tab."""

    id_: ClassVar[str] = "cache.other"
    title: ClassVar[str] = "Other"
    topics: ClassVar[tuple[str, ...]] = ("other",)
