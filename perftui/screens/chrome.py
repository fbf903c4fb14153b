"""What header, drawer and the terminal's title tell, gathered from session and pace."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from perftui.draw.clean import inert
from perftui.draw.format import MINUS, clock, count, duration, stamp
from perftui.draw.rows import Row, Span
from perftui.draw.text import line
from perftui.model.finding import Finding, Severity
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.moment import TimeState
from perftui.screens.commands import SCREENS, screen_title
from perftui.widgets.header import Status

if TYPE_CHECKING:
    from perftui.app import PerftuiApp
    from perftui.model.alerts import Alert
    from perftui.screens.live import LiveScreen

DAY = 86400.0
_WORST = {Severity.CRITICAL: "crit", Severity.WARNING: "warn", Severity.INFO: "ok"}


def findings_of(frame: Frame | None) -> tuple[Finding, ...]:
    """Findings worth counting: warnings and worse."""
    if frame is None:
        return ()
    ranked: Any = getattr(frame.report, "findings", None) or frame.findings
    found = tuple(getattr(f, "finding", f) for f in ranked)
    return tuple(f for f in found if f.severity >= Severity.WARNING)


def status(app: PerftuiApp, screen: LiveScreen, alerts: Sequence[Alert]) -> Status:
    """What the header of `screen` tells now, with the alerts that want somebody."""
    found = findings_of(app.findings)
    link, state = link_text(app)
    env = app.session.env
    return Status(
        env=env.name,
        screens=tuple(screen_title(s) for s in SCREENS),
        current=SCREENS.index(screen.stem),
        findings=len(found),
        worst=_WORST[max((f.severity for f in found), default=Severity.INFO)],
        alerts=len(alerts),
        alert=_WORST[max((a.severity for a in alerts), default=Severity.INFO)],
        link=link,
        link_state=state,
        time=time_text(screen),
        production=env.kind == "production",
        read_only=bool(app.session.read_only),
    )


def open_alerts(app: PerftuiApp) -> tuple[Alert, ...]:
    """Alerts that want somebody."""
    report = app.session.at(app.session.clock.now(), "alerts").report if app.started else None
    return report.open if report is not None else ()


def link_text(app: PerftuiApp) -> tuple[str, str]:
    """How the links stand, worst first, in few words, and the state word for its colour."""
    note = app.pace.note()
    health = app.session.frame("health").health if app.started else {}
    links = [h.link for h in health.values()]
    if app.session.clock.past:
        return "", "off"
    if not app.started:
        return "starting", "waiting"
    for link in (Link.REFUSED, Link.LOST, Link.LATE):
        if link in links:
            return f"{links.count(link)} {link.value}{', ' + note if note else ''}", link.value
    if note:
        return note, "warn"
    if Link.LIVE in links:
        return "live", "live"
    return ("waiting", "waiting") if links else ("no backend", "off")


def time_text(screen: LiveScreen) -> str:
    """`PAST 14:02:10 (−1 h 12 m)`, `FROZEN 14:02:10 (+37 s)`, `Δ 14:01:30` while comparing, or nothing."""
    pinned = screen.console_app.travel.pinned if screen.console_app.compares else None
    against = "" if pinned is None else f"Δ {clock(pinned, screen.look.tz)}"
    return " ".join(filter(None, (_instant_text(screen), against)))


def _instant_text(screen: LiveScreen) -> str:
    if screen.session.clock.past:
        return past_text(screen)
    if screen.frozen_at is None:
        return ""
    ago = max(0, round(time.time() - screen.frozen_at))
    return f"FROZEN {clock(screen.frozen_at, screen.look.tz)} (+{ago} s)"


def past_text(screen: LiveScreen) -> str:
    """Which instant is shown, and how long ago that was (a recording says how fast it plays)."""
    time_, tz = screen.session.clock, screen.look.tz
    at = time_.now().at
    ago = time_.latest() - at
    word = clock(at, tz) if ago < DAY else stamp(at, tz)
    if time_.now().state is TimeState.REPLAY:
        return f"REPLAY {word} {time_.manner}"
    return f"PAST {word} ({MINUS}{duration(ago)})"


def title(app: PerftuiApp) -> str:
    """The terminal's title: program, environment, count of findings."""
    env = app.session.env
    word = "PRODUCTION " if env.kind == "production" else ""
    found = len(findings_of(app.findings))
    return f"perftui {word}{inert(env.name, 40)}" + (f" ({found})" if found else "")


def small_row(app: PerftuiApp, width: int) -> Row:
    """What is said below 80×24."""
    text, _ = link_text(app)
    found = len(findings_of(app.findings))
    return line(
        width, f"{app.size.width}×{app.size.height}: too small, 80×24 needed · {text} · {found} found"
    )


def drawer_row(app: PerftuiApp, width: int) -> Row | None:
    """One row for what runs, None when nothing does."""
    running = app.running()
    if not running:
        return None
    first = running[0]
    more = f" (+{len(running) - 1})" if len(running) > 1 else ""
    return line(
        width,
        Span(" ▶ " if not app.look.ascii_ else " > ", "accent bold"),
        Span(f"{inert(first.title, 60)}{more} ", "title"),
        Span(progress_text(first.progress)),
        Span("  esc details, cancel", "muted"),
    )


def progress_text(progress: Any) -> str:
    """`312 of 1,000 (31%) note`; empty before the first report."""
    if progress is None:
        return ""
    if progress.total:
        share = progress.done / progress.total
        text = f"{count(progress.done)} of {count(progress.total)} ({share:.0%})"
    else:
        text = count(progress.done)
    return f"{text} {inert(progress.note, 80)}".rstrip()


def seconds() -> float:
    """Monotonic seconds, the clock of toasts and pace."""
    return time.monotonic()
