"""Rules of others over a host's metrics, without a server: what they ask for is kept, and nothing more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.analysis.promrules import groups_of
from perftui.analysis.rulefile import read_rules
from perftui.model.reading import Reading
from perftui.model.resources import MountUse
from perftui.runtime.nodeseries import NodeSeries
from tests.analysis.test_hostmeasures import HOST

# As people publish them for node_exporter, word by word.
RULES = """\
groups:
- name: node
  rules:
  - alert: HostHighCpuLoad
    expr: 100 - (avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[2m])) * 100) > 80
  - alert: HostOutOfDiskSpace
    expr: (node_filesystem_avail_bytes * 100) / node_filesystem_size_bytes < 10
      and on (instance, device, mountpoint) node_filesystem_readonly == 0
  - alert: Host
    expr: 'count({__name__=~"node_memory_Mem(Total|Free)_bytes"}) * on () group_left () node_uname_info > 0'
  - alert: Server
    expr: node_load15 > 3
    annotations: {perftui_source: prod}
  - alert: Whatever
    expr: sum({job="web"}) > 1
"""


def names(reading):
    return {m.key.name.removeprefix("metric:") for m in reading.samples if m.key.name.startswith("metric:")}


@pytest.fixture
def host():
    return replace(HOST, window=10.0, mounts=(MountUse("/", "/dev/sda1", "ext4", 100, 90, 10),))


def test_only_what_rules_name_is_kept(host):
    groups = groups_of(read_rules(RULES))
    made = NodeSeries(lambda: groups)
    reading = made.added(Reading("here", 1000.0, 0.0, (), host))
    assert names(reading) == {
        "node_cpu_seconds_total",
        *(f"node_filesystem_{name}" for name in ("avail_bytes", "size_bytes", "readonly")),
        *(f"node_memory_Mem{name}_bytes" for name in ("Total", "Free")),
        "node_uname_info",
    }
    labels = [dict(m.key.labels) for m in reading.samples]
    assert all((one["job"], one["instance"]) == ("here", host.host) for one in labels)
    total = next(m for m in reading.samples if m.key.name.endswith("MemTotal_bytes"))
    assert (total.value, total.unit) == (host.memory.total, "bytes")


def test_counters_grow_from_look_to_look_and_each_host_has_its_own(host):
    groups = groups_of(read_rules(RULES))
    made = NodeSeries(lambda: groups)

    def idle(source):
        reading = made.added(Reading(source, 1000.0, 0.0, (), host))
        return [
            m.value
            for m in reading.samples
            if m.key.name == "metric:node_cpu_seconds_total" and dict(m.key.labels)["mode"] == "idle"
        ]

    first, second, other = idle("here"), idle("here"), idle("there")
    assert second == pytest.approx([2 * value for value in first])
    assert other == first
    assert all(first)


def test_rules_that_change_are_followed_and_other_readings_stay_as_they_are(host):
    groups = ()
    made = NodeSeries(lambda: groups)
    reading, other = Reading("here", 1.0, 0.0, (), host), Reading("db", 1.0, 0.0, (), None)
    assert made.added(reading) is reading
    groups = groups_of(read_rules("groups: [{name: g, rules: [{alert: A, expr: node_load1 > 1}]}]"))
    assert names(made.added(reading)) == {"node_load1"}
    assert made.added(other) is other
