"""The value of an alert around its firing, with what it was compared with: on screen and from a shell."""

from __future__ import annotations

from perftui.analysis.buckets import Window
from perftui.draw.chart import Line, Mark, Threshold, chart
from perftui.draw.clean import inert
from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.text import line
from perftui.model.backtest import Course

HEIGHT = 12


def course_rows(course: Course, width: int, look: Look) -> Rows:
    """Its name above a chart as wide as there is room."""
    drawn = chart(
        [Line(course.name, course.at, course.value)],
        Size(width, HEIGHT),
        Window(course.start, course.end),
        look,
        unit=course.unit,
        thresholds=(Threshold(course.goal, "warn"),) if course.goal is not None else (),
        marks=[Mark(at, word) for at, word in course.marks],
    )
    return [line(width, Span(inert(course.name, 500), "accent")), *drawn]
