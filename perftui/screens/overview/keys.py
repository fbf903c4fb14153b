"""Keys of the overview screen."""

from perftui.model.risk import Risk
from perftui.screens.commands import Command

SCOPE = "overview.alerts"

KEYS: tuple[Command, ...] = (
    Command(
        "overview.view",
        "v",
        "Next view",
        "Show the next view: alerts, rules, silences, history.",
        scope=SCOPE,
    ),
    Command(
        "overview.acknowledge",
        "!",
        "Acknowledge",
        "Say that you know of the alert, with a note; whoever is first stands.",
        scope=SCOPE,
        action="alerts.ack",
        power="AlertDesk",
        risk=Risk.CHANGES,
    ),
    Command(
        "overview.silence",
        "z",
        "Silence",
        "No notice of alerts that match, for an hour unless you say otherwise.",
        scope=SCOPE,
        action="alerts.silence",
        power="AlertDesk",
        risk=Risk.CHANGES,
    ),
    Command(
        "overview.unsilence",
        "x",
        "Cancel silence",
        "End the silence under the cursor of the silences' view.",
        scope=SCOPE,
        action="alerts.unsilence",
        power="AlertDesk",
        risk=Risk.CHANGES,
        footer=False,
    ),
    Command(
        "overview.threshold",
        "t",
        "Threshold",
        "Move the rule's threshold; the plan says what it would have done in the last 24 h.",
        scope=SCOPE,
        action="alerts.threshold",
        power="AlertDesk",
        risk=Risk.CHANGES,
    ),
)
