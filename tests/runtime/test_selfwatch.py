"""What keeps alerts from being raised or heard is found, and a rule that cannot be evaluated is an alert."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest

from perftui.engines.alerts.watch import WatchEngine
from perftui.model.alerts import Alert
from perftui.model.finding import Severity
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.model.notify import ChannelState
from perftui.model.reading import Look, Reading, apart
from perftui.model.selfwatch import Pressed
from perftui.runtime.clock import Clock
from perftui.runtime.rings import Rings
from perftui.runtime.selfwatch import SelfWatch
from perftui.runtime.topic import Topic
from tests.notices import alert
from tests.runtime.test_alerts import Time
from tests.runtime.test_filed_alerts import FiledSeat

BROKEN = """\
groups:
- name: g
  interval: 5s
  rules:
  - alert: Wrong
    expr: perftui_host_cpu / on () {__name__=~"perftui_host_.*"}
  - alert: Right
    expr: perftui_host_cpu > 2
"""


@dataclass
class Channels:
    """A notifier as it stands."""

    states: tuple[ChannelState, ...] = ()

    def standing(self):
        return self.states


@dataclass
class Desk:
    notifier: Channels | None = None
    pressed: Pressed | None = None
    looks: Callable[[], Mapping[str, Look]] = dict


class Watched:
    """A watch over a console's alerts, its clocks moved by the test."""

    def __init__(self, start, rings=None, lonely=False):
        self.wall, self.mono = start, Time(start.now)
        self.desk, self.topic, self.alerts = Desk(), Topic("selfwatch"), Topic("alerts")
        self.notes = []
        self.watch = SelfWatch(
            WatchEngine(),
            self.desk,
            self.alerts,
            rings or Rings(),
            Clock(self.wall, self.mono),
            self.topic,
            self.notes.append,
            lambda: lonely,
        )

    def after(self, seconds=5.0):
        self.mono.now += seconds
        self.watch.tick()
        return {f.id: f for f in self.topic.value.findings}


@pytest.fixture
async def url(sqlite_url):
    return sqlite_url


async def test_a_rule_that_cannot_be_evaluated_is_told_after_five_minutes(store, tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(BROKEN)
    seat = FiledSeat(store, Time()).file(path)
    seat.time.now -= seat.time.now % 5
    seen = Watched(seat.time)
    seat.ruler.group = replace(seat.ruler.group, findings=("alerts.rule-unhealthy",))

    async def look():
        report = await seat.after(5, cpu=0.5, load=1.0)
        seen.alerts.publish(Frame("alerts", report.at, report, {}))
        found = seen.after()
        seat.findings[:] = seen.topic.value.findings
        return found

    for _ in range(60):
        assert "alerts.rule-unhealthy" not in await look()
    one = (await look())["alerts.rule-unhealthy"]
    assert (one.severity, one.title) == (Severity.WARNING, "the rule Wrong cannot be evaluated")
    assert "found duplicate series for the match group" in one.evidence[0]
    assert one.evidence[2] == "rules.yml:5"
    for _ in range(5):
        await look()
    (told,) = seat.reports[-1].alerts
    assert (told.rule, told.word) == ("finding:alerts.rule-unhealthy:warning", "firing")
    path.write_text(BROKEN.replace("/ on ()", "/ on (__name__)"))
    await look()
    assert "alerts.rule-unhealthy" not in await look()


def test_a_channel_that_fails_and_nobody_who_goes_on():
    seen = Watched(Time(), lonely=True)
    now = seen.wall.now
    assert seen.after() == {}
    failing = ChannelState("pager", "pagerduty", None, 3, now - 301, "HTTP 403")
    seen.desk.notifier = Channels((failing, ChannelState("mail", "email", now)))
    found = seen.after()
    assert set(found) == {"notify.failing", "agent.absent"}
    assert found["notify.failing"].evidence == ("nothing went through for 5 m", "HTTP 403")
    seen.desk.notifier = Channels((replace(failing, failing=now - 200),))
    assert set(seen.after()) == {"agent.absent"}


def test_flapping_and_lasting_alerts_are_named():
    seen = Watched(Time())
    now = seen.wall.now

    def tell(*alerts: Alert):
        from perftui.model.alerts import AlertsReport

        seen.alerts.publish(Frame("alerts", now, AlertsReport(now, alerts), {}))
        return seen.after()

    assert tell(alert(now=now)) == {}
    found = tell(replace(alert(now=now), flapping=True, changes=(1.0,) * 6))
    assert found["alert.flapping"].title == "hot of web flaps"
    found = tell(alert(now=now - 8 * 86400))
    assert found["alerts.rule-always-fires"].evidence[0].startswith("firing for 8 d")


def test_a_clock_that_was_set_is_an_event():
    seen = Watched(Time())
    seen.after()
    seen.wall.now += 6.0
    seen.after(5)
    assert seen.notes == []
    seen.wall.now += 3600
    seen.after(5)
    seen.wall.now -= 1000
    seen.after(5)
    assert [note.title.split(":")[0] for note in seen.notes] == [
        "the clock went forward by 3595 s",
        "the clock went back by 1005 s",
    ]


def test_history_that_lets_go_of_detail_early_is_told_for_an_hour():
    seen = Watched(Time())
    now = seen.wall.now
    seen.desk.pressed = Pressed(now, now - 7 * 3600, 1 << 30)
    (said,) = seen.after()["history.full"].evidence
    assert said == "1.00 GiB are all it may take (history.max_bytes): detail of 7 h ago is gone"
    seen.wall.now += 3700
    assert seen.after(3700) == {}


def test_a_clock_that_stands_apart_for_a_while_is_named():
    seen = Watched(Time())

    def at(by):
        reading = Reading("db", seen.wall.now, 0.0, (), None, ahead=by)
        seen.desk.looks = lambda: {
            "db": Look("db", "postgres", reading, Health(Link.LIVE, 0.0)),
            "late": Look("late", "valkey", None, Health(Link.WAITING, 0.0)),
        }

    def later():
        seen.wall.now += 5.0
        return seen.after()

    at(-2.5)
    for _ in range(6):
        assert later() == {}
    one = later()["clock.skew"]
    assert (one.severity, one.title) == (Severity.WARNING, "the clock of db is 2.50 s behind this host's")
    at(1.9)  # near enough, and what was before is forgotten
    assert later() == {}
    at(400.0)
    assert later() == {}
    at(None)
    assert later() == {}


def test_what_the_way_of_an_answer_explains_is_no_difference():
    assert apart(100.0, 99.9, 0.2) == 0.0
    assert apart(105.0, 100.0, 1.0) == 4.0
    assert apart(95.0, 100.0, 1.0) == -5.0
    assert apart(99.5, 100.0, 0.1, 1.0) == 0.0  # told in whole seconds
    assert apart(98.0, 100.0, 0.1, 1.0) == -1.0
