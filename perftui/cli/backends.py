"""The configured systems, how their links stand and what can be done with each."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.model.health import Link

if TYPE_CHECKING:
    from perftui.model.reading import Look
    from perftui.session import Session


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser)
    parser.add_argument(
        "--within",
        type=float,
        default=5.0,
        metavar="S",
        help="seconds to wait for each to answer (default 5)",
    )


def run(args: argparse.Namespace) -> int:
    """Print one line or object a system; 3 when one is lost or refuses us."""
    return common.go(_list(args))


async def _list(args: argparse.Namespace) -> int:
    async with common.headless_session(args) as session:
        await _answers(session, args.within)
        rows = [_row(session, name) for name in session.env.backends]
    if args.json:
        common.say({"environment": session.env.name, "kind": session.env.kind, "backends": rows})
    else:
        common.print_lines(_line(row) for row in rows)
    lost = any(row["link"] in {Link.LOST.value, Link.REFUSED.value} for row in rows)
    return common.LOST if lost else common.DONE


async def _answers(session: Session, seconds: float) -> None:
    """Wait until no link is waiting any more, or the time is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for _ in session.watch("health"):
                if all(look.health.link is not Link.WAITING for look in session.looks.values()):
                    return


def _row(session: Session, name: str) -> dict[str, Any]:
    look: Look = session.looks[name]
    age = look.health.age(time.time())
    return {
        "name": name,
        "kind": look.kind,
        "link": look.health.link.value,
        "age": age,
        "error": look.health.error,
        "took": look.reading.took if look.reading else None,
        "powers": session.powers(name),
    }


def _line(row: dict[str, Any]) -> str:
    age = "never read" if row["age"] is None else f"{row['age']:.1f} s ago"
    took = "" if row["took"] is None else f" in {row['took'] * 1000:.1f} ms"
    error = f"  {row['error']}" if row["error"] else ""
    powers = f"  [{' '.join(row['powers'])}]" if row["powers"] else ""
    return f"{row['name']:<20} {row['kind']:<12} {row['link']:<8} {age}{took}{powers}{error}"
