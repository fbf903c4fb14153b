"""What changed before an alert stands in its detail, and is found once and not at every drawing."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from perftui.draw.rows import Look, Size, plain
from perftui.model.alerts import Alert, AlertState
from perftui.model.event import Event
from perftui.model.finding import Severity
from perftui.model.series import Series, SeriesKey
from perftui.model.target import Target
from perftui.screens.overview.causes import SHOWN, Causes
from tests.console import state_dir
from tests.screens.test_alerts_flow import RULES, console_at

__all__ = ["state_dir"]

AT = 1_700_000_000.0
KEY = SeriesKey("shop", "http.p95_s")


class History:
    """A figure that trebled at an instant, and how often it was asked for."""

    def __init__(self) -> None:
        self.asked: list[SeriesKey] = []

    def series(self, key: SeriesKey, start: float, end: float) -> Series:
        self.asked.append(key)
        series = Series(key, "s", capacity=10_000)
        at = start
        while at <= end:
            series.append(at, (0.15 if at >= AT - 500 else 0.05) + (at % 7) / 10_000)
            at += 1.0
        return series


@pytest.fixture
def session() -> Any:
    target = Target("api.p95", "API p95", "s", below=0.1, kind="scrape", series="http.p95_s")
    return SimpleNamespace(
        history=History(),
        env=SimpleNamespace(
            depends_on={"shop": ("cache",)}, backends={"shop": SimpleNamespace(kind="scrape")}
        ),
        config=SimpleNamespace(objectives=lambda: (target,)),
    )


def alert(key: SeriesKey | None = KEY) -> Alert:
    labels = (("source", "shop"),)
    return Alert(
        "f", "slow", "p95 is high", Severity.WARNING, labels, 0.15, AlertState.FIRING, AT - 60, AT - 60,
        fired_at=AT, key=key,
    )  # fmt: skip


EVENTS = (
    Event(AT - 500, "config", "cache", "maxmemory", "64 MiB → 16 MiB", "ada"),
    Event(AT - 100, "note", "mail", "newsletter"),
)


def test_the_cause_stands_first_with_its_evidence(session: Any) -> None:
    rows = plain(Causes(session).rows(alert(), EVENTS, AT + 700, Size(90, 20), Look()))
    assert "30 min before" in rows[0]
    assert "cache: maxmemory 64 MiB → 16 MiB by ada" in rows[1]
    assert "depends on it" in rows[2]
    assert "50" in rows[2]
    assert "beyond noise" in rows[2]
    assert "newsletter" in rows[3]
    assert len(rows) == 5


def test_an_alert_of_a_finding_is_judged_by_its_target(session: Any) -> None:
    rows = plain(Causes(session).rows(alert(None), EVENTS, AT + 700, Size(90, 20), Look(ascii_=True)))
    assert session.history.asked == [KEY]
    assert "->" in rows[2]


def test_it_is_thought_about_once_until_there_is_news(session: Any) -> None:
    causes, size = Causes(session), Size(80, 20)
    for _ in range(5):
        causes.rows(alert(), EVENTS, AT + 700, size, Look())
    assert len(session.history.asked) == 1
    causes.rows(alert(), (*EVENTS, Event(AT - 50, "scale", "pool", "4 ready")), AT + 700, size, Look())
    causes.rows(alert(), EVENTS, AT + 800, size, Look())
    assert len(session.history.asked) == 3


def test_many_changes_are_counted_and_none_says_nothing(session: Any) -> None:
    many = [Event(AT - n, "note", "x", f"n{n}") for n in range(1, 12)]
    rows = plain(Causes(session).rows(alert(), many, AT + 700, Size(80, 40), Look()))
    assert rows[-1].strip() == f"and {11 - SHOWN} more"
    assert Causes(session).rows(alert(), (), AT + 700, Size(80, 40), Look()) == []


@pytest.mark.slow
async def test_the_detail_of_an_alert_tells_what_changed(tmp_path: Path, state_dir: Any) -> None:
    path = tmp_path / "config.toml"
    path.write_text(RULES)
    path.chmod(0o600)
    async with console_at(path, "here", (160, 48)) as seen:
        seen.app.session.events.add(Event(time.time() - 60, "config", "host", "swappiness", "60 → 1"))
        seen.app.go("overview.alerts")
        await seen.sees("CPU there")
        await seen.sees("what changed in the 30 min before")
        await seen.sees("host: swappiness 60 → 1")


async def test_the_timeline_reaches_a_month_back_and_names_the_event(tmp_path: Path, state_dir: Any) -> None:
    path = tmp_path / "config.toml"
    path.write_text(RULES)
    path.chmod(0o600)
    async with console_at(path, "here", (120, 40)) as seen:
        old = time.time() - 20 * 86400
        seen.app.session.events.add(Event(old, "deploy", "shop", "release 41"))
        seen.app.go("overview.timeline")
        await seen.sees("Lanes")
        assert "release 41" not in await seen.text()
        await seen.press("z", "z", "z", "z", "z", "z")
        await seen.sees(r"30 d · .*")
        await seen.press("/", *"release", "enter")
        await seen.sees(r"30 d · \d{4}-.* shop: release 41")
        await seen.press("+")
        await seen.sees("7 d")
        assert "md" in seen.app.base.tab.export_files()
