"""What is concluded from predictions that turned themselves off, and real nodes asked to go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.engines.cache import predicted
from perftui.engines.cache.predicted import PredictAgain
from perftui.instrument.cache import predict, stats
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.predict import Predicting
from perftui.model.action import Progress
from perftui.model.errors import PlanRejected
from perftui.model.finding import Severity
from perftui.model.options import ValkeyOptions
from perftui.model.predicted import Predicted, PredictedGroup, TurnedOff, together
from perftui.model.tierview import TierFacts, TierNode
from tests.engines.cache.test_findings import conclude
from tests.rows import Rows
from tests.waiting import until

ON = PredictedGroup("menu", 90, 10, 3, 45, 50)
OFF = PredictedGroup("report", 0, 30, 0, 0, 0, TurnedOff(1000.0, 4, 30))
TOLD = Predicted(100, ((5, 4),) * 24, 1000, 40, 60, 0, paused=False, groups=(ON,))


def told(*nodes: tuple[str, Predicted | None]) -> TierFacts:
    return TierFacts(tuple(TierNode("shop", node, 0.0, predicted=one) for node, one in nodes))


def test_predictions_that_pay_are_no_finding() -> None:
    assert "cache.predictions-off" not in conclude(tiers=told(("a" * 32, TOLD), ("b" * 32, None)))


def test_those_that_are_off_are_one_with_what_was_measured() -> None:
    off = replace(TOLD, groups=(ON, replace(OFF, day_used=18, day=20)))
    found = conclude(tiers=told(("a" * 32, off), ("b" * 32, TOLD)))["cache.predictions-off"]
    assert found.severity is Severity.INFO
    assert found.title == "Predictive warming of shop turned itself off"
    assert found.evidence == (
        "report: 4 of 30 keys loaded ahead were used in the day before at aaaaaaaa",
        "90.0% of 20 that it would have loaded since, in a day, would have been used",
        "the other groups go on: 90.0% of their loads are used",
    )
    assert found.offer is not None
    assert (found.offer.action, found.offer.params) == ("cache.predict-again", (("namespace", "shop"),))


def test_of_many_some_are_told() -> None:
    off = replace(TOLD, groups=tuple(replace(OFF, name=f"g{n}\x1b") for n in range(9)))
    found = conclude(tiers=told(("a" * 32, off)))["cache.predictions-off"]
    assert len(found.evidence) == 4
    assert found.evidence[-1] == "off as well: 6 groups more"
    assert "\x1b" not in "".join(found.evidence)


def test_nodes_are_put_together_by_the_hour() -> None:
    late = replace(TOLD, hour=102, hours=((1, 0),) * 24, groups=(ON, OFF))
    both = together([("shop", TOLD), ("shop", late), ("cart", TOLD)])
    assert both is not None
    assert (both.hour, both.asked, both.gained, both.keys) == (102, 3000, 120, 180)
    assert both.hours == ((11, 8),) * 22 + ((1, 0),) * 2
    assert [(group.name, group.day, group.off) for group in both.groups] == [
        ("shop menu", 100, None),
        ("shop report", 0, OFF.off),
        ("cart menu", 50, None),
    ]
    twice = together(
        [("", replace(late, groups=(OFF,))), ("", replace(late, groups=(replace(OFF, wasted=1),)))]
    )
    assert twice is not None
    assert (twice.groups[0].wasted, twice.groups[0].off) == (31, OFF.off)
    assert together([]) is None


@pytest.fixture
async def console(valkey: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Valkey]:
    monkeypatch.setattr(stats, "EVERY", 0.03)
    monkeypatch.setattr(predicted, "LOOK", 0.03)
    monkeypatch.setattr(predict, "LOOK_EVERY", 0.03)
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    await made._work.one("FLUSHALL", deadline=5)
    yield made
    await made.close()


async def test_nodes_go_on_when_asked(console: Valkey, valkey: Any) -> None:
    url = f"redis://:{valkey.password}@127.0.0.1:{valkey.port}/0"
    async with Cache("shop", l2=url, source=Rows()) as cache:
        made = Predicting(cache)
        group = made._habits.group("report", 0.0)
        group.predictions.off = TurnedOff(1000.0, 4, 30)
        with pytest.raises(PlanRejected, match="no predictions are off"):
            await PredictAgain(console, "cache", namespace="carts").plan()
        publisher = cache._publisher
        assert publisher is not None
        await publisher.publish()
        action = PredictAgain(console, "cache", namespace="shop")
        plan = await action.plan()
        assert plan.affects == (
            f"{cache.node[:8]}: report: 4 of 30 keys loaded ahead were used in the day before",
        )
        seen: list[Progress] = []
        receipt = await action.run(seen.append)
        assert (receipt.done, receipt.failed, group.predictions.trusted) == (1, (), True)
        assert seen[-1] == Progress(1, 1, "nodes")
        with pytest.raises(PlanRejected):
            await action.undo(receipt)
        await until(lambda: cache.stats().gauges["predict.on"] == 1)
