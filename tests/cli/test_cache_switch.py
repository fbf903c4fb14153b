"""`perftui cache share`, `local` and `early`: said, set and taken back from a shell, at real nodes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from perftui.cli import main
from perftui.instrument.cache import SHARED, Cache

Out = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class Case:
    """A node made so that it does not, and one that does; values and words of both, and of the first then."""

    verb: str
    off: Mapping[str, Any]
    on: Mapping[str, Any]
    name: str
    values: tuple[Any, Any, Any]
    words: tuple[str, str, str]
    mute: str
    does: Callable[[Cache], bool]


CASES = (
    Case(
        "share",
        {},
        {"defaults": SHARED},
        "shared",
        (False, True, True),
        ("not shared", "shared", "shared"),
        "no node says whether it shares loads of 'nobody'",
        lambda cache: cache.defaults.shared_flight,
    ),
    Case(
        "local",
        {"l1": None},
        {"l1": 70},
        "entries",
        (0, 70, 1000),
        ("no L1", "an L1 of 70 entries", "an L1 of 1,000 entries"),
        "no node of 'nobody' says that it keeps local copies, or could",
        lambda cache: cache.memory is not None,
    ),
    Case(
        "early",
        {},
        {"defaults": SHARED},
        "beta",
        (0.0, 1.0, 1.0),
        ("no early loads", "early loads, beta 1", "early loads, beta 1"),
        "no node of 'nobody' says whether it loads early",
        lambda cache: cache.defaults.early_beta is not None,
    ),
)
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.verb)


def shell(case: Case, config: str) -> Callable[..., Any]:
    async def run(*typed: str) -> int:
        return await asyncio.to_thread(main, ["cache", case.verb, *typed, "--config", config])

    return run


@pytest.mark.slow
@cases
async def test_it_is_said_set_and_taken_back(case: Case, config: str, valkey: Any, capsys: Out) -> None:
    run, name = shell(case, config), f"of-{case.verb}"
    off, on, lent = case.words
    async with Cache(name, l2=valkey.url, **case.off) as a, Cache(name, l2=valkey.url, **case.on) as b:
        for cache in (a, b):
            await cache._publisher.publish()  # type: ignore[union-attr]
        assert await run(name) == 0
        out = capsys.readouterr().out
        assert f"{a.node}: {off}\n" in out
        assert f"{b.node}: {on}\n" in out
        assert await run(name, "on") == 4  # nobody said yes
        assert not case.does(a)
        assert await run(name, "on", "--yes", "--json") == 0
        assert json.loads(capsys.readouterr().out)["done"] == 2
        assert case.does(a)
        assert await run(name, "--json") == 0
        rows = {row["node"]: row for row in json.loads(capsys.readouterr().out)}
        own, others, now = case.values
        assert rows[a.node] == {"node": a.node, case.name: now, f"own_{case.name}": own}
        assert rows[b.node] == {"node": b.node, case.name: others, f"own_{case.name}": others}
        assert await run(name) == 0
        assert f"{a.node}: {lent}, {off} by its options" in capsys.readouterr().out
        assert await run(name, "default", "--yes") == 0
        assert (case.does(a), case.does(b)) == (False, True)


@cases
async def test_what_cannot_be_is_refused(case: Case, config: str, valkey: Any, capsys: Out) -> None:
    run = shell(case, config)
    assert await run("nobody") == 1
    assert case.mute in capsys.readouterr().err
    assert await run("nobody", "on", "--yes") == 4
    assert await run("nobody", "maybe") == 2
