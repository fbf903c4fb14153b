"""Our own series under their Prometheus names, from memory and from history."""

from __future__ import annotations

import pytest

from perftui.analysis.metricnames import metric_labels, metric_name
from perftui.analysis.promql import Shelf, evaluate_range, parse
from perftui.model.errors import ConfigError
from perftui.model.health import Health, Link
from perftui.model.metrics import Dialect, Flavour, PromReading, Speech, labels_of
from perftui.model.reading import Look, Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime import localseries
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.links import Links
from perftui.runtime.localseries import LocalSeries
from perftui.runtime.rings import Rings

KINDS = {"web": "host", "db": "postgres"}


class World:
    def __init__(self, store):
        self.now = 1_200_000_000.0
        self.rings, self.looks, self.written = Rings(), {}, Shelf()
        self.rings._began = self.now - 3600
        self.history = History(store, Clock(lambda: self.now, lambda: self.now))
        self.local = LocalSeries(
            KINDS, history=self.history, rings=self.rings, looks=lambda: self.looks, written=self.written
        )

    def read(self, source="web", link=Link.LIVE, at=None, **values):
        at = self.now if at is None else at
        samples = tuple(
            Measure(SeriesKey(source, name.replace("__", "."), (("core", "0"),) if "core" in name else ()), v)
            for name, v in values.items()
        )
        reading = Reading(source, at, 0.0, samples, None)
        self.rings.record(reading)
        self.history.record(reading)
        self.looks[source] = Look(source, KINDS[source], reading, Health(link, at))

    async def ask(self, expression):
        return [(dict(p.labels), p.value) for p in await self.local(expression, self.now)]


@pytest.fixture
def url(tmp_path):
    return str(tmp_path / "store.sqlite")


@pytest.fixture
def world(store):
    return World(store)


def test_names():
    key = SeriesKey("web-1", "cpu.core_busy_ratio", (("core", "0"),))
    assert metric_labels(key, "host") == labels_of(
        "perftui_host_cpu_core_busy_ratio", core="0", source="web-1"
    )
    assert metric_labels(SeriesKey("db", "up"), "postgres") == labels_of("up", kind="postgres", source="db")
    assert metric_name("a-b.c", "x-y") == "perftui_x_y_a_b_c"
    odd = metric_labels(SeriesKey("w", "x", (("1a b", "v"),)), "host")
    assert dict(odd)["_1a_b"] == "v"


@pytest.mark.parametrize(("generation", "inside"), [(2, 3.0), (3, 2.0)])
async def test_the_left_end_of_a_range_is_as_the_connected_server_has_it(world, generation, inside):
    """A sample right at the left end: inside for generation 2, and for 3 outside."""
    for number in range(4):
        world.now += 10
        world.read(cpu__busy_ratio=number / 10)
    counted = "count_over_time(perftui_host_cpu_busy_ratio[20s])"
    assert world.local.speech == Speech()
    assert (await world.ask(counted))[0][1] == 3.0
    flavour = Flavour("Prometheus", f"{generation}.1.0", Dialect(generation))
    reading = Reading("prod", world.now, 0.0, (), PromReading(flavour, 1, 1))
    world.looks["prod"] = Look("prod", "prometheus", reading, Health(Link.LOST, world.now))
    assert (await world.ask(counted))[0][1] == inside
    assert world.local.speech.note.startswith(f"evaluated like Prometheus generation {generation}: ")
    assert world.local.speech.note.endswith(", as prod does")
    told = LocalSeries(KINDS, rings=world.rings, looks=lambda: world.looks, speech=Speech("old"))
    assert (await told(counted, world.now))[0].value == 3.0


async def test_recent_ones_come_from_memory(world):
    for number in range(10):
        world.now += 10
        world.read(cpu__busy_ratio=number / 10, cpu__core_busy_ratio=0.5)
    name = "perftui_host_cpu_busy_ratio"
    assert await world.ask(name) == [({"__name__": name, "source": "web"}, 0.9)]
    assert await world.ask(f"max_over_time({name}[45s]) - min_over_time({name}[45s])") == [
        ({"source": "web"}, pytest.approx(0.4))
    ]
    assert await world.ask('{__name__=~"perftui_host.*", core="0"}') != []
    assert await world.ask('up{kind="host"}') == [({"__name__": "up", "kind": "host", "source": "web"}, 1.0)]


