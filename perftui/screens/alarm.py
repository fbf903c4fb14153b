"""An alert that begins to want somebody is said at once, on whatever screen one is, and rings if asked to.

A critical one then keeps a row of every screen until it ends or somebody has seen to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from perftui.draw.clean import cell_width, cut, inert
from perftui.draw.format import clock, stamp
from perftui.draw.palette import glyph
from perftui.draw.rows import Look, Row, Span
from perftui.draw.text import pad
from perftui.model.alerts import Alert, AlertsReport
from perftui.model.finding import Severity

if TYPE_CHECKING:
    from perftui.app import PerftuiApp
    from perftui.session import Session

LONGEST = 200  # characters of a notice
LOUD = "crit reverse bold"
WIDE = 110  # columns from which on the banner uses whole words
DAY = 86400.0
SEVERITY = {Severity.CRITICAL: "crit", Severity.WARNING: "warn"}


async def follow(app: PerftuiApp, session: Session) -> None:
    """Tell each alert once when it opens, and put charts into the mails about them.

    Those that stood before we came are in the header already.
    """
    from perftui.export.alertpicture import illustrate  # a start needs none of it

    illustrate(session)
    known: set[tuple[str, float]] | None = None
    async for frame in session.watch("alerts"):
        if not isinstance(frame.report, AlertsReport):
            continue
        fresh = [a for a in frame.report.open if known is not None and (a.fingerprint, a.began) not in known]
        known = {(a.fingerprint, a.began) for a in frame.report.alerts if a.open or a.ack} | (known or set())
        known &= {(a.fingerprint, a.began) for a in frame.report.alerts}
        if fresh and not session.clock.past:
            tell(app, fresh)


def tell(app: PerftuiApp, fresh: list[Alert]) -> None:
    """One notice however many there are, the worst in front, and one ring."""
    worst = max(fresh, key=lambda alert: alert.severity)
    more = f", and {len(fresh) - 1} more" if len(fresh) > 1 else ""
    text = f"{worst.severity.name.lower()}: {worst.title}{more} · g a goes there"
    app.toast(text, SEVERITY.get(worst.severity, "info"))
    ring = {"bell": "\x07", "desktop": f"\x1b]9;perftui {inert(text, LONGEST)}\x07"}.get(app.options.ring)
    if ring:
        app.write_control(ring)


def banner_row(alerts: Sequence[Alert], now: float, width: int, look: Look) -> Row | None:
    """One row for the critical alert of `alerts` that fires longest; None while none does.

    Where the row is short its title gives way first: which instance, since when, how many others and the
    key that leads there are always whole. `now` is the instant shown, in epoch seconds.
    """
    grave = [alert for alert in alerts if alert.severity is Severity.CRITICAL]
    if not grave:
        return None
    first = min(grave, key=lambda alert: (alert.fired_at or alert.began, alert.fingerprint))
    wide, since = width >= WIDE, first.fired_at or first.began
    when = clock(since, look.tz) if now - since < DAY else stamp(since, look.tz)[: None if wide else 10]
    others = f"{len(grave) - 1} more critical" if wide else f"+{len(grave) - 1}"
    place = cut(inert(dict(first.labels).get("instance") or first.source, LONGEST), 40 if wide else 16)
    tail = [place, f"since {when}", others if len(grave) > 1 else "", "g a goes there" if wide else "g a"]
    end = "".join(f" · {part}" for part in tail if part) + " "
    begin = f" {glyph('crit', look)} critical: "
    title = cut(inert(first.title, LONGEST), max(0, width - cell_width(begin) - cell_width(end)))
    return pad((Span(f"{begin}{title}{end}", LOUD),), width, LOUD)
