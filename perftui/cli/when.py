"""Instants as people type them."""

from __future__ import annotations

import argparse
import datetime as dt
import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from perftui.config import Config
    from perftui.runtime.past import Past

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"-?(\d+(?:\.\d+)?)([smhd])\Z")


def seconds(text: str) -> float:
    """`90s`, `20m`, `2h`, `1d` in seconds."""
    found = _SPAN.match(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span such as 90s, 20m, 2h or 1d")
    return float(found[1]) * _UNITS[found[2]]


def instant(text: str) -> float:
    """`now`, `2h` (ago), `14:02` (the last one, UTC), `2026-07-01T14:02:10Z` in epoch seconds."""
    said = text.strip()
    if said == "now":
        return time.time()
    if _SPAN.match(said):
        return time.time() - seconds(said)
    try:
        if re.match(r"\d{1,2}:\d\d(:\d\d)?\Z", said):
            return _today(said)
        at = dt.datetime.fromisoformat(said)
    except ValueError as error:
        said = f"{text!r} is no time such as now, 2h (ago), 14:02 or 2026-07-01T14:02:10Z (UTC)"
        raise argparse.ArgumentTypeError(said) from error
    return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp()


def _today(clock: str) -> float:
    now = dt.datetime.now(dt.UTC)
    at = dt.datetime.combine(now.date(), dt.time.fromisoformat(clock.zfill(len("14:02:10"[: len(clock)]))))
    at = at.replace(tzinfo=dt.UTC)
    return (at if at <= now else at - dt.timedelta(days=1)).timestamp()


def options(parser: argparse.ArgumentParser, since: str = "1h") -> None:
    """Add `--from` and `--to` (and `--since`, which is the same as `--from`)."""
    parser.add_argument(
        "--from",
        "--since",
        dest="start",
        type=instant,
        default=since,
        metavar="T",
        help=f"from when: 2h (ago), 14:02, 2026-07-01T14:02:10Z (default {since} ago)",
    )
    parser.add_argument("--to", dest="end", type=instant, default="now", metavar="T", help="until when")


def stored(config: Config) -> AbstractAsyncContextManager[Past | None]:
    """What the configuration's store holds of its environment."""
    from perftui.config import paths
    from perftui.runtime.past import past

    return past(config.store_url(), paths.state_dir(), config.environment.name)
