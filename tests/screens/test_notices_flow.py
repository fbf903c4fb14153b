"""A console with channels: what fires reaches the receivers, what is acknowledged too, and the screen says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.amserver import PROGRAM, Server
from tests.needs import needs
from tests.notices import receivers_up
from tests.screens.test_alerts_flow import RULES, console_at, state_dir
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")

CHANNELS = """
[channels.pagerduty]
routing_key = "env:TEST_PD"
base_url = "{url}"
[channels.slack]
token = "env:TEST_SLACK"
channel = "C0123"
base_url = "{url}/api"
[routes.all]
channels = ["pagerduty", "slack"]
group_wait = 0
"""


def config_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> Path:
    monkeypatch.setenv("TEST_PD", "a" * 32)
    monkeypatch.setenv("TEST_SLACK", "xoxb-1")
    path = tmp_path / "config.toml"
    path.write_text(RULES + CHANNELS.format(url=url))
    path.chmod(0o600)
    return path


@pytest.mark.slow
async def test_from_the_alert_to_the_receivers_and_back(tmp_path, monkeypatch) -> None:
    async with receivers_up() as receivers:
        path = config_of(tmp_path, monkeypatch, receivers.url)
        async with console_at(path, "here", (160, 40)) as seen:
            await seen.sees(r"firing .*CPU there", 20)
            await until(lambda: receivers.counted("pagerduty") and receivers.counted("slack"), 20)
            await seen.sees(r"sent .*\+1", 20)
            await seen.press("!")
            await seen.sees("a note for the others")
            await seen.types("on it")
            await seen.sees("can be undone|the alert is open again")
            await seen.press("y")
            await until(lambda: len(receivers.counted("pagerduty")) == 2, 20)
            await seen.press("O")
            await seen.sees("who sees to it")
            await seen.types("anna")
            await seen.sees("anna's to see to")
            await seen.press("y")
            await seen.press("m")
            await seen.sees("a word for its history")
            await seen.types("fan is loud")
            await seen.sees("comment on CPU there")
            await seen.press("y")
            for _ in range(3):
                await seen.press("v")
            await seen.sees("fan is loud|comment +always", 15)
            await seen.press("v")
            await seen.sees(r"pagerduty .*last sent", 15)
            await seen.sees(r"all .*→ pagerduty, slack")
            await seen.press("T")
            await seen.sees("marked as a test")
            await seen.press("y")
            await until(lambda: len(receivers.counted("pagerduty")) == 3, 20)
    assert [one.what for one in receivers.counted("pagerduty")] == ["trigger", "acknowledge", "trigger"]
    assert [one.problems for one in receivers.arrivals if one.problems] == []


@pytest.mark.slow
@pytest.mark.needs("prometheus-alertmanager")
async def test_what_an_alertmanager_holds_has_a_view_of_its_own(tmp_path) -> None:
    needs("prometheus-alertmanager", PROGRAM is not None, "apt-get install prometheus-alertmanager")
    server = Server(tmp_path / "am")
    path = tmp_path / "config.toml"
    path.write_text(f'{RULES}[channels.am]\nkind = "alertmanager"\nbase_url = "{server.url}"\n')
    path.chmod(0o600)
    try:
        server.fire("Elsewhere", "tape is torn", severity="critical", instance="db")
        server.hush("instance", "web")
        async with console_at(path, "here", (160, 40)) as seen:
            await seen.sees("1 at am", 30)
            for _ in range(5):
                await seen.press("v")
            await seen.sees(r"firing +am +critical .*Elsewhere: tape is torn +pager", 15)
            await seen.sees(r'silence +am .*instance="web" +eve')
            await seen.sees("held by the Alertmanager am: to be changed there")
            await seen.press("!")
            await seen.sees("no alert is selected")
            server.stop()
            await seen.sees("am: ConnectError", 30)
    finally:
        server.stop()


async def test_without_a_channel_the_tab_says_that_no_one_will_be_told(tmp_path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(RULES)
    path.chmod(0o600)
    async with console_at(path, "here", (120, 40)) as seen:
        await seen.sees("no one will be told", 20)
        await seen.press("T")
        await seen.sees("no channel is configured")
