"""The Summary's drawings from plain values: states, figures, targets and what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perftui.analysis.budget import Objective, Spent, TargetsReport
from perftui.draw.rows import Look, Size, plain
from perftui.model.event import Event
from perftui.model.finding import Finding, Severity
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.model.reading import Measure, Reading
from perftui.model.resources import (
    CpuUse,
    DiskUse,
    HostReading,
    HostView,
    MemoryUse,
    NetUse,
    ResourcesReport,
)
from perftui.model.series import SeriesKey
from perftui.model.target import DEFAULTS, Target
from perftui.runtime.rings import Rings
from perftui.screens.overview.layers import LAYERS, cards
from perftui.screens.overview.rows import card_rows, event_rows, finding_rows, host_rows, target_rows

NOW = 1_000_000.0
LOOK = Look()
WIDE = Size(60, 6)
KINDS = {"cache": "valkey", "web": "scrape"}


def rings(**values: float) -> Rings:
    kept = Rings(seconds=3600)
    samples = tuple(Measure(SeriesKey("cache", name), value) for name, value in values.items())
    kept.record(Reading("cache", NOW, 0.0, samples, None))
    return kept


def frames(link: Link = Link.LIVE, findings: tuple[Finding, ...] = (), **values: float) -> dict[str, Frame]:
    health = {"cache": Health(link, NOW, "connection refused" if link is Link.LOST else "", seen=NOW)}
    cache = Frame("cache", NOW, object(), health, findings, history=rings(**values))
    return {layer.topic: Frame(layer.topic, NOW, None, {}) for layer in LAYERS} | {"cache": cache}


def card(**changes: Any) -> Any:
    made = cards(frames(**changes), lambda name: KINDS.get(name, ""))
    return next(c for c in made if c.layer.name == "cache")


def clustered(link: Link = Link.LIVE, findings: tuple[Finding, ...] = ()) -> dict[str, Frame]:
    """No single server, but a cluster that has told of itself."""
    kept = Rings(seconds=3600)
    figures = {"hit_ratio": 0.97, "used_bytes": 3e6, "evicted_per_s": 2.0}
    kept.record(
        Reading(
            "shards", NOW, 0.0, tuple(Measure(SeriesKey("shards", n), v) for n, v in figures.items()), None
        )
    )
    health = {"shards": Health(link, NOW, "no node answers" if link is Link.LOST else "", seen=NOW)}
    frame = Frame("cachecluster", NOW, object(), health, findings, history=kept)
    return {layer.topic: Frame(layer.topic, NOW, None, {}) for layer in LAYERS} | {"cachecluster": frame}


@pytest.mark.parametrize("kind", ["valkey-cluster", "valkey-sentinel"])
def test_a_cluster_or_group_has_the_caches_card_where_there_is_no_server(kind: str) -> None:
    def of(told: dict[str, Frame]) -> Any:
        kinds = {"shards": kind, "cache": "valkey"}
        return next(c for c in cards(told, lambda name: kinds.get(name, "")) if c.layer.name == "cache")

    it = of(clustered())
    assert (it.source, it.figure.strip(), it.state) == ("shards", "97.0%", "ok")
    assert dict(it.more)["evict"].strip() == "2/s"
    assert "2.86 MiB" in dict(it.more)["used"]
    assert it.frame.topic == "cachecluster"
    assert of(clustered(findings=(found(Severity.CRITICAL, "shards"),))).state == "crit"
    assert of(clustered(link=Link.LOST)).state == "lost"
    both = of({**frames(hit_ratio=0.5), "cachecluster": clustered(Link.LOST)["cachecluster"]})
    assert (both.source, both.state) == ("cache", "lost")  # the worst link of all behind it
    assert both.frame.topic == "cache"


def found(severity: Severity, source: str = "cache") -> Finding:
    return Finding("cache.x", severity, source, "Hit ratio below target", ("measured",))


def test_a_card_shows_its_figure_and_the_further_ones() -> None:
    made = card(hit_ratio=0.97, ops_per_s=120.0, used_bytes=1 << 20)
    assert (made.state, made.figure) == ("ok", "97.0%")
    text = plain(card_rows(made, NOW, WIDE, LOOK))
    assert "97.0%" in text[0]
    assert "hit ratio" in text[0]
    assert "120/s" in text[2]


@pytest.mark.parametrize(
    ("severity", "word"), [(Severity.INFO, "ok"), (Severity.WARNING, "warn"), (Severity.CRITICAL, "crit")]
)
def test_the_worst_finding_of_its_own_backends_colours_a_card(severity: Severity, word: str) -> None:
    assert card(findings=(found(severity), found(Severity.CRITICAL, "another"))).state == word


def test_a_lost_link_outranks_findings_and_says_why() -> None:
    made = card(link=Link.LOST, hit_ratio=0.5)
    assert made.state == "lost"
    assert "connection refused" in "\n".join(plain(card_rows(made, NOW, WIDE, LOOK)))


def test_a_layer_without_a_backend_says_what_connects_it() -> None:
    made = cards(frames(), lambda name: KINDS.get(name, ""))
    missing = next(c for c in made if c.layer.name == "database")
    text = "\n".join(plain(card_rows(missing, NOW, WIDE, LOOK)))
    assert "not connected" in text
    assert 'kind = "postgres"' in text


def test_no_sample_is_no_zero() -> None:
    made = card()
    assert made.figure == "–"
    assert "no sample yet" in "\n".join(plain(card_rows(made, NOW, WIDE, LOOK)))


TARGET = Target(
    "t", "API p95", "s", below=0.1, kind="scrape", series="http.p95_s", connect="a scrape backend"
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.05, ("ok", "50.0 ms")), (0.25, ("warn", "250 ms")), (None, ("–", "a scrape backend"))],
)
def test_a_target_is_met_or_not_or_unknown(value: float | None, shown: tuple[str, str]) -> None:
    row = plain(target_rows([TARGET], lambda _t: value, Size(70, 3), LOOK))[0]
    for word in shown:
        assert word in row
    assert "< 100 ms" in row


def test_a_row_says_how_far_the_figure_is_from_its_goal() -> None:
    assert "50.0 ms to spare" in plain(target_rows([TARGET], lambda _t: 0.05, Size(70, 3), LOOK))[0]
    assert "150 ms off" in plain(target_rows([TARGET], lambda _t: 0.25, Size(70, 3), LOOK))[0]
    narrow = plain(target_rows([TARGET], lambda _t: 0.25, Size(40, 3), LOOK))[0]
    assert "< 100 ms" in narrow
    assert "off" not in narrow


def test_what_has_figures_tells_how_it_fared_before_what_has_no_source() -> None:
    known = [replace(TARGET, id=f"t{n}", title=f"known {n}") for n in range(2)]
    unfed = [replace(TARGET, id=f"u{n}", title=f"unfed {n}", series="") for n in range(3)]
    spent = Spent(3600.0, 1000.0, 100.0)
    report = TargetsReport(tuple(Objective(t, 0.2, (("1 h", spent),)) for t in known))
    rows = plain(
        target_rows([*unfed, *known], lambda t: 0.2 if t in known else None, Size(70, 6), LOOK, report)
    )
    assert len(rows) == 6
    assert "known 0" in rows[0]
    assert "1h 10.0%" in rows[1]
    assert "known 1" in rows[2]
    assert all("unfed" in row for row in rows[4:])


def test_in_little_room_targets_become_a_strip_of_what_is_known() -> None:
    rows = plain(
        target_rows(DEFAULTS, lambda t: 0.05 if t.unit == "s" and t.series else None, Size(80, 2), LOOK)
    )
    assert len(rows) == 1
    assert "API p95 50.0 ms" in rows[0]
    assert "LCP" not in rows[0]


@pytest.mark.parametrize(
    ("below", "above", "value", "met"), [(1.0, None, 1.0, False), (None, 0.9, 0.95, True)]
)
def test_targets_have_sides(below: float | None, above: float | None, value: float, met: bool) -> None:
    assert replace(TARGET, below=below, above=above).met(value) is met


HOST = HostReading(
    host="here",
    window=1.0,
    cpu=CpuUse("all", 0.5),
    cores=(CpuUse("0", 0.25), CpuUse("1", 0.95)),
    load=(1.0, 1.0, 1.0),
    memory=MemoryUse(total=8 << 30, available=2 << 30),
    disks=(DiskUse("vda", 1, 2, 0.0, 4096.0, 0, 0, 0, 0.3),),
    nets=(NetUse("eth0", 1000.0, 2000.0, 1, 1, 0, 0), NetUse("lo", 9999.0, 9999.0, 1, 1, 0, 0)),
)


def host_text(height: int, **changes: Any) -> list[str]:
    report = ResourcesReport((HostView("here", NOW, replace(HOST, **changes)),))
    frame = Frame("resources", NOW, report, {}, history=Rings())
    return plain(host_rows(frame, Size(70, height), LOOK))


def test_a_host_shows_cores_memory_disk_and_network() -> None:
    text = "\n".join(host_text(10))
    for word in ("core 0", "25.0%", "core 1", "95.0%", "memory   75.0%", "vda 30.0% busy", "in 1000 B/s"):
        assert word in text, f"{word} not in\n{text}"
    assert "loopback 9.76 KiB/s" in text


def test_many_cores_in_little_room_become_one_row() -> None:
    cores = tuple(CpuUse(str(n), n / 64) for n in range(64))
    text = host_text(5, cores=cores)
    assert len(text) <= 5
    assert text[0].startswith("cores ")


def test_events_newest_first_and_findings_best_first() -> None:
    events = [Event(NOW + n, "link", "cache", f"event {n}") for n in range(9)]
    text = plain(event_rows(events, Size(60, 3), LOOK))
    assert ["event 8" in text[0], "event 7" in text[1], "event 6" in text[2]] == [True] * 3
    frame = Frame("findings", NOW, None, {}, (found(Severity.CRITICAL), found(Severity.INFO)))
    assert "crit" in plain(finding_rows(frame, Size(60, 3), LOOK))[0]


def test_nothing_happened_and_nothing_found_are_said() -> None:
    assert "nothing has happened" in plain(event_rows((), Size(60, 3), LOOK))[0]
    assert "no finding" in plain(finding_rows(Frame("findings", NOW, None, {}), Size(60, 3), LOOK))[0]


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"used_bytes": 32 * 2**20, "max_bytes": 64 * 2**20}, "50.0%"),
        ({"used_bytes": 32 * 2**20, "max_bytes": 0.0}, "32.0 MiB"),
        ({"used_bytes": 32 * 2**20}, "32.0 MiB"),
        ({}, "–"),
    ],
)
def test_memory_is_a_share_of_its_limit_where_there_is_one(figures: dict[str, float], said: str) -> None:
    assert dict(card(**figures).more)["used"].strip() == said


def test_connections_are_so_many_of_so_many() -> None:
    kept = Rings(seconds=3600)
    told = {"connections": 14.0, "max_connections": 100.0, "p95_estimate_s": 0.0031}
    kept.record(Reading("db", NOW, 0.0, tuple(Measure(SeriesKey("db", n), v) for n, v in told.items()), None))
    frame = Frame("database", NOW, object(), {"db": Health(Link.LIVE, NOW, "", seen=NOW)}, history=kept)
    every = {layer.topic: Frame(layer.topic, NOW, None, {}) for layer in LAYERS} | {"database": frame}
    it = next(c for c in cards(every, lambda _: "postgres") if c.layer.name == "database")
    assert [(title, text.strip()) for title, text in it.more] == [
        ("p95", "3.10 ms"),
        ("tx", "–"),
        ("conns", "14/100"),
    ]
