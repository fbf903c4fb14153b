"""`perftui monitor anomaly SERIES`: what was unusual in a remembered series, judged as the console would."""

from __future__ import annotations

import argparse
import math
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime

from perftui.analysis.anomaly import DetectorState, Judge, Score, aside, detect
from perftui.analysis.lagwindows import SPAN, STEP, grid
from perftui.analysis.occasions import Days, expected
from perftui.analysis.seasonal import Season, learn
from perftui.cli import common
from perftui.cli.alerts import desk
from perftui.model.anomaly import Rare
from perftui.model.errors import ConfigError
from perftui.model.frame import SeriesReader
from perftui.model.series import SeriesKey
from perftui.runtime.learner import Learner, Unlearned
from perftui.runtime.teaching import PAST

HELP = "what was unusual in a remembered series"
UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def add(parser: argparse.ArgumentParser) -> None:
    """The series and how far back."""
    parser.add_argument("series", metavar="SERIES", help="backend/series, with {label=value}")
    parser.add_argument("--since", default="7d", metavar="SPAN", help="how far back: 90m, 24h, 7d (default)")
    parser.add_argument("--sigmas", type=float, default=3.0, help="distance from which a point is odd")
    parser.add_argument(
        "--learner",
        choices=("trees", "neighbours"),
        default="trees",
        help="`neighbours`: learn 14 days before, and name minutes as rare as --rare (extra [ml])",
    )
    parser.add_argument("--rare", type=float, default=0.001, metavar="0.001", help="1 in 1,000 (default)")
    common.options(parser)


def run(args: argparse.Namespace) -> int:
    """Print alarms and moved baselines; 1 when there are any."""
    return common.go(_print(args))


async def _print(args: argparse.Namespace) -> int:
    span = seconds(args.since)
    async with desk(args) as session:
        assert session.memory is not None
        await session.memory.history.known()
        now = session.clock.wall()
        key = chosen(args.series, session.memory.history)
        rows = await session.memory.history.rollup(key, now - 2 * span, now)
        assert session.alerts is not None
        days = Days((await session.alerts.desk.calendars()).occasions)
        rare: list[Rare] = []
        if args.learner == "neighbours":
            past = await session.memory.history.rollup(key, now - span - PAST, now, 60.0)
            rare = await _rare(past.at, past.mean, days, now - span, args.rare)
    season = learn(*days.plain(rows.at, rows.mean))
    found = judged(rows.at, rows.mean, season, args.sigmas, now - span, days)
    if args.json:
        common.say(
            {
                "series": str(key),
                "season": season and season.period,
                "points": len(rows.at),
                "found": found,
                "rare": rare,
            }
        )
    else:
        word = f"season {season.period / 3600:g} h, strength {season.strength:.2f}" if season else "no season"
        common.narrate(f"{len(rows.at)} points of {key}, {word}")
        common.print_lines(map(_line, found))
        common.print_lines(map(_rare_line, rare))
    return common.NO if found or rare else common.DONE


async def _rare(
    at: Sequence[float], value: Sequence[float], days: Days, since: float, limit: float
) -> list[Rare]:
    """Minutes from `since` on whose hour is as rare as `limit` among those before."""
    place = bisect_left(at, since)
    try:
        async with Learner() as learner:
            model = await learner.learn(*days.plain(at[:place], value[:place]))
    except Unlearned as error:
        common.narrate(str(error))
        return []
    first, minutes = grid(at, value)
    found: list[Rare] = []
    for end in range(max(SPAN, int(since // STEP) - first + 1), len(minutes) + 1):
        minute, window = first + end - 1, minutes[end - SPAN : end]
        if math.isnan(sum(window)) or days.at(minute * STEP) is not None:
            continue
        rank, reasons = model.judge(minute, window)
        if rank <= limit:
            found.append(Rare(minute * STEP, rank, model.known, reasons))
    return found


def seconds(text: str) -> float:
    """`7d` in seconds; ConfigError when it is no span."""
    try:
        return float(text[:-1]) * UNITS[text[-1]]
    except (ValueError, KeyError, IndexError):
        raise ConfigError(f"{text!r} is no span of time like 90m, 24h or 7d") from None


def chosen(text: str, history: SeriesReader) -> SeriesKey:
    """The one series that is meant; ConfigError lists those that could be."""
    source, _, rest = text.partition("/")
    known = history.keys(source, rest.partition("{")[0])
    exact = [key for key in known if str(key) == text] or list(known)
    if len(exact) == 1:
        return exact[0]
    if not exact:
        raise ConfigError(f"nothing is remembered of {text}")
    raise ConfigError(f"{text} may be any of: {', '.join(map(str, exact[:12]))}")


def judged(
    at: Sequence[float],
    value: Sequence[float],
    season: Season | None,
    sigmas: float,
    since: float,
    days: Days | None = None,
) -> list[Score]:
    """Alarms and moved baselines from `since` on; what is before teaches, `days` are not like others."""
    state = DetectorState(judge=Judge(sigmas=sigmas), season=season)
    found: list[Score] = []
    for a, v in zip(at, value, strict=True):
        then = expected(days.at(a) if days else None, a, season)
        if then is None:
            aside(state, a, v)
            continue
        state, score = detect(state, a, v, as_of=then)
        if a >= since and (score.alarm or score.moved):
            found.append(score)
    return found


def _rare_line(rare: Rare) -> str:
    named = ", ".join(f"{name} {z:+.1f} σ" for name, z in rare.reasons)
    return f"{_stamp(rare.at)} an hour like 1 in {1 / rare.rank:,.0f}: {named}"


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _line(score: Score) -> str:
    stamp = _stamp(score.at)
    if score.moved:
        return f"{stamp} baseline moved, {score.moved[0]:.4g} → {score.moved[1]:.4g}"
    return (
        f"{stamp} {score.value:.4g} where {score.low:.4g} to {score.high:.4g} was expected, {score.z:+.1f} σ"
    )
