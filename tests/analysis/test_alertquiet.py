"""Figures of a rule's past."""

from __future__ import annotations

import pytest

from perftui.analysis import alertquiet
from perftui.analysis.alertquiet import Hush, dressed, stats
from perftui.analysis.matchers import parse_matchers
from perftui.model.alerts import AlertEvent, Inhibition, RuleGroup, RuleStats
from perftui.model.finding import Severity
from perftui.model.series import SeriesKey
from tests.notices import alert


def event(at, kind, began=1.0, rule="r"):
    return AlertEvent(at, kind, rule, "f", began=began)


def test_how_often_how_long_how_soon():
    events = [
        event(10, "firing"),
        event(30, "acknowledged"),
        event(40, "acknowledged"),
        event(70, "resolved"),
        event(100, "firing", began=90),
        event(120, "resolved", began=90),
        event(200, "firing", began=190),
        event(5, "resolved", rule="other"),
        event(6, "threshold", rule="r"),
    ]
    assert stats(events, 250.0) == (RuleStats("r", 3, 60 + 20 + 50, 20.0, 40.0),)


def test_nothing_is_said_of_what_never_fired():
    assert stats([event(1, "threshold")], 5.0) == ()


def muted(critical, lesser):
    lesser = alert(severity=Severity.WARNING, **lesser)
    found = {one.fingerprint: one for one in dressed([alert(**critical), lesser], {}, (), 10.0)}
    return found[lesser.fingerprint].word == "muted"


SERIES = SeriesKey("host", "cpu.busy_ratio")


@pytest.mark.parametrize(
    ("critical", "lesser"),
    [
        ({"rule": "HostCpuCritical"}, {"rule": "HostCpuHigh"}),
        ({"rule": "HostCpuCritical"}, {"rule": "finding:host.cpu-saturated:warning"}),
        ({"rule": "HighErrorRateCritical"}, {"rule": "HighErrorRate", "labels": (("team", "a"),)}),
        ({"rule": "finding:db.lock-storm"}, {"rule": "finding:db.lock-storm:warning"}),
        ({"rule": "hot", "key": SERIES}, {"rule": "busy", "key": SERIES}),
        (
            {"rule": "HostCpuCritical", "labels": (("pid", "7"),)},
            {"rule": "HostCpuHigh", "labels": (("pid", "7"),)},
        ),
        (
            {"rule": "DiskFullCritical", "labels": (("device", "a"), ("fs", "ext4"))},
            {"rule": "DiskFull", "labels": (("device", "a"), ("mount", "/"))},
        ),
    ],
)
def test_a_critical_one_speaks_for_the_lesser_ones_of_its_family(critical, lesser):
    assert muted(critical, lesser)


@pytest.mark.parametrize(
    ("critical", "lesser"),
    [
        ({"rule": "HostCpuCritical"}, {"rule": "HostMemoryHigh"}),
        ({"rule": "HostCpuCritical"}, {"rule": "finding:process.memory-growing"}),
        ({"rule": "HostCpuCritical"}, {"rule": "HostCpuHigh", "source": "elsewhere"}),
        (
            {"rule": "HostCpuCritical", "labels": (("pid", "7"),)},
            {"rule": "HostCpuHigh", "labels": (("pid", "8"),)},
        ),
        (
            {"rule": "DiskFullCritical", "labels": (("device", "a"), ("fs", "ext4"))},
            {"rule": "DiskFull", "labels": (("device", "b"), ("mount", "/"))},
        ),
        ({"rule": "HighCPU"}, {"rule": "HighCache"}),
        ({"rule": "hot", "key": SERIES}, {"rule": "busy", "key": SeriesKey("host", "memory.used_ratio")}),
        ({"rule": "HostCpuCritical", "source": ""}, {"rule": "HostCpuHigh", "source": ""}),
    ],
)
def test_of_another_matter_or_another_instance_people_are_told(critical, lesser):
    assert not muted(critical, lesser)


def test_who_keeps_many_quiet_is_looked_for_once(monkeypatch):
    """A partition: a thousand hosts are lost, and each mutes what else fires of it."""
    lost, any_ = parse_matchers('rule="BackendLost"'), parse_matchers('rule!=""')
    group = RuleGroup("all", (), inhibitions=(Inhibition(lost, any_, ("source",), "lost mutes the rest"),))
    alerts = [
        alert(rule=rule, source=f"h{n}", fingerprint=f"{rule}{n}")
        for n in range(1000)
        for rule in ("BackendLost", "HostCpuHigh")
    ]
    shown, looks, real = dressed(alerts, {}, (), 10.0, group), [], alertquiet.inhibited

    def inhibited(*given):
        looks.append(1)
        return real(*given)

    monkeypatch.setattr(alertquiet, "inhibited", inhibited)
    hush = Hush(shown, (), group)
    said = {hush.of(one) for one in shown if one.muted_by}
    assert len(said) == 1000
    assert "while BackendLost fires (lost mutes the rest, BackendLost7)" in said
    assert len(looks) == 1
