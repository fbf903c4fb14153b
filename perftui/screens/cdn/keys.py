"""Keys of the CDN screen."""

from perftui.model.risk import Risk
from perftui.screens.commands import Command

KEYS: tuple[Command, ...] = (
    Command(
        "cdn.purge",
        "p",
        "Purge",
        "Purge the selected URL, or the one you type, and prove it by the MISS that follows.",
        scope="cdn",
        action="cdn.purge",
        power="Purger",
        risk=Risk.CHANGES,
    ),
    Command(
        "cdn.purge-tag",
        "P",
        "Purge tag",
        "Purge every object that carries a tag.",
        scope="cdn",
        action="cdn.purge",
        power="Purger",
        risk=Risk.CHANGES,
    ),
    Command(
        "cdn.look",
        "w",
        "Look",
        "GET the selected URL as a visitor would and show how the edge answered.",
        scope="cdn",
        power="EdgeVerifier",
    ),
    Command(
        "cdn.refresh",
        "r",
        "Read the log",
        "Read the edge's recent log again.",
        scope="cdn.content",
        power="EdgeContent",
    ),
)
