"""Figures in sentences of evidence, the same way in every rule."""

from __future__ import annotations

from perftui.analysis.sqlshape import line, redacted
from perftui.model.database import Session


def seconds(value: float) -> str:
    """`850 ms`, `4.2 s`, `12 min`, `3.5 h`."""
    if value < 1:
        return f"{value * 1000:.3g} ms"
    if value < 120:
        return f"{value:.3g} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def size(value: float) -> str:
    """`512 B`, `3.2 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} TiB"


def statement(sql: str, limit: int = 120) -> str:
    """The statement on one line, without its values."""
    return line(redacted(sql), limit) or "(text not visible to this login)"


def who(session: Session) -> str:
    """`pid 4711 shop@orders from api`."""
    app = f" from {session.app}" if session.app else ""
    return f"pid {session.pid} {session.user or '?'}@{session.database or '?'}{app}"