async def test_what_is_gone_ends_at_once(world):
    world.read(a=1.0, b=1.0)
    world.now += 10
    world.read(a=1.0)
    assert len(await world.ask("perftui_host_a")) == 1
    assert await world.ask("perftui_host_b") == []
    world.looks["web"] = Look("web", "host", world.looks["web"].reading, Health(Link.LOST, world.now + 5))
    world.now += 10
    assert await world.ask("perftui_host_a") == []
    assert await world.ask("up") == [({"__name__": "up", "kind": "host", "source": "web"}, 0.0)]


async def test_what_rules_wrote_is_there_too(world):
    world.read(a=2.0)
    world.written.append(labels_of("limit", source="web"), world.now, 1.0)
    assert await world.ask("perftui_host_a > on (source) limit") != []


async def test_older_ones_come_from_history(world):
    begin = world.now
    for number in range(400):
        world.now = begin + 15 * number
        world.read(a=float(number))
    plan = parse("perftui_host_a")
    reader = await world.local.reader(plan, begin, world.now)
    (row,) = evaluate_range(plan, reader, begin, world.now, 15.0)
    assert list(row.values) == [float(number) for number in range(400)]
    assert await world.ask("perftui_host_a offset 1h") == [
        ({"__name__": "perftui_host_a", "source": "web"}, 159.0)
    ]
    both = await world.ask("perftui_host_a - perftui_host_a offset 1h")
    assert both == [({"source": "web"}, 240.0)]


def lived(world, links, spells):
    """Minutes of a link as told: a look every five seconds."""
    for minutes, link in spells:
        for _ in range(minutes * 12):
            world.now += 5
            world.looks["db"] = Look("db", "postgres", None, Health(link, world.now))
            links.note(world.looks, world.now)


@pytest.mark.parametrize("name", ["up", "perftui_source_up"])
async def test_up_has_a_past(world, store, name):
    """Ten minutes of a link, three of which it was lost; from memory, and from history in another process."""
    assert await store.ready()
    kept = []

    def keep(reading):
        for take in (world.rings.record, world.history.record, kept.append):
            take(reading)

    world.looks["web"] = Look("web", "host", None, Health(Link.WAITING, world.now))
    lived(world, Links(keep), [(5, Link.LIVE), (3, Link.LOST), (2, Link.LATE)])
    assert len(kept) == 10 * 4  # all changes lie on the step
    known = {"kind": "postgres", "source": "db"}
    assert await world.ask(name) == [({"__name__": name, **known}, 1.0)]
    (mean,) = await world.ask(f"avg_over_time({name}[9m59s])")
    assert mean == (known, pytest.approx(0.7, abs=0.02))
    assert await world.ask(f"changes({name}[9m59s])") == [(known, 2.0)]
    assert await world.ask(f"min_over_time({name}{{source='db'}}[90s])") == [(known, 1.0)]
    assert await world.history.flush()
    for history in (world.history, History(store, Clock(lambda: world.now, lambda: world.now))):
        assert await history.ready()
        plan, start = parse(f"{name} == 0"), world.now - 600
        reader = await LocalSeries(KINDS, history=history).reader(plan, start, world.now)
        (lost,) = evaluate_range(plan, reader, start, world.now, 15.0)
        assert (dict(lost.labels), len(lost.at)) == ({"__name__": name, **known}, 12)


async def test_a_link_that_changes_is_remembered_at_once(world):
    kept = []
    links = Links(kept.append)
    lived(world, links, [(1, Link.LIVE)])
    world.now += 1
    world.looks["db"] = Look("db", "postgres", None, Health(Link.LOST, world.now))
    links.note(world.looks, world.now)
    assert [sample.value for reading in kept for sample in reading.samples] == [1.0] * 4 + [0.0]
    assert kept[-1].at == world.now


async def test_too_much_is_refused(world, monkeypatch):
    monkeypatch.setattr(localseries, "MOST_SERIES", 1)
    world.read(a=1.0, b=1.0)
    with pytest.raises(ConfigError, match="matches 2 series"):
        await world.ask('{source="web"}')
    monkeypatch.setattr(localseries, "MOST_ROWS", 0)
    with pytest.raises(ConfigError, match="samples"):
        await world.ask("perftui_host_a")
