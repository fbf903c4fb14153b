"""The console without a terminal: the same application on the same tab, for pictures and for data."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from perftui.cli import common, replay, run
from perftui.model.errors import ConfigError
from perftui.model.frame import Frame
from perftui.model.health import Health, Link

if TYPE_CHECKING:
    from perftui.app import PerftuiApp
    from perftui.config import Config
    from perftui.replay import Replay
    from perftui.screens.tab import Tab

_SIZE = re.compile(r"(\d{2,3})[x×](\d{2,3})\Z")
_STEP = 0.02
_PATIENCE = 30.0  # seconds a slow store may take to tell what is on a tab of the past
_ALWAYS = ("events", "overview.audit")  # topics the session fills by itself, whatever is connected
LOOKING = ("bands", "ghost", "window", "filter", "sort")  # words of the palette that only change the picture
_GONE = (Link.LOST, Link.REFUSED, Link.OFF)


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what every command that looks at a tab takes."""
    run.appearance(parser)
    parser.add_argument(
        "--at", metavar="T", help="as of an instant: 14:02, 20m (ago), yesterday 09:30, ISO 8601"
    )
    parser.add_argument("--replay", metavar="FILE", help="from a recording, without any system")
    parser.add_argument(
        "--say",
        action="append",
        default=[],
        metavar="WORDS",
        type=words,
        help=f"as if typed after `:`, such as 'ghost 1d': {', '.join(LOOKING)}; may be repeated",
    )
    parser.add_argument("--size", type=size, default=(120, 40), metavar="WxH", help="cells (default 120x40)")
    parser.add_argument(
        "--within",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds to wait for live figures (default 10)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=2.0,
        metavar="S",
        help="seconds to go on so that rates fill (default 2)",
    )


