"""`:self` on a running console, and the same from a shell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perftui.cli import main
from perftui.lab import Lab
from perftui.model.price import PriceReport
from tests.agents import written
from tests.console import console, state_dir
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


@pytest.mark.slow
async def test_the_word_shows_every_backend_with_its_reads_and_bytes(lab: Lab) -> None:
    async with console(lab, "cache.tiers") as seen:
        seen.app.verbs.say("self")
        await seen.sees("nothing yet|over the last")
        await seen.sees(r"CPU +[\d.]+% of a core +of 50%", 30)
        await seen.sees(r"memory +[\d.]+ MiB")
        await seen.sees(r"loop lag +[\d.]+ ")
        await seen.sees(r"valkey +\d+\.\d\d +[\d.]+ .?s +[\d.]+% +[\d.]+ [KM]iB")
        report = seen.app.session.frame("price").report
        assert isinstance(report, PriceReport)
        assert {one.name for one in report.sources} == set(seen.app.session.env.backends)
        await seen.press("q")
        await until(lambda: seen.app.screen is seen.app.base)


@pytest.mark.slow
def test_the_same_from_a_shell_and_a_budget_that_is_exceeded(
    tmp_path: Any, monkeypatch: Any, capsys: Any
) -> None:
    text = '[env.here]\nkind = "test"\n[env.here.backends.host]\n[price]\nrss_bytes = 1\n'
    monkeypatch.setenv("PERFTUI_CONFIG", str(written(tmp_path / "c.toml", text)))
    assert main(["monitor", "self", "--seconds", "1", "--json"]) == 0  # too short to be judged
    said = json.loads(capsys.readouterr().out)
    assert said["price"]["rss_bytes"] > 10e6
    assert [one["name"] for one in said["price"]["sources"]] == ["host"]
    assert said["budget"]["rss_bytes"] == 1
    assert main(["monitor", "self", "--seconds", "1"]) == 0
    assert "over its budget" in capsys.readouterr().out
    assert main(["monitor", "self", "--seconds", "0"]) == 2
    monkeypatch.setenv("PERFTUI_CONFIG", str(written(tmp_path / "c.toml", "[price]\ncpu_ratio = -1\n")))
    assert main(["monitor", "self"]) == 2
    assert "a budget is 0 (none) or more" in capsys.readouterr().err
