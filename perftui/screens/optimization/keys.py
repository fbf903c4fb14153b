"""Keys of the optimization screen."""

from perftui.model.risk import Risk
from perftui.screens.commands import Command

KEYS: tuple[Command, ...] = (
    Command(
        "optimization.apply",
        "A",
        "Apply",
        "Do what the selected recommendation proposes: its plan is shown first.",
        scope="optimization",
        risk=Risk.CHANGES,
    ),
    Command(
        "optimization.why",
        "w",
        "Why",
        "Show the evidence, the rank's arithmetic, or a check's curve.",
        scope="optimization",
    ),
)
