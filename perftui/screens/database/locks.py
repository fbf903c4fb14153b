"""Who is doing what, who waits for whom, and the keys that end it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.table import Cell, Column
from perftui.model.database import LockEdge, ServerReport, Session, WaitNode
from perftui.model.frame import Frame
from perftui.screens.database.columns import session_columns, sql, state_cell
from perftui.screens.database.explain import explain_text
from perftui.screens.database.server import shown_server
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable


@dataclass(frozen=True, slots=True)
class Waiter:
    """A row of the wait-for tree."""

    node: WaitNode
    session: Session | None
    wants: str
    waited: float | None

    @property
    def pid(self) -> int:
        """Its process."""
        return self.node.pid


class LocksTab(Tab):
    """The wait-for tree, when anybody waits, and all sessions."""

    DEFAULT_CSS = """
    LocksTab #tree { height: 8; }
    LocksTab #sessions { height: 1fr; }
    """
    id_: ClassVar[str] = "database.locks"
    title: ClassVar[str] = "Locks"
    topics: ClassVar[tuple[str, ...]] = ("database",)
    empty: ClassVar[str] = (
        "would show sessions, what they wait for and who blocks them\n"
        'connect one: [env.NAME.backends.db] kind = "postgres", dsn = "postgresql://user@host/database"'
    )
    verbs: ClassVar[Mapping[str, str]] = {
        "cancel": "PID  cancel the statement of a session",
        "terminate": "PID  end a session",
    }

    def compose(self) -> Iterable[Widget]:
        """Sessions take the keys; the tree comes first on screen."""
        yield LiveTable(
            wait_columns(), key=lambda w: w.pid, title="Waiting", empty="nobody waits for a lock", id="tree"
        )
        yield LiveTable(
            session_columns(),
            key=lambda s: (s.pid, s.started),
            title="Sessions",
            empty="no sessions",
            id="sessions",
        )

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest report; the tree takes room only when there is one."""
        frame = frames["database"]
        server = shown_server(frame)
        if server is None:
            return
        tree = self.query_one("#tree", LiveTable)
        waiting = server.waiting
        roots = sum(1 for node in waiting if node.depth == 0)
        tree.display = bool(waiting)
        tree.styles.height = min(len(waiting) + 2, max(6, self.size.height // 2))
        tree.note = f"{len(waiting) - roots} waiting behind {roots}" if waiting else ""
        tree.set_items(waiters(server))
        table = self.query_one("#sessions", LiveTable)
        table.muted = tree.muted = self.look_for(frame).muted
        table.title = f"Sessions of {server.source}"
        table.note = _note(server)
        others = [session for session in server.reading.sessions if not session.own]
        table.set_items(sorted(others, key=lambda session: session.kind != "client backend"))

    @property
    def _focused(self) -> LiveTable:
        tree = self.query_one("#tree", LiveTable)
        return tree if tree.display and tree.has_focus else self.query_one("#sessions", LiveTable)

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The session under the cursor of the focused table."""
        server = shown_server(self.frames["database"]) if self.frames else None
        if server is None:
            return None
        item = self._focused.current
        session = item.session if isinstance(item, Waiter) else item
        if not isinstance(session, Session):
            return None
        return {
            "source": server.source,
            "pid": session.pid,
            "started": session.started,
            "query_started": session.query_started,
            "user": session.user,
            "app": session.app,
            "statement": session.query,
        }

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`x` cancels, `K` terminates, `w` and enter explain the session's statement."""
        if id == "database.cancel":
            self._stop("db.cancel", "pid", "started", "query_started")
        elif id == "database.terminate":
            self._stop("db.terminate", "pid", "started")
        elif id in {"database.explain", "open"}:
            self._explain()
        else:
            return False
        return True

    def _explain(self) -> None:
        text = str((self.selection or {}).get("statement", ""))
        if text:
            explain_text(self, text)
        else:
            self.toast("no statement is selected", "warn")

    def _stop(self, action: str, *names: str) -> None:
        chosen = self.selection
        if chosen is None:
            self.toast("no session is selected", "warn")
            return
        given = {name: chosen[name] for name in names if chosen[name] is not None}
        self.perform(action, chosen["source"], **given)

    def on_verb(self, verb: str, words: tuple[str, ...]) -> bool:
        """`:cancel PID`, `:terminate PID`."""
        if verb not in {"cancel", "terminate"} or len(words) != 1 or not words[0].isdigit():
            return False
        self.perform(f"db.{verb}", self.source_for("QueryCanceller"), pid=int(words[0]))
        return True


def _note(server: ServerReport) -> str:
    used = server.reading.connections
    cut = f" · first {len(server.reading.sessions)} of them" if server.reading.sessions_cut else ""
    busy = f"{used.active} active, {used.idle_in_transaction} in transaction"
    return f"{busy}, {used.used}/{used.maximum} connected{cut}"


def waiters(server: ServerReport) -> list[Waiter]:
    """The rows of the tree."""
    wanted = {lock.pid: lock for lock in server.reading.locks if not lock.granted}
    return [_waiter(server, node, wanted.get(node.pid)) for node in server.waiting]


def _waiter(server: ServerReport, node: WaitNode, lock: LockEdge | None) -> Waiter:
    held = [
        f"{one.mode} on {one.target}" for one in server.reading.locks if one.pid == node.pid and one.granted
    ]
    wants = f"wants {lock.mode} on {lock.target}" if lock else "holds " + ", ".join(held[:2]) if held else ""
    return Waiter(node, server.session(node.pid), wants, lock.waited if lock else None)


def wait_columns() -> list[Column]:
    """Columns of the wait-for tree."""
    return [
        Column("pid", "Pid", pid_cell, value=lambda w: w, width=16),
        Column("blocks", "Blocks", _blocks, value=lambda w: w.node.blocks, width=6, align="right"),
        Column("waited", "Waited", fmt.duration, width=8, align="right"),
        Column("state", "State", _state, value=lambda w: w.session, width=16, priority=2),
        Column("xact_age", "Xact", fmt.duration, value=_xact, width=8, align="right", priority=3),
        Column("wants", "Lock", inert, width=22, priority=2),
        Column(
            "query",
            "Statement",
            sql,
            value=lambda w: w.session.query if w.session else "",
            width=18,
            grow=True,
        ),
    ]


def pid_cell(waiter: Waiter) -> Cell:
    """The pid behind its guide; roots and circles stand out."""
    node = waiter.node
    if node.depth == 0:
        return f"{'⟳' if node.cycle else '■'} {node.pid}", "crit bold"
    return f"{'  ' * min(node.depth - 1, 3)}└ {node.pid}", ""


def _blocks(count: int) -> Cell:
    return (str(count), "crit bold") if count else ("", "")


def _state(session: Session | None) -> Cell:
    return state_cell(session) if session is not None else ("hidden", "muted")


def _xact(waiter: Waiter) -> float | None:
    return waiter.session.xact_age if waiter.session else None
