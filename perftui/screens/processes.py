"""The processes of a host in a table: asked for while somebody looks, the same columns wherever shown."""

from __future__ import annotations

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.table import Column
from perftui.model.resources import ProcessList, ProcessRow
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable

TOPIC = "resources.processes"
OLD = 2.0  # seconds after which the list is asked for again
LISTED = 1000
BUSY, BUSIEST = 0.5, 0.9
NEAR = 0.8  # share of its limit from which a process's descriptors are worth a look


def listed(tab: Tab) -> ProcessList | None:
    """The newest list that the tab drew."""
    frame = tab.frames.get(TOPIC)
    return frame.report if frame and isinstance(frame.report, ProcessList) else None


def refresh(tab: Tab, now: float, host: str = "", by: str | None = None) -> None:
    """Ask for the processes of `host` (or the first) when the list is old; they come as a frame of TOPIC.

    `by` is the column that ranks them.
    """
    host = host or next(iter(tab.session.sources("ProcessReader")), "")
    opened = tab.session.frame("resources").report is not None
    known = listed(tab)
    if host and opened and (known is None or now - known.at >= OLD):
        tab.probe(TOPIC, host, "ProcessReader", lambda power: power.processes(LISTED, by or ""))


def hide(table: LiveTable, found: ProcessList, before: set[str]) -> set[str]:
    """Hide the columns that this host tells of no process, and show again those hidden `before` for that."""
    absent = {name for name, _ in found.missing}
    table.view.hidden = (table.view.hidden - before) | absent
    return absent


def row_key(row: ProcessRow) -> tuple[int, float]:
    """A PID is used again; with its start it is one process."""
    return row.pid, row.started


def columns() -> list[Column]:
    """What is told of a process, the dispensable last."""
    return [
        Column("pid", "PID", width=8, align="right", help="process id"),
        Column("cpu", "CPU", cpu_text, width=7, align="right", help="share of one core since the last look"),
        Column("rss", "Memory", size_text, width=9, align="right", help="resident memory"),
        Column("language", "Runs", _dash, width=7, help="what it is written in, as far as it can be told"),
        Column("user", "User", _dash, width=9, priority=3),
        Column("threads", "Thr", count_text, width=4, align="right", priority=5, help="threads"),
        Column(
            "fds",
            "Fds",
            width=5,
            align="right",
            priority=5,
            help="open descriptors of the first 30; of 200 sorted by it",
        ),
        Column(
            "fd_ratio",
            "Fds of limit",
            share_text,
            value=fd_ratio,
            width=12,
            align="right",
            priority=6,
            help="share of the descriptors it may open; near it nothing more is opened or accepted",
            hidden=True,
        ),
        Column(
            "read_per_s",
            "Read/s",
            io_text,
            width=9,
            align="right",
            priority=6,
            help="bytes from storage, as Fds",
        ),
        Column(
            "write_per_s",
            "Write/s",
            io_text,
            width=9,
            align="right",
            priority=6,
            help="bytes to storage, as Fds",
        ),
        Column("state", "St", width=2, priority=6, help="R runs, S sleeps, D waits for a disk, Z has ended"),
        Column("nice", "Ni", width=3, align="right", priority=6, help="nice: -20 goes first, 19 last"),
        Column("started", "Started", fmt.stamp, width=19, priority=7),
        Column("command", "Command", short, width=24, grow=True),
    ]


def short(command: str, limit: int = 500) -> str:
    """A command line without the folders of its program, inert."""
    program, blank, rest = command.partition(" ")
    return inert(program.rpartition("/")[2] + blank + rest, limit)


def size_text(value: int) -> str:
    """Bytes, a dash where they may not be seen: a process has more than none."""
    return fmt.bytes_(value) if value else "–"


def count_text(value: int) -> str:
    """A number that is at least one, else not known."""
    return str(value) if value else "–"


def fd_ratio(row: ProcessRow) -> float | None:
    """Open descriptors of those a process may have; None where either is not known."""
    return row.fds / row.fd_limit if row.fds is not None and row.fd_limit else None


def share_text(value: float | None) -> tuple[str, str]:
    """A share of a limit with how loud it should be."""
    use = value or 0.0
    return fmt.ratio(value), "crit" if use >= BUSIEST else "warn" if use >= NEAR else ""


def io_text(value: float | None) -> str:
    """Bytes a second, a dash where they are not known."""
    return "–" if value is None else fmt.rate(value, "bytes")


def cpu_text(value: float | None) -> tuple[str, str]:
    """CPU use with how loud it should be."""
    use = value or 0.0
    return fmt.ratio(value), "crit" if use >= BUSIEST else "warn" if use >= BUSY else ""


def _dash(text: str) -> str:
    return inert(text, 40) or "–"
