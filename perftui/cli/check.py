"""One question with a yes or no for an answer: does a figure hold, now or for a while."""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perftui.cli import common, when
from perftui.model.errors import ConfigError, Lost

if TYPE_CHECKING:
    from perftui.analysis.condition import Condition
    from perftui.config import Config
    from perftui.model.series import SeriesKey
    from perftui.model.target import Target
    from perftui.session import Session

FRESH = 30.0  # seconds after which a stored figure is no news any more
PATIENCE = 15.0  # seconds in which a live system must have told a figure
Pairs = Sequence[tuple[float, float]]


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser)
    parser.add_argument(
        "condition",
        nargs="*",
        metavar="CONDITION",
        help="such as 'api.p95 < 100ms' or 'cache/hit_ratio > 95%%'; a target alone means its goal; "
        "none: every target that has a source",
    )
    parser.add_argument(
        "--for", dest="span", type=when.seconds, default=0.0, metavar="5m", help="it must hold all that time"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--stored", action="store_true", help="ask the history alone")
    where.add_argument("--live", action="store_true", help="ask the systems themselves")


@dataclass(frozen=True, slots=True)
class Checked:
    """What one series said about one condition. `worst` is the figure farthest on the wrong side."""

    condition: str
    series: str
    unit: str
    ok: bool
    value: float
    worst: float
    samples: int
    breaches: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Question:
    """A condition and the series it is about: exact names, or a pattern where `pattern` is set."""

    text: str
    condition: Condition
    series: str
    sources: tuple[str, ...]
    pattern: str = ""

    def fits(self, key: SeriesKey) -> bool:
        """Whether the condition is about this series."""
        from perftui.runtime.past import fits

        if self.pattern:
            return fits(key, self.pattern)
        return key.name == self.series and key.source in self.sources and not key.labels


def run(args: argparse.Namespace) -> int:
    """0 when every condition holds, 1 when one does not, 3 when nobody can tell."""
    config = common.configuration(args)
    asked = [_question(text, config) for text in args.condition] or list(_targets(config))
    if not asked:
        raise ConfigError("no condition was given, and no target has a source here")
    return common.go(_check(config, asked, args))


def _targets(config: Config) -> Iterable[Question]:
    for target in config.objectives():
        if target.series and _sources(config, target):
            yield _question(target.id, config)


def _question(text: str, config: Config) -> Question:
    from perftui.analysis.condition import Condition, parse

    condition = parse(text)
    target = next((t for t in config.objectives() if t.id == condition.what), None)
    if target is None:
        if not condition.op:
            raise ConfigError(f"{condition.what} is no target; a series needs a comparison")
        pattern = condition.what if "/" in condition.what else f"*/{condition.what}"
        return Question(text, condition, "", (), pattern)
    if not condition.op:
        condition = Condition(target.id, "<" if target.below is not None else ">", target.goal)
    if not target.series or not _sources(config, target):
        raise Lost(f"{target.id} has no source in {config.environment.name}: {target.connect}")
    return Question(text, condition, target.series, _sources(config, target))


def _sources(config: Config, target: Target) -> tuple[str, ...]:
    if target.source:
        return (target.source,)
    return tuple(n for n, one in config.environment.backends.items() if target.fed_by(n, one.kind))


async def _check(config: Config, asked: Sequence[Question], args: argparse.Namespace) -> int:
    found = [] if args.live else await _stored(config, asked, args)
    if not found and not args.stored:
        found = await _live(args, asked)
    if not found:
        raise Lost("nobody can tell: the history holds nothing recent (a console or agent keeps it)")
    missing = [q.text for q in asked if not any(c.condition == q.text for c in found)]
    if args.json:
        common.say({"ok": all(c.ok for c in found) and not missing, "checked": found, "unknown": missing})
    else:
        common.print_lines(map(_line, found))
    said = f"no figure for {', '.join(missing)}"
    if not all(c.ok for c in found):
        return common.NO
    if missing and args.condition:
        raise Lost(said)
    if missing:
        common.narrate(said)
    return common.DONE


def _line(one: Checked) -> str:
    from perftui.draw import format as fmt

    over = f", worst {fmt.value(one.worst, one.unit)} in {one.samples} samples" if one.samples > 1 else ""
    missed = f", missed {one.breaches} times" if one.breaches and one.samples > 1 else ""
    figure = fmt.value(one.value, one.unit)
    return f"{'yes' if one.ok else 'no '}  {one.condition}  {one.series} is {figure}{over}{missed}"


async def _stored(config: Config, asked: Sequence[Question], args: argparse.Namespace) -> list[Checked]:
    """What the history says; nothing when it is older than news may be, or does not reach back so far."""
    end = time.time()
    start = end - max(args.span, FRESH)
    async with when.stored(config) as past:
        if past is None:
            return []
        found = []
        for question in asked:
            for key in filter(question.fits, past.keys()):
                rows = await past.rows(key, start - FRESH, end, 0.0)
                pairs = [p for p in zip(rows.at, rows.mean, strict=True) if math.isfinite(p[1])]
                if not pairs or pairs[-1][0] < end - FRESH or (args.span and pairs[0][0] > start + FRESH):
                    continue
                wanted = [p for p in pairs if p[0] >= end - args.span] if args.span else pairs[-1:]
                found.append(judged(question, key, past.unit(key), wanted))
    return found


def judged(question: Question, key: SeriesKey, unit: str, pairs: Pairs) -> Checked:
    """What samples (at least one) say about a condition."""
    condition = question.condition
    values = [value for _, value in pairs]
    bad = sum(not condition.met(value) for value in values)
    worst = max(values) if condition.op.startswith("<") else min(values)
    return Checked(
        question.text, str(key), unit, not bad, values[-1], worst, len(values), bad, pairs[0][0], pairs[-1][0]
    )


async def _live(args: argparse.Namespace, asked: Sequence[Question]) -> list[Checked]:
    """Read the systems: once, or for as long as it must hold; the first breach ends it."""
    named = {source for q in asked for source in q.sources}
    named |= {q.pattern.partition("/")[0] for q in asked if q.pattern}
    plain = all(not set(name) & set("*?[") for name in named)
    if args.span:
        common.narrate(f"nothing recent is stored: reading the systems for {args.span:g} s")
    async with common.headless_session(args, only=named if plain else None) as session:
        begun = time.time()
        while True:
            found = _now(session, asked, begun)
            answered = {c.condition for c in found} >= {q.text for q in asked}
            if any(not c.ok for c in found) or time.time() - begun > max(PATIENCE, args.span):
                return found
            if answered and time.time() - begun >= args.span:
                return found
            await asyncio.sleep(0.2)


def _now(session: Session, asked: Sequence[Question], since: float) -> list[Checked]:
    found: dict[tuple[str, SeriesKey], Checked] = {}
    for question in asked:
        for key in filter(question.fits, session.history.keys()):
            series = session.history.series(key, since - 1.0, math.inf)
            pairs = [(s.at, s.value) for s in series if math.isfinite(s.value)]
            if pairs:
                found[question.text, key] = judged(question, key, series.unit, pairs)
    return list(found.values())
