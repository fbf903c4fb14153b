"""What the autoscaling engine concludes from pools, and what it offers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.engines.autoscaling import AutoscalingEngine
from perftui.engines.autoscaling.scale import ScaleTo
from perftui.model.action import Receipt
from perftui.model.autoscaling import Instance, PoolFacts, Scale
from perftui.model.errors import PlanRejected
from perftui.model.event import Event
from perftui.model.finding import Severity
from perftui.model.health import Health, Link
from perftui.model.reading import Look, Reading
from perftui.runtime.rings import Rings

NOW = 10_000.0


def instance(n: int, state: str = "ready", cpu: float | None = 0.2, since: float = NOW - 100) -> Instance:
    return Instance(str(n), 100 + n, state, since, 50, 1, 1 << 20, cpu, 12.5)


def observe(facts: PoolFacts) -> Any:
    engine = AutoscalingEngine()
    look = Look("pool", "processpool", Reading("pool", NOW, 0.01, (), facts), Health(Link.LIVE, 0.0))
    report = engine.observe(NOW, {"pool": look}, Rings())
    return report, {f.id: f for f in engine.findings(report)}, engine.actions(report)


def facts(*instances: Instance, events: tuple[Event, ...] = (), **changes: int) -> PoolFacts:
    ready = sum(i.state == "ready" for i in instances)
    scale = replace(Scale("pool", len(instances), len(instances), ready, 1, 4, 7), **changes)
    return PoolFacts(scale, instances, events)


def test_a_calm_pool_has_nothing_to_say_and_can_go_both_ways() -> None:
    report, findings, offers = observe(facts(instance(1), instance(2)))
    assert findings == {}
    assert report.workloads[0].cpu_ratio == pytest.approx(0.4)
    assert report.workloads[0].requests_per_s == pytest.approx(25)
    assert [dict(o.params)["n"] for o in offers] == [3, 1]


def test_hot_below_the_maximum_offers_enough_instances() -> None:
    _, findings, _ = observe(facts(instance(1, cpu=0.95), instance(2, cpu=0.95)))
    found = findings["scaling.hot"]
    assert found.severity is Severity.WARNING
    assert found.offer is not None
    assert dict(found.offer.params)["n"] == 4
    assert "95%" in found.evidence[0]


def test_hot_at_the_maximum_is_critical_and_offers_nothing() -> None:
    _, findings, offers = observe(facts(*(instance(n, cpu=0.9) for n in range(4))))
    assert findings["scaling.at-max"].severity is Severity.CRITICAL
    assert findings["scaling.at-max"].offer is None
    assert [dict(o.params)["n"] for o in offers] == [3]


def test_instances_that_do_not_become_ready() -> None:
    _, findings, _ = observe(facts(instance(1), instance(2, "starting", None, NOW - 30)))
    assert "starting for 30 s" in findings["scaling.not-ready"].evidence[0]
    _, findings, _ = observe(facts(instance(1), instance(2, "starting", None, NOW - 2)))
    assert findings == {}


def test_crashes_count_only_while_they_are_recent() -> None:
    _, findings, _ = observe(facts(instance(1), events=crashes(-180, -120, -60)))
    assert findings["scaling.crashing"].severity is Severity.CRITICAL
    _, findings, _ = observe(facts(instance(1), events=crashes(-3780, -3720, -3660)))
    assert findings == {}


def crashes(*seconds: float) -> tuple[Event, ...]:
    """Workers that died so many seconds from now."""
    return tuple(Event(NOW + s, "scale", "pool", "crashed", "a worker exited with -9") for s in seconds)


@given(st.floats(0.5, 280.0), st.floats(0.0, 600.0))
def test_crashes_at_a_pace_are_over_three_paces_or_45_s_after_the_last(pace: float, since: float) -> None:
    past = crashes(*(-since - pace * n for n in range(20, -1, -1)))
    told = "scaling.crashing" in observe(facts(instance(1), events=past))[1]
    in_window = since + 2 * pace <= 600.0
    assert told == (in_window and since <= max(45.0, 3 * pace)) or abs(since - max(45.0, 3 * pace)) < 1e-6


@given(st.floats(0.5, 280.0), st.floats(0.0, 1.0))
def test_crashes_that_go_on_are_told_without_a_break(pace: float, part: float) -> None:
    past = crashes(*(-pace * (n + part) for n in range(20, -1, -1) if pace * (2 + part) < 600))
    assert not past or "scaling.crashing" in observe(facts(instance(1), events=past))[1]


class Pool:
    """A pool that reaches what it is told after one look."""

    def __init__(self, desired: int = 3) -> None:
        self.now = Scale("pool", desired, desired, desired, 1, 8, 1)

    async def scale(self, ref: str) -> Scale:
        told, self.now = self.now, replace(self.now, running=self.now.desired, ready=self.now.desired)
        return told

    async def set_replicas(self, ref: str, n: int, *, revision: int) -> Receipt:
        if revision != self.now.revision:
            raise PlanRejected("changed meanwhile")
        self.now = replace(self.now, desired=n, revision=revision + 1)
        return Receipt("asked")


def silent(_progress: object) -> None:
    """Nobody looks at the progress here."""


async def test_scale_and_undo() -> None:
    pool = Pool()
    action = ScaleTo(pool, "pool", n=5)
    plan = await action.plan()
    assert plan.reversible
    assert plan.count == 2
    receipt = await action.run(silent)
    assert (receipt.facts["before"], receipt.facts["after"]) == (3, 5)
    assert pool.now.desired == 5
    await ScaleTo(pool, "pool", n=5).undo(replace(receipt, facts={}))  # by another process
    assert pool.now.desired == 3


async def test_undo_does_not_overwrite_somebody_elses_change() -> None:
    pool = Pool()
    action = ScaleTo(pool, "pool", n=5)
    await action.plan()
    receipt = await action.run(silent)
    await pool.set_replicas("pool", 7, revision=pool.now.revision)
    with pytest.raises(PlanRejected, match="changed since"):
        await action.undo(receipt)
    assert pool.now.desired == 7


async def test_a_plan_that_no_longer_holds_is_rejected() -> None:
    pool = Pool()
    action = ScaleTo(pool, "pool", n=5)
    await action.plan()
    await pool.set_replicas("pool", 4, revision=pool.now.revision)
    with pytest.raises(PlanRejected, match="changed meanwhile"):
        await action.run(silent)


@pytest.mark.parametrize("n", [0, 9, -1])
async def test_out_of_bounds_is_rejected_before_anything_is_sent(n: int) -> None:
    pool = Pool()
    with pytest.raises(PlanRejected, match="bounds 1 to 8"):
        await ScaleTo(pool, "pool", n=n).plan()
    assert pool.now.revision == 1


def test_a_silent_worker_is_told_with_what_it_holds() -> None:
    _, findings, _ = observe(facts(instance(1), instance(2, "silent")))
    found = findings["scaling.silent"]
    assert found.severity is Severity.CRITICAL
    assert found.title == "pool: 1 of 2 workers are silent"
    assert "worker 2 (pid 102) holds 1 requests" in found.evidence[0]
