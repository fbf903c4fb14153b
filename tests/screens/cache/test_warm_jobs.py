"""Warm jobs by keyboard, on a real cache of this process, a real server and a store of its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from perftui.app import Options, PerftuiApp
from perftui.backends.valkey import nodes
from perftui.backends.valkey.link import Link
from perftui.config import load
from perftui.engines.cache import warmrun
from perftui.instrument.cache import Cache
from perftui.instrument.cache import stats as publishing
from perftui.instrument.cache import warming as library
from perftui.instrument.cache.warming import Warming
from perftui.model.warmjob import Ended, JobRow, JobsReport, JobState, WarmJob
from perftui.model.warmused import Warmed, newest
from perftui.runtime import warmer
from perftui.screens.cache import warming as tab
from perftui.screens.cache.warmjobs import columns, title
from perftui.session import Session
from tests.console import Console

Open = Callable[..., AbstractAsyncContextManager[Console]]


class Source:
    """Loads anything, and counts."""

    def __init__(self) -> None:
        self.loads: Counter[str] = Counter()

    async def load(self, keys: Sequence[str]) -> dict[str, Any]:
        self.loads.update(keys)
        return {key: f"value of {key}" for key in keys}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "EVERY", 0.2)
    monkeypatch.setattr(nodes, "EVERY", 0.0)
    monkeypatch.setattr(tab, "EVERY", 0.2)
    monkeypatch.setattr(library, "BEAT", 0.05)
    monkeypatch.setattr(warmrun, "LOOK", 0.05)
    monkeypatch.setattr(warmer, "SETTLE", 0.0)
    monkeypatch.setattr(warmer, "SLOW", 0.3)


@pytest.fixture
def remembering(config: str, raw: Link) -> Open:
    """The console with a store, as `perftui run` has it."""

    @asynccontextmanager
    async def opened(size: tuple[int, int] = (120, 40), **flags: Any) -> AsyncIterator[Console]:
        def session(_env: str | None) -> Session:
            settings = load(config, "lab", flags)
            return Session.open(settings, settings.environment, read_only=settings.read_only, remember=True)

        app = PerftuiApp(session, Options(screen="cache.warming"), environment={"TERM": "xterm-256color"})
        async with app.run_test(size=size) as pilot:
            yield Console(app, pilot)

    return opened


async def make(it: Console, name: str, when: str = "") -> None:
    """A job by keys, the usual answers taken but for its name and time."""
    await it.press("c")
    await it.sees("its name, such as nightly")
    await it.types(name)
    await it.sees(f"Warm job {name}: When")
    if when:
        await it.press("ctrl+u")
        await it.types(when)
    else:
        await it.press("enter")
    await it.sees(f"Warm job {name}: Keys")
    await it.press("enter")
    await it.sees(f"Warm job {name}: Loads a second")
    await it.press("enter")


def audit(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "state" / "audit.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [(e["action"], e["outcome"]) for e in entries if e.get("action") and e["outcome"] != "started"]


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_job_is_made_run_edited_switched_paused_and_taken_back(
    remembering: Open, valkey: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    url = f"redis://:{valkey.password}@127.0.0.1:{valkey.port}/0"
    source = Source()
    async with remembering(size) as it, Cache("shop", l2=url, source=source) as cache:
        await it.sees("c makes the first job; or: perftui cache warm add")
        assert await Warming(cache, [f"k{n}" for n in range(40)], rate=None, asked_every=0.1).ready(1.0)
        await it.sees(r"shop +start .*warm +40 of 40")
        await it.press("c")
        await it.sees("its name, such as nightly")
        await it.types("Bad Name")
        await it.sees("1 to 40 of a-z")
        await it.press("escape")
        await make(it, "fresh")
        await it.sees("warm job fresh: shop set start in main, every 15 m, at 50 loads")
        await it.press("y")
        await it.sees(r"fresh +● on .*has not run")
        await cache.remove_many(["k1", "k2"])
        await it.press("r")
        await it.sees("warm job fresh: warm main shop start")
        await it.press("y")
        await it.sees(r"fresh +● on .*done: 2 keys", within=30)
        assert (source.loads["k1"], source.loads["k3"]) == (2, 1)
        if size[0] >= 120:
            await it.sees(r"done: 2 keys.* ≥0%", within=20)
            await cache.get("k1")
            await it.sees(r"done: 2 keys.* ≥50\.0%", within=20)
            await cache.get("k2")
            await it.sees(r"done: 2 keys.* 100%", within=20)
        await it.press("i")
        await it.sees("Edit warm job fresh")
        await it.press("enter")
        await it.sees("Warm job fresh: When")
        await it.press("ctrl+u")
        await it.types("0 6 * * *")
        await it.sees(r"when every 15 m → 0 6 \* \* \* UTC")
        await it.press("y")
        await it.press("O")
        await it.sees("switch on → off")
        await it.press("y")
        await it.sees("fresh +○ off")
        await it.press("P")
        await it.sees("warming: on → off")
        await it.press("y")
        await it.sees("all paused, P lets them run")
        await it.press("D")
        await it.sees("remove warm job fresh")
        await it.press("y")
        await it.sees("c makes the first job")
        await it.press("u")
        await it.sees("puts it back|undo: warm job fresh is gone")
        await it.press("y")
        await it.sees("fresh +○ off")
    done = [entry for entry in audit(tmp_path) if entry[1] in {"done", "undone"}]
    assert done == [
        ("cache.warm-add", "done"),
        ("cache.warm-job", "done"),
        ("cache.warm-edit", "done"),
        ("cache.warm-switch", "done"),
        ("tune.set", "done"),
        ("cache.warm-remove", "done"),
        ("cache.warm-remove", "undone"),
    ]


async def test_read_only_makes_no_job(remembering: Open) -> None:
    async with remembering(read_only=True) as it:
        await it.sees("c makes the first job")
        await it.press("c")
        await it.sees("read-only")


def row(**state: Any) -> JobRow:
    job = WarmJob("fresh", "shop", every=900.0)
    return JobRow(job, JobState(**state), 1, upcoming=(100.0 + 240,))


def cells(one: JobRow, *told: Warmed) -> dict[str, str]:
    from perftui.draw.rows import Look

    used = newest(("shop", one) for one in told)
    return {column.key: column.text(one) for column in columns(Look, lambda: 100.0, lambda: used)}


def test_what_a_row_says() -> None:
    waits = cells(row(run="aa", began=90.0))
    assert (waits["result"], waits["next"], waits["keys"]) == ("waits for a node", "4 m", "")
    runs = cells(row(run="aa", began=90.0, total=40, loaded=10, fresh=10))
    assert (runs["result"], runs["keys"], runs["part"], runs["rate"]) == ("running", "20 of 40", "█" * 8, "1")
    ended = cells(row(outcome=Ended.FAILED, result="a\x1b[31m", began=90.0, ended=95.0))
    assert ended["result"].startswith("failed: a")
    assert "\x1b" not in ended["result"]
    assert cells(row())["result"] == "has not run"


def test_precision_is_of_this_very_job_and_at_least_so_much_while_keys_are_left() -> None:
    def told(*of: Warmed) -> str:
        return cells(row(), *of)["precision"]

    assert told() == told(Warmed("other", 1.0, 4, 3)) == "–"
    assert told(Warmed("fresh", 1.0, 4, 3)) == "75.0%"
    assert told(Warmed("fresh", 1.0, 4, 1, 3)) == "≥25.0%"
    assert told(Warmed("fresh", 2.0, 4, 0), Warmed("fresh", 1.0, 4, 4)) == "0%"


def test_who_runs_them_is_in_the_title() -> None:
    rows = (row(),)
    assert [
        title(one)
        for one in (
            None,
            JobsReport(0.0),
            JobsReport(0.0, rows, paused=True),
            JobsReport(0.0, rows),
            JobsReport(0.0, rows, holder="h:1:x"),
            JobsReport(0.0, rows, holder="h:1:x", agent="h:1:x"),
        )
    ] == [
        "Jobs",
        "Jobs",
        "Jobs: all paused, P lets them run",
        "Jobs: nobody runs them yet",
        "Jobs: run while a console is open (perftui agent)",
        "Jobs",
    ]
