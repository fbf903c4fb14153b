"""What people type for an instant, and what is told when it is none."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from perftui.analysis.instant import instant

NOW = datetime(2026, 3, 10, 14, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("14:02", "2026-03-10T14:02:00Z"),
        (" 14:02:10 ", "2026-03-10T14:02:10Z"),
        ("23:50", "2026-03-09T23:50:00Z"),  # the last one that was
        ("today 09:30", "2026-03-10T09:30:00Z"),
        ("yesterday 09:30", "2026-03-09T09:30:00Z"),
        ("-20m", "2026-03-10T14:10:15Z"),
        ("−1h 5m", "2026-03-10T13:25:15Z"),
        ("-2d", "2026-03-08T14:30:15Z"),
        ("2026-03-01 14:02", "2026-03-01T14:02:00Z"),
        ("2026-03-01T14:02:10.5+02:00", "2026-03-01T12:02:10.5Z"),
    ],
)
def test_what_is_meant(text, meant):
    assert instant(text, NOW.timestamp(), UTC) == datetime.fromisoformat(meant).timestamp()


def test_a_time_of_day_is_one_of_the_zone_on_show():
    zone = ZoneInfo("Europe/Berlin")
    assert instant("15:02", NOW.timestamp(), zone) == datetime(2026, 3, 10, 14, 2, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "14:75", "2027-01-01", "today 23:00", "-", "-5y", "9" * 400]
)
def test_what_is_no_instant_is_told(text):
    with pytest.raises(ValueError, match=r"no instant|no time of day|not come yet"):
        instant(text, NOW.timestamp(), UTC)
