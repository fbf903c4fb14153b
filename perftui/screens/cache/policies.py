"""Policy rehearsal on the Memory tab: a table of policies and sizes from a trace recorded for it."""

from __future__ import annotations

from typing import Any

from perftui.analysis.policies import OPTIMUM, POLICIES
from perftui.config import paths
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.table import Cell, Column
from perftui.model import policytable
from perftui.model.action import Receipt
from perftui.model.frame import Frame
from perftui.model.policytable import PolicyRow, PolicyTable
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable

TOPIC = policytable.TOPIC
EMPTY = "none yet: T records what is read for half a minute (its cost first) and replays it"


def begin(tab: Tab, source: str) -> None:
    """Plan, ask, record in the background, replay; the table arrives as a frame of TOPIC."""
    if source not in tab.session.sources("CommandSampler"):
        tab.toast("only a single server's command stream can be recorded")
        return
    folder = paths.private_dir(paths.state_dir()) / "traces"

    def done(receipt: Receipt) -> None:
        async def given(_power: Any) -> Any:
            return receipt.facts["table"]

        tab.probe(TOPIC, source, "CommandSampler", given)

    tab.perform("cache.policies", source, done, folder=str(folder))


def show(table: LiveTable, frame: Frame, source: str) -> None:
    """The newest rehearsal of this server."""
    told = frame.report if isinstance(frame.report, PolicyTable) else None
    if told is not None and told.source != source:
        told = None
    table.empty = EMPTY
    table.set_items(told.rows if told is not None else ())
    if told is not None:
        reads = f"{fmt.many(told.accesses, 'read')} of {fmt.many(told.keys, 'key')}"
        table.note = f"{inert(reads)} · {fmt.bytes_(told.mean_bytes)} each"


def row_key(row: PolicyRow) -> int:
    """What tells two apart."""
    return row.entries


def columns() -> list[Column]:
    """A column a policy, the best but the optimum lit in each row."""

    def hit(policy: str) -> Column:
        def value(row: PolicyRow) -> tuple[float, bool] | None:
            ratio = row.of(policy)
            best = max((ratio for name, ratio in row.hits if name != OPTIMUM), default=0.0)
            return None if ratio is None else (ratio, policy != OPTIMUM and ratio == best)

        def form(told: tuple[float, bool] | None) -> Cell:
            if told is None:
                return "–", "muted"
            return fmt.ratio(told[0]), "ok" if told[1] else ""

        return Column(policy, policy, form, value=value, width=7, align="right")

    return [
        Column("share", "Of keys", fmt.ratio, width=7, align="right"),
        Column("entries", "Entries", fmt.count, width=10, align="right", grow=True),
        *(hit(name) for name in (*POLICIES, OPTIMUM)),
    ]
