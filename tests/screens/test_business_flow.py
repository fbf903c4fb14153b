"""The Business tab and its headless twin on the lab's own figures."""

from __future__ import annotations

import json

import pytest

from perftui.cli import main
from perftui.draw.rows import Look, Size, plain
from perftui.lab import Lab
from perftui.model.anomaly import HIGH, LOW, SOURCE, told
from perftui.model.business import Cost, Metric, MetricView, series_key
from perftui.model.reading import Measure, Reading
from perftui.runtime.rings import Rings
from perftui.screens.overview import figures
from tests.console import console, state_dir

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


async def test_the_shops_figures_are_there_and_say_where_they_come_from(lab: Lab) -> None:
    async with console(lab, "overview.business", (160, 40)) as seen:
        await seen.sees(r"Active sessions +\d+", within=60)
        await seen.press("w")
        await seen.sees(r"shop_orders_total of shop, growth of a total")
        await seen.press("j", "j", "j")
        await seen.press("w")
        await seen.sees(r"ZCARD shop:active of valkey, as read")
        await seen.pilot.resize_terminal(80, 24)
        await seen.sees(r"Active sessions +\d+")


@pytest.mark.slow
async def test_counted_figures_are_told_a_minute_with_their_parts(lab: Lab) -> None:
    async with console(lab, "overview.business", (160, 40)) as seen:
        await seen.sees(r"Orders +[\d.]+ .*200", within=90)
        await seen.sees(r"Revenue +[\d,.]+")
        await seen.press("j", "j", "j", "j")
        await seen.sees(r"/min +/", within=40)  # what is used, by route


@pytest.mark.slow
def test_the_command_prints_what_the_tab_shows(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["monitor", "business", "--json", "--config", str(lab.config_path())]) == 0
    report = json.loads(capsys.readouterr().out)
    by_name = {view["metric"]["name"]: view for view in report["metrics"]}
    assert by_name["orders"]["value"] > 0
    assert by_name["sessions"]["value"] > 0
    assert by_name["revenue"]["parts"][0][0] == "EUR"
    assert len(by_name["features"]["parts"]) > 3


def test_without_a_figure_the_command_says_how_to_declare_one(tmp_path, capsys) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[env.bare]\n")
    file.chmod(0o600)
    assert main(["monitor", "business", "--config", str(file)]) == 1
    assert "[business.orders]" in capsys.readouterr().err


METRIC = Metric("revenue", "Revenue", "sum", "shop", "x", unit="cents", target=500.0)


def test_cells_say_what_is_known_and_no_more() -> None:
    bare = MetricView(METRIC, 1.0)
    assert figures.value(bare) == ("–", "")
    assert figures.change(bare) == figures.costs(bare) == figures.expected(bare) == "–"
    view = MetricView(
        METRIC, 1.0, 400.0, week=800.0, low=450.0, high=550.0, cost=Cost(0.0, 123.4, 100.0, 150.0)
    )
    assert figures.value(view) == ("400", "warn")
    assert figures.change(view) == ("-50%", "warn")
    assert figures.target(view) == ("500", "warn")
    assert figures.costs(view) == ("123", "crit")
    assert "incident cost so far: 123 (100 to 150)" in plain(figures.about(view, Size(60, 3), Look()))[0]
    money = MetricView(METRIC, 1.0, None, (("EUR", 5000.0), ("JPY", 20.0)))
    assert figures.value(money) == "5,000 EUR"
    lost = MetricView(METRIC, 9.0, 400.0, error="shop: gone", seen=2.0)
    assert figures.value(lost) == ("400", "lost")
    assert "now: shop: gone, last value 7" in figures.evidence(lost)


def test_last_weeks_ghost_lies_under_now_with_band_and_target() -> None:
    now = 1_700_000_000.0
    rings = Rings(seconds=3 * figures.WEEK)
    key = series_key("revenue")
    for at, value in (
        (now - figures.WEEK - 60, 70.0),
        (now - figures.WEEK, 80.0),
        (now - 60, 90.0),
        (now, 95.0),
    ):
        rings.record(Reading("business", at, 0.0, (Measure(key, value),), None))
    band = (Measure(told(LOW, key), 85.0), Measure(told(HIGH, key), 99.0))
    rings.record(Reading(SOURCE, now - 30, 0.0, band, None))
    lines, shade, goal = figures.course(MetricView(METRIC, now, 95.0), rings, now, 900.0)
    assert [(line.name, list(line.value)) for line in lines] == [
        ("now", [90.0, 95.0]),
        ("last week", [70.0, 80.0]),
    ]
    assert list(lines[1].at) == [now - 60, now]
    assert shade is not None
    assert shade.where(now) == (85.0, 99.0)
    assert [g.value for g in goal] == [500.0]
