"""Asking for a plan from any tab: the answer is shown by the analyzer."""

from __future__ import annotations

from typing import Any

from perftui.draw.clean import inert
from perftui.model.database import Explanation, Statement
from perftui.model.ports import StatementReader
from perftui.screens.database.server import shown_server
from perftui.screens.tab import Tab

TOPIC = "database.plan"
SHOWN_TEXT = 4000  # characters a look keeps of a statement
DEADLINE = 15.0


def explain_statement(tab: Tab, statement: Statement | None) -> bool:
    """Explain a statement of the statistics; True so that a key handler can return it."""
    if statement is None:
        tab.toast("no statement is selected", "warn")
    elif not statement.text:
        tab.toast("the text of this statement is hidden from this login", "warn")
    elif _elsewhere(tab, statement):
        where = f"it runs in database {inert(statement.database)}"
        tab.toast(f"{where}; connect a backend to that one to explain it", "warn")
    else:
        explain_text(tab, statement.text, query_id=statement.query_id)
    return True


def _elsewhere(tab: Tab, statement: Statement) -> bool:
    """Whether the statement belongs to another database than the one connected."""
    server = shown_server(tab.frames["database"]) if "database" in tab.frames else None
    return server is not None and server.reading.server.database != statement.database


def explain_text(tab: Tab, text: str, *, analyze: bool = False, query_id: int | None = None) -> None:
    """Plan `text` on the shown server and go to the analyzer; with `analyze` it is run there."""

    async def call(power: Any) -> Explanation:
        whole = text
        if query_id is not None and len(text) >= SHOWN_TEXT and isinstance(power, StatementReader):
            whole = await power.statement_text(query_id) or text
        answer: Explanation = await power.explain(whole, analyze=analyze)
        return answer

    tab.probe(TOPIC, tab.source_for("Explainer"), "Explainer", call, DEADLINE)
    if tab.id_ != "database.analyzer":
        tab.go("database.analyzer")
