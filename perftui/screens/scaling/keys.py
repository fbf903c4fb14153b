"""Keys of the scaling screen."""

from perftui.model.risk import Risk
from perftui.screens.commands import Command

KEYS: tuple[Command, ...] = (
    Command(
        "scaling.set",
        "=",
        "Scale to",
        "Set how many instances the selected workload should have; surplus ones are drained first.",
        scope="scaling",
        action="scaling.set",
        power="Scalable",
        risk=Risk.CHANGES,
    ),
    Command(
        "scaling.why",
        "w",
        "Why",
        "Show the newest events of the selected workload with their reasons.",
        scope="scaling.overview",
    ),
)
