"""Calendar files on disk: kept when they break, in maintenance windows, and in what is unusual."""

from __future__ import annotations

import builtins
import datetime as dt
from dataclasses import replace

import pytest

from perftui.analysis.matchers import parse_matchers
from perftui.analysis.seasonal import WEEK
from perftui.config import load
from perftui.engines.alerts.maintenance import Maintain
from perftui.model.alerts import Maintenance
from perftui.model.calendar import CalendarFile
from perftui.model.errors import ConfigError, PlanRejected
from perftui.runtime.calendars import AGAIN, Calendars
from tests.runtime.test_alerts import Seat, Time
from tests.runtime.test_oddities import KEY, Hands, Scene, store

__all__ = ["store"]


def written(path, *events):
    """Each event is (begin, end, words), in epoch seconds."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for begin, end, words in events:
        starts, ends = (f"{dt.datetime.fromtimestamp(t, dt.UTC):%Y%m%dT%H%M%SZ}" for t in (begin, end))
        lines += ["BEGIN:VEVENT", f"DTSTART:{starts}", f"DTEND:{ends}", f"SUMMARY:{words}", "END:VEVENT"]
    path.write_text("\r\n".join([*lines, "END:VCALENDAR", ""]))
    return path


async def test_a_file_that_breaks_leaves_what_was_known(tmp_path, caplog):
    clock = Hands()
    path = written(tmp_path / "a.ics", (clock.now, clock.now + 3600, "Sale"))
    calendars = Calendars((CalendarFile("sales", str(path)),), clock)
    assert await calendars.refresh()
    assert not await calendars.refresh()
    path.write_text("<html>sorry</html>")
    assert await calendars.refresh()
    assert [one.title for one in calendars.occasions] == ["Sale"]
    assert "is no calendar" in calendars.problem
    path.unlink()
    assert await calendars.refresh()
    assert calendars.problem == f"calendar sales: {path}: No such file or directory"
    written(path, (clock.now, clock.now + 60, "Other"))
    report = await calendars.report()
    assert ([one.title for one in report.occasions], dict(report.problems)) == (["Other"], {})
    clock.now += AGAIN + 1
    assert await calendars.refresh()
    assert "is no calendar" in caplog.text


async def test_without_the_library_it_says_how_to_get_it(tmp_path, monkeypatch):
    clock, real = Hands(), builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "icalendar":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    calendars = Calendars((CalendarFile("a", str(written(tmp_path / "a.ics"))),), clock)
    await calendars.refresh()
    assert calendars.problem == "calendar a: needs icalendar: pip install 'perftui[calendar]'"


async def test_a_maintenance_window_goes_by_a_calendar(store, tmp_path):
    start = Time()
    seat = Seat(store, start)
    path = written(tmp_path / "a.ics", (start.now + 60, start.now + 660, "Moving house"))
    window = Maintenance("move", parse_matchers('source="web"'), "calendar plans", 3600.0)
    group = replace(seat.ruler.group, windows=(window,), calendars=(CalendarFile("plans", str(path)),))
    days = Calendars(group.calendars, seat.desk._clock)
    seat.ruler.group = seat.desk.group = group
    seat.ruler._days = seat.desk.days = days
    await seat.after(cpu=0.1)
    await seat.after(cpu=0.99)
    assert seat.words()["hot"] == "firing"
    for _ in range(12):
        await seat.after(cpu=0.99)
    assert seat.words()["hot"] == "silenced"
    (silence,) = seat.reports[-1].silences
    assert (silence.until, silence.note) == (pytest.approx(start.now, abs=700), "Moving house")
    assert (silence.until - silence.starts, silence.again) == (600, "calendar plans")
    given = {"name": "mine", "matchers": 'source="web"', "when": "calendar plans"}
    plan = await Maintain(seat.desk, "alerts", **given).plan()
    assert "is hushed for as long as it lasts at calendar plans" in plan.summary
    with pytest.raises(PlanRejected, match="there is no calendar other"):
        await Maintain(seat.desk, "alerts", **{**given, "when": "calendar other"}).plan()


async def test_what_happens_on_a_day_left_aside_is_neither_unusual_nor_learned(store, tmp_path):
    """Half the traffic for two hours of a planned event; afterwards all is judged as before."""
    scene = Scene(store)
    begin = scene.clock.now + 15 * 60
    path = written(tmp_path / "a.ics", (begin, begin + 7200, "Launch"))
    scene.watch._days = Calendars((CalendarFile("plans", str(path)),), scene.clock)
    await scene.minutes(16, 100)
    await scene.minutes(118, 50)
    (row,) = scene.watch.topic.value.report.rows
    assert (row.since, row.moved, row.day) == (None, None, "Launch")
    assert row.low < 100 < row.high
    await scene.minutes(5, 100)
    (row,) = scene.watch.topic.value.report.rows
    assert (row.since, row.moved, row.day) == (None, None, "")
    await scene.minutes(5, 50)
    (row,) = scene.watch.topic.value.report.rows
    assert row.since is not None


@pytest.mark.parametrize(("like", "odd"), [(6, False), (None, False), (2, True)])
def test_a_holiday_is_judged_as_the_weekday_it_is_like(like, odd):
    """Weekdays have 100, weekends 40; the holiday is a Wednesday with 40."""
    from perftui.analysis.occasions import Days
    from perftui.engines.anomaly import AnomalyEngine
    from perftui.model.anomaly import Watch
    from perftui.model.calendar import Occasion

    engine, monday = AnomalyEngine(Watch(trees=False)), 1_700_438_400.0
    assert dt.datetime.fromtimestamp(monday, dt.UTC).weekday() == 0
    at = [monday - 2 * WEEK + 600.0 * n for n in range(2 * 1008)]
    level = [40.0 if (a - monday) % WEEK >= 5 * 86400 else 100.0 for a in at]
    value = [v + (n * 7 % 5 - 2) * 0.8 for n, v in enumerate(level)]
    wednesday = monday + 2 * 86400
    engine.days = Days([Occasion(wednesday, wednesday + 86400, "Holiday", "c", "UTC", like)])
    engine.begin(KEY, "1/s", at, value)
    assert engine._series[KEY].state.season.period == WEEK
    engine.prime(KEY, at[-400:], value[-400:])
    for n in range(288):
        engine.feed(KEY, monday + 600.0 * n, 100 + (n * 7 % 5 - 2) * 0.8)
    for n in range(100):
        engine.feed(KEY, wednesday + 600.0 * n, 40 + (n * 7 % 5 - 2) * 0.8)
    (row,) = engine.observe(wednesday, {}, None).rows
    assert (row.since is not None, row.day) == (odd, "Holiday")


CONFIG = """
[env.x]
[alerts.calendars.holidays]
file = "h.ics"
timezone = "Europe/Berlin"
like = "sunday"
[alerts.maintenance.freeze]
match = 'source="db"'
when = "calendar holidays"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('file = "h.ics"', "", "needs `file`"),
        ("Europe/Berlin", "Berlin", "there is no time zone"),
        ('"sunday"', '"sun"', "`like` is a weekday"),
        ("calendar holidays", "calendar other", "there is no [alerts.calendars.other]"),
        ("calendars.holidays", 'calendars."a b"', "a name is letters"),
    ],
)
def test_what_is_wrong_with_a_calendar_is_said(tmp_path, old, new, said):
    path = tmp_path / "c.toml"
    path.write_text(CONFIG)
    group = load(path, "x").rules()
    (file,) = group.calendars
    assert (file.name, file.file, file.like) == ("holidays", str(tmp_path / "h.ics"), 6)
    assert group.windows[0].calendar == "holidays"
    path.write_text(CONFIG.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load(path, "x")
    assert said in str(caught.value)
