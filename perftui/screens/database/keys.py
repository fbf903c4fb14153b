"""Keys of the database screen."""

from perftui.model.risk import Risk
from perftui.screens.commands import Command

KEYS: tuple[Command, ...] = (
    Command(
        "database.explain",
        "w",
        "Explain",
        "Show how the server would run the selected statement; it is planned, not run.",
        scope="database",
        power="Explainer",
    ),
    Command(
        "database.run",
        "r",
        "Explain SQL",
        "Type or paste a statement and show its plan; it is planned, not run.",
        scope="database.analyzer",
        power="Explainer",
    ),
    Command(
        "database.analyze",
        "T",
        "Run for real",
        "Run it in a read-only transaction that is rolled back, at most 10 s, and measure each node.",
        scope="database.analyzer",
        power="Explainer",
    ),
    Command(
        "database.pane",
        "v",
        "Next pane",
        "Show the next of statement, plan and advice where there is no room for all.",
        scope="database.analyzer",
    ),
    Command(
        "database.cancel",
        "x",
        "Cancel",
        "Cancel the statement the selected session is running; the session stays.",
        scope="database.locks",
        action="db.cancel",
        power="QueryCanceller",
        risk=Risk.CHANGES,
    ),
    Command(
        "database.terminate",
        "K",
        "Terminate",
        "End the selected session; its transaction rolls back.",
        scope="database.locks",
        action="db.terminate",
        power="QueryCanceller",
        risk=Risk.DESTROYS,
    ),
)
