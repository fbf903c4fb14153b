"""What a screen says while there is nothing to draw, or while a link is down."""

from __future__ import annotations

from collections.abc import Mapping

from perftui.draw.clean import inert
from perftui.draw.format import age, clock
from perftui.draw.palette import state_span
from perftui.draw.rows import Look, Row, Span
from perftui.draw.text import line
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.model.moment import Moment, TimeState

LATE = 5.0  # seconds a reading may be older than the instant asked for without a word
DOWN = (Link.LOST, Link.REFUSED)


def hides(frames: Mapping[str, Frame]) -> bool:
    """Whether no engine of the tab has anything to show yet.

    Probes, whose topics have a dot, do not count, nor do events beside engines: those are always there.
    """
    told = {topic: frame for topic, frame in frames.items() if "." not in topic}
    engines = [frame for topic, frame in told.items() if topic != "events"] or list(told.values())
    return bool(engines) and all(frame.report is None for frame in engines)


def all_down(frame: Frame) -> bool:
    """Whether nothing behind the frame answers or is meant to."""
    return all(health.link in DOWN or health.link is Link.OFF for health in frame.health.values())


def links(frames: Mapping[str, Frame]) -> dict[str, Health]:
    """Health of every backend behind these frames, as the newest of them has it."""
    newest_last = sorted(frames.values(), key=lambda frame: frame.at)
    return {name: health for frame in newest_last for name, health in frame.health.items()}


def empty_text(empty: str, frames: Mapping[str, Frame], moment: Moment) -> tuple[str, str]:
    """Sentence and hint for a tab without a picture: errors first, then waiting, then what connects it."""
    health, now = links(frames), moment.at
    errors = [f.error for f in frames.values() if f.error]
    if moment.state in (TimeState.PAST, TimeState.REPLAY) and errors:
        return inert("; ".join(dict.fromkeys(errors)), 1000), ", . step · @ goes to a time · L returns to now"
    down = [f"{name}: {down_text(h, now)}" for name, h in health.items() if h.link in DOWN]
    if down or errors:
        return inert("; ".join([*down, *errors]), 1000), "ctrl+r reads now"
    waiting = [name for name, h in health.items() if h.link is not Link.OFF]
    if waiting:
        return f"waiting for the first read of {', '.join(waiting)}", ""
    sentence, _, how = empty.partition("\n")
    return sentence or "no source connected", how.replace("\n", " · ")


def down_text(health: Health, now: float) -> str:
    """Age, what happens next and the error, as one sentence: a narrow row cuts the error, not the age."""
    parts = []
    old = health.age(now)
    if old is not None:
        parts.append(f"last good {age(old)} ago")
    if health.link is Link.REFUSED:
        parts.append("ctrl+r tries again")
    elif health.retry_at is not None:
        parts.append(f"retry in {age(health.retry_at - now)}")
    return " · ".join([*parts, inert(health.error or health.link.value, 300)])


def problem_row(problem: str, width: int, look: Look) -> Row | None:
    """One row for what keeps the console itself from remembering or auditing, None when all is well."""
    if not problem:
        return None
    text = f" {inert(problem, 300)} · figures stay in memory; what cannot be audited is refused"
    return line(width, state_span("warn", look), Span(text, "warn"))


def past_row(frames: Mapping[str, Frame], moment: Moment, width: int, look: Look) -> Row | None:
    """One row where not all of a past instant is known, None where it was read just then."""
    told = {topic: frame for topic, frame in frames.items() if "." not in topic} or dict(frames)
    some = any(frame.report is not None for frame in told.values())
    bare = [frame for frame in told.values() if frame.report is None and frame.error]
    missing = [frame.error for frame in bare if frame.health or not some]  # else nothing of its kind is there
    newest = max((frame.at for frame in told.values() if frame.report is not None), default=moment.at)
    late = moment.at - newest
    if not missing and late < LATE:
        return None
    parts = [inert(missing[0], 300)] if missing else []
    if late >= LATE:
        parts.append(
            f"read {clock(newest, look.tz)}, {age(late)} before: no finer reading is kept or was taken"
        )
    return line(width, state_span("warn", look), Span(f" {' · '.join(parts)}", "warn"))


def lost_row(frames: Mapping[str, Frame], now: float, width: int, look: Look) -> Row | None:
    """One row for the worst link behind the tab, None when all are up or nothing was ever seen."""
    down = [(name, h) for name, h in links(frames).items() if h.link in DOWN]
    if not down or hides(frames):
        return None
    name, health = max(down, key=lambda item: (item[1].link is Link.REFUSED, -item[1].since))
    more = f" (and {len(down) - 1} more)" if len(down) > 1 else ""
    return line(
        width,
        Span(" "),
        state_span(health.link.value, look),
        Span(f" {name}{more}: ", "text bold"),
        Span(down_text(health, now), "text"),
    )
