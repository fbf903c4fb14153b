"""Keys of the profiling screen."""

from perftui.screens.commands import Command

KEYS: tuple[Command, ...] = (
    Command(
        "profile.cpu",
        "R",
        "Record",
        "Sample the target with py-spy for some seconds; while it records, end it and keep what there is.",
        scope="profiling",
        action="profile.cpu",
        power="StackSampler",
    ),
    Command(
        "profiling.target",
        "p",
        "Target",
        "Pick a Python process of this host and record it.",
        scope="profiling",
        power="ProcessReader",
    ),
    Command(
        "profiling.profiles",
        "P",
        "Profiles",
        "Pick one of the profiles kept on disk and show it.",
        scope="profiling",
        power="ProfileShelf",
    ),
    Command(
        "profiling.view",
        "v",
        "View",
        "All processes, or those that can be profiled; flame graph by name, heaviest left, functions.",
        scope="profiling",
    ),
    Command(
        "profiling.threshold",
        "t",
        "Threshold",
        "Hide what weighs less than this share of the whole; widths stay true.",
        scope="profiling.cpu",
    ),
    Command(
        "profiling.hot",
        "H",
        "Hot path",
        "Follow the heaviest child while it holds half of its parent.",
        scope="profiling.cpu",
    ),
    Command(
        "profiling.whole", "0", "Whole", "Zoom out to the whole profile.", scope="profiling.cpu", footer=False
    ),
    Command(
        "profiling.flip",
        "i",
        "Flip",
        "Put the root at the top or at the bottom.",
        scope="profiling.cpu",
        footer=False,
    ),
    Command(
        "profiling.heavier",
        "{",
        "Heavier",
        "Go to the next heavier child of the same parent.",
        scope="profiling.cpu",
        footer=False,
    ),
    Command(
        "profiling.lighter",
        "}",
        "Lighter",
        "Go to the next lighter child of the same parent.",
        scope="profiling.cpu",
        footer=False,
    ),
)
