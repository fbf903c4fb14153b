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
    Command(
        "overview.sources",
        "w",
        "Evidence",
        "Say where each figure of the endpoint under the cursor comes from: its evidence.",
        scope="overview.api",
    ),
    Command(
        "overview.figure-source",
        "w",
        "Evidence",
        "Say where the figure under the cursor is read, how, and how old it is.",
        scope="overview.business",
    ),
    Command(
        "overview.window",
        "z",
        "Window",
        "Next longer span of time, from five minutes to thirty days, then from the start.",
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
