"""`perftui timeline changes`: the cause of a shift stands first, with its evidence."""

from __future__ import annotations

import json
import random
import time

import pytest

from perftui.cli import main
from perftui.model.event import Event
from perftui.model.series import SeriesKey
from tests.cli.stored import fill

CONFIG = """
[env.bare]
depends_on = { shop = ["cache"] }
"""
P95 = SeriesKey("shop", "http.p95_s")


@pytest.fixture
def at(tmp_path, monkeypatch):
    """Ten minutes ago the cache's limit was lowered; a mail went out later. Returns the instant of the alert."""
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))
    now, noise = time.time(), random.Random(3)
    changed = now - 700
    course = {P95: lambda at: abs(noise.gauss(0.05, 0.003)) + (0.1 if at > changed else 0.0)}
    events = [
        Event(changed, "config", "cache", "maxmemory", "64 MiB -> 16 MiB", actor="ada"),
        Event(now - 620, "note", "bare", "mail <b>|sent"),
        Event(now - 610, "finding", "shop", "slow"),
        Event(now - 9000, "deploy", "shop", "long ago"),
    ]
    fill("bare", course, (now - 3000 + n for n in range(3000)), events)
    return now - 600


def test_the_cause_is_first_and_said_to_be_beyond_noise(at, capsys):
    assert main(["timeline", "changes", "--at", "10m", "--series", "http.p95_s"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert "shop/http.p95_s" in head
    assert len(lines) == 3
    assert "depends on it" in lines[0]
    assert "maxmemory" in lines[0]
    assert "by ada" in lines[0]
    assert "beyond noise" in lines[0]
    assert "finding" in lines[-1]


def test_json_and_markdown(at, capsys):
    assert main(["timeline", "changes", "--at", "10m", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["subject"]["key"] == "shop/http.p95_s"
    first = said["changes"][0]
    assert first["event"]["title"] == "maxmemory"
    assert first["shift"]["before"] == pytest.approx(0.05, abs=0.005)
    assert first["shift"]["after"] == pytest.approx(0.15, abs=0.005)
    assert main(["timeline", "changes", "--at", "10m", "--md"]) == 0
    text = capsys.readouterr().out
    assert "mail &lt;b>\\|sent" in text


def test_a_quiet_time_is_a_no_and_an_unknown_alert_is_said(at, capsys):
    assert main(["timeline", "changes", "--at", "2h"]) == 1
    assert main(["timeline", "changes", "no-such-rule"]) == 2
    assert "no alert no-such-rule" in capsys.readouterr().err
    assert main(["timeline", "changes", "--at", "10m", "--series", "nope"]) == 2
