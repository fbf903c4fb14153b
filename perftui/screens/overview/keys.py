"""Keys of the overview screen."""

from perftui.screens.commands import Command

KEYS: tuple[Command, ...] = (
    Command(
        "overview.sources",
        "w",
        "Evidence",
        "Say where each figure of the endpoint under the cursor comes from: its evidence.",
        scope="overview.api",
    ),
    Command(
        "overview.window",
        "z",
        "Window",
        "Next longer span of time, from five minutes to a day, then from the start.",
        scope="overview.timeline",
    ),
    Command(
        "overview.shorter",
        "+",
        "Zoom in",
        "Shorten the span of time shown.",
        scope="overview.timeline",
        footer=False,
    ),
    Command(
        "overview.longer",
        "-",
        "Zoom out",
        "Lengthen the span of time shown.",
        scope="overview.timeline",
        footer=False,
    ),
    Command(
        "overview.note",
        "m",
        "Note",
        "Put a note on the timeline, for whoever looks at it later.",
        scope="overview.timeline",
    ),
)
