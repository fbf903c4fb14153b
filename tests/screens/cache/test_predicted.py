"""Predictions on the Warming tab, in the Advisor and in a shell: of a real cache whose days a test turned."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from perftui.backends.valkey import nodes
from perftui.backends.valkey.link import Link
from perftui.cli import main
from perftui.draw.rows import Look, Size, plain
from perftui.instrument.cache import Cache, predict
from perftui.instrument.cache import stats as publishing
from perftui.instrument.cache.predict import Predicting
from perftui.model.predicted import Predicted, PredictedGroup, TurnedOff
from perftui.model.tiers import EntryOptions
from perftui.screens.cache import warming as tab
from perftui.screens.cache.predicted import predicted_rows
from tests.instrument.cache.clock import Hand
from tests.instrument.cache.test_predict import (
    HOUR,
    KEYS,
    LIFE,
    MONDAY,
    NINE,
    Rows,
    asked,
    at,
    known,
    lived,
    looked,
    predicting,
)
from tests.screens.cache.conftest import Open
from tests.sizes import sizes


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "EVERY", 0.2)
    monkeypatch.setattr(nodes, "EVERY", 0.0)
    monkeypatch.setattr(tab, "EVERY", 0.2)


@pytest.fixture
async def shop(valkey: Any, raw: Link) -> AsyncIterator[tuple[Cache, Hand, Predicting]]:
    """Thirty reports were loaded ahead of Thursday's nine, and used."""
    hand = Hand(MONDAY)
    url = f"redis://:{valkey.password}@127.0.0.1:{valkey.port}/0"
    async with Cache("shop", clock=hand, source=Rows(), defaults=EntryOptions(ttl=LIFE)) as cache:
        made = predicting(cache)
        await lived(cache, hand, made, range(3))
        at(hand, 3, 9 * HOUR - 50)
        await known(cache)
        await looked(made)
        at(hand, 3, NINE)
        await asked(cache, KEYS)
        await looked(made)
        cache.attach(url)
        yield cache, hand, made


async def stopped(hand: Hand, made: Predicting) -> None:
    """Friday nobody came."""
    at(hand, 4, 9 * HOUR - 50)
    for _ in range(200):
        await looked(made)
        hand.go(1)
    at(hand, 4, 23 * HOUR)
    await looked(made)


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40), (160, 48)))
async def test_predictions_are_shown(
    console: Open, shop: tuple[Cache, Hand, Predicting], size: tuple[int, int]
) -> None:
    _, hand, made = shop
    async with console("cache.warming", size) as it:
        await it.sees("Predicted .* and used .* by hour")
        await it.sees(r"precision 100% of 30 in a day +hit gain \+100.0 points")
        await it.sees("on shop report 100%")
        await it.sees("█")
        await stopped(hand, made)
        await it.sees(r"off shop report \(0 of \d+ used\)")


@pytest.mark.slow
async def test_a_finding_says_why_it_is_off_and_brings_it_back(
    console: Open, shop: tuple[Cache, Hand, Predicting], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, hand, made = shop
    await stopped(hand, made)
    monkeypatch.setattr(predict, "LOOK_EVERY", 0.1)
    listening = asyncio.create_task(made._listen())
    async with console("cache.advisor", (120, 40)) as it:
        await it.sees("Predictive warming of sho")  # the rest is cut where another finding stands above
        await it.press("end")
        await it.sees("report: 0 of .* keys loaded ahead were used")
        await it.press("A")
        await it.sees("let predictions load again")
        await it.press("y")
        await it.sees("predictions are on again at 1 of 1 node", within=30)
    listening.cancel()


async def test_a_shell_lists_them(
    config: str, shop: tuple[Cache, Hand, Predicting], capsys: pytest.CaptureFixture[str]
) -> None:
    cache, hand, made = shop

    async def listed(*words: str) -> str:
        assert cache._publisher is not None
        await cache._publisher.publish()
        assert await asyncio.to_thread(main, ["cache", "warm", "list", *words, "--config", config]) == 0
        return capsys.readouterr().out

    (row,) = json.loads(await listed("--json"))["predicted"]
    assert (row["namespace"], row["on"], row["precision"], row["keys"]) == ("shop", True, 1.0, 30)
    assert sum(hour["predicted"] for hour in row["hours"]) == sum(hour["used"] for hour in row["hours"]) == 30
    assert row["groups"][0]["name"] == "report"
    assert "precision 100% of 30 in a day, hit gain 100.0 points" in await listed()
    await stopped(hand, made)
    assert "shop report at" in await listed()
    (row,) = json.loads(await listed("--json"))["predicted"]
    assert row["on"] is False
    assert row["groups"][0]["off"]["used"] == 0


def told(**more: Any) -> Predicted:
    plain_ = Predicted(100, ((0, 0),) * 24, 0, 0, 7, 0, paused=False)
    return replace(plain_, **more)


@pytest.mark.parametrize("width", [40, 80, 160])
def test_every_line_fits(width: int) -> None:
    off = TurnedOff(1.0, 4, 30)
    groups = tuple(PredictedGroup(f"shop g{n}\x1b[31m" + "x" * 50, n, 1, 1, n, n + 1, off) for n in range(9))
    one = told(groups=groups, paused=True, failed=3, hours=((5, 3),) * 24, asked=10, gained=1)
    rows = plain(predicted_rows(one, Size(width, 8), Look()))
    assert {len(row) for row in rows} == {width}
    assert "\x1b" not in "".join(rows)
    assert rows[0].startswith("precision –")


def test_a_group_that_is_off_says_what_would_have_come_of_it() -> None:
    off = PredictedGroup("shop report", 4, 26, 0, 9, 10, TurnedOff(1.0, 4, 30))
    rows = plain(predicted_rows(told(groups=(off,)), Size(100, 6), Look()))
    assert rows[1].startswith("off shop report (4 of 30 used; since then 90.0% would be)")


def test_what_is_not_known_is_said() -> None:
    rows = plain(predicted_rows(told(), Size(100, 6), Look()))
    assert rows[0].startswith("precision not known yet  hit gain –  keys followed 7")
    assert rows[1].startswith("no group was forecast yet: three periods are needed first")
    assert "nothing in the last day" in "".join(rows)
