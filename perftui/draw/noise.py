"""How noisy alerts were, in words: for the timeline and for a shell."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.noise import NoiseReport, RuleNoise

MOST = 3  # rules named in a line


def brief(report: NoiseReport) -> list[str]:
    """A title, then the noisiest rules with what would cure them."""
    night = f", {report.night} at night" if report.night else ""
    title = f"noise report: {_count(report.fired, 'firing')}, {_count(report.pages, 'message')}{night}"
    return [title, *(_named(row) for row in report.rules[:MOST])]


def lines(report: NoiseReport) -> Iterator[str]:
    """All of it."""
    yield f"{brief(report)[0]}, from {fmt.stamp(report.start)} to {fmt.stamp(report.end)} UTC"
    for row in report.rules:
        parts = [f"{_count(row.fired, 'firing')}, {_count(row.pages, 'message')}"]
        parts += [f"{row.night} at night"] if row.night else []
        parts += [f"{row.unacked} never acknowledged"] if row.unacked else []
        parts += [f"{row.short} over in 5 min"] if row.short else []
        parts += [f"{row.flaps} flapping"] if row.flaps else []
        yield f"{inert(row.rule, 60):<28}  {', '.join(parts)}"
        for cure in row.cures:
            yield f"    {inert(cure.why, 100)}, spares {cure.spares} of {cure.of}: {inert(cure.edit, 300)}"
    for one in report.people:
        night = f", {one.night} at night" if one.night else ""
        yield f"told {inert(one.who, 40)}: {_count(one.pages, 'message')}{night}"
    if report.silent:
        yield f"never fired: {inert(', '.join(report.silent), 1000)}"


def _named(row: RuleNoise) -> str:
    cure = f" ({row.cures[0].why}: {row.cures[0].edit})" if row.cures else ""
    return inert(f"{row.rule} {_count(row.fired, 'firing')}{cure}", 300)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
