"""An alert that begins to want somebody is said at once, on whatever screen one is, and rings if asked to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perftui.draw.clean import inert
from perftui.model.alerts import Alert, AlertsReport
from perftui.model.finding import Severity

if TYPE_CHECKING:
    from perftui.app import PerftuiApp
    from perftui.session import Session

LONGEST = 200  # characters of a notice
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