def size(text: str) -> tuple[int, int]:
    """`120x40` as columns and rows."""
    found = _SIZE.match(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 120x40")
    return int(found[1]), int(found[2])


def words(text: str) -> str:
    """What `--say` may say."""
    if text.partition(" ")[0] not in LOOKING:
        raise argparse.ArgumentTypeError(f"{text!r} does not begin with one of {', '.join(LOOKING)}")
    return text


def known(name: str) -> str:
    """`name` when it is a tab; a screen alone means its first tab. ConfigError names the nearest."""
    from perftui.config.convert import nearest
    from perftui.screens.live import all_tabs

    tabs = all_tabs()
    if name in tabs:
        return name
    first = next((tab for tab in tabs if tab.partition(".")[0] == name), None)
    if first is None:
        hint = nearest(name, tabs) or "; `perftui show --list` prints them"
        raise ConfigError(f"there is no tab {name}{hint}")
    return first


@asynccontextmanager
async def staged(config: Config, tab: str, args: argparse.Namespace) -> AsyncIterator[PerftuiApp]:
    """The console on `tab`, running until the block is left; on the past where `args` name one."""
    from perftui.draw.palette import TRUE_COLOUR

    past, cells = _past(config, args), args.size
    app = run.console(config, tab, TRUE_COLOUR)
    if past is not None:
        app = replay.on_session(app, past)
    async with app.run_test(size=cells):
        yield app


def _past(config: Config, args: argparse.Namespace) -> Replay | None:
    """What `--replay` and `--at` mean; None: what is now."""
    from perftui.replay import of_file, of_store

    if args.replay is None and args.at is None:
        return None
    made = of_file(config, Path(args.replay), {}) if args.replay else of_store(config)
    if made.note_of_file:
        common.narrate(made.note_of_file)
    made.clock.travel(made.clock.latest())
    replay.go_to(made, args.at)
    return made


async def settled(app: PerftuiApp, args: argparse.Namespace) -> Tab | None:
    """The tab in front once its figures are live (or surely will not be), and have gone on for a while."""
    if app.session.clock.past:
        return await _drawn(app, args.say)
    limit = time.monotonic() + args.within
    reads: dict[str, set[float]] = {}
    # Several topics and probes: none of them announces the last answer, so the frames are looked at.
    while not (_ready(app) and _rates(app, reads)) and time.monotonic() < limit:  # noqa: ASYNC110
        await asyncio.sleep(_STEP)
    if any(health.link not in _GONE for _, health in links(app)):
        await asyncio.sleep(args.seconds)
    return await _drawn(app, args.say)


async def _drawn(app: PerftuiApp, said: Iterable[str]) -> Tab | None:
    """The tab in front with everything on it that is known, as it is once these words are said."""
    if app.session.clock.past:
        while not (app.started and _stands(app)):  # noqa: ASYNC110
            await asyncio.sleep(_STEP)
        app.revisit()
        past, limit = app.session.past, time.monotonic() + _PATIENCE
        while past is not None and past.waits and time.monotonic() < limit:
            await asyncio.sleep(_STEP)
            if past.answered():
                app.revisit()
    for text in said:
        app.verbs.say(text)
        app.toasts.items = ()  # the picture itself says what became of it
    app.base.fresh = True
    app.base.tick()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await app.wait_for_refresh()
    if app.session.clock.past:  # which panel came first must not depend on the moment
        app.base.set_focus(None)
        app.base.fresh = True
        app.base.tick()
        await app.wait_for_refresh()
    return app.base.tab


def _stands(app: PerftuiApp) -> bool:
    """Whether the tab in front is there, and follows what it shows."""
    return app.base.tab is not None and app.base.tab.is_mounted and bool(app.base.frames)


def links(app: PerftuiApp) -> list[tuple[str, Health]]:
    """The systems behind the tab with the newest state of their links."""
    looks = app.session.looks
    names = {name for frame in app.base.frames.values() for name in frame.health}
    return [(name, looks[name].health) for name in sorted(names) if name in looks]


def _rates(app: PerftuiApp, reads: dict[str, set[float]]) -> bool:
    """Whether every reachable system was read twice: a rate is what lies between two reads."""
    live = [name for name, health in links(app) if health.link not in _GONE]
    for name in live:
        reading = app.session.looks[name].reading
        if reading is not None:
            reads.setdefault(name, set()).add(reading.at)
    return all(len(reads.get(name, ())) >= 2 for name in live)


def _ready(app: PerftuiApp) -> bool:
    """Whether every engine behind the tab has looked; probes and events may have nothing to tell."""
    from perftui.engines import BUILTIN

    frames = app.base.frames.values()
    read = all(f.report is not None or f.error for f in frames if f.topic in _ALWAYS)
    return app.started and read and all(_answered(f) for f in frames if f.topic in BUILTIN)


def _answered(frame: Frame) -> bool:
    """A live report, or nobody left who could answer."""
    links = [health.link for health in frame.health.values()]
    looked = frame.report is not None and not frame.stale and Link.WAITING not in links
    return looked or not links or gone([frame])


def gone(frames: Iterable[Frame]) -> bool:
    """Whether there are systems behind these frames and none of them can be reached."""
    links = [health.link for frame in frames for health in frame.health.values()]
    return bool(links) and all(link in _GONE for link in links)


def absent(app: PerftuiApp) -> bool:
    """Whether nothing can be shown: nobody can be reached now, or nothing was recorded then (told)."""
    frames = app.base.frames.values()
    if not app.session.clock.past:
        return gone(frames)
    if any(frame.report is not None for frame in frames):
        return False
    for said in dict.fromkeys(frame.error for frame in frames if frame.error):
        common.narrate(said)
    return True


def told(links_: Iterable[tuple[str, Health]], unreachable: bool) -> int:
    """Say on stderr which systems of the tab are lost or refused; the exit code that follows."""
    known = list(links_)
    for name, health in known:
        if health.link in _GONE:
            common.narrate(f"{name} is {health.link.value}: {health.error}")
    return common.DONE if not unreachable else common.LOST if known else common.NO
