"""`perftui check`: yes is 0, no is 1, and nobody knows is 3."""

from __future__ import annotations

import json
import time

import pytest

from perftui.analysis.condition import Condition, parse
from perftui.cli import main
from perftui.lab import Lab
from perftui.model.errors import ConfigError
from perftui.model.series import SeriesKey
from tests.cli.stored import fill

CONFIG = """
[targets."work.queue"]
series = "jobs/waiting"
below = 50.0
[env.bare.backends.shop]
kind = "scrape"
url = "http://127.0.0.1:9/metrics"
[env.bare.backends.jobs]
kind = "scrape"
url = "http://127.0.0.1:9/metrics"
"""


@pytest.fixture
def bare(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))


@pytest.fixture
def stored(bare):
    """Ten minutes: p95 was bad until four minutes ago; the queue is long now."""
    now = time.time()
    courses = {
        SeriesKey("shop", "http.p95_s"): lambda at: 0.05 if at > now - 240 else 0.3,
        SeriesKey("jobs", "waiting"): lambda at: 80.0 if at > now - 5 else 10.0,
    }
    fill("bare", courses, (now - 600 + n for n in range(600)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api.p95 < 100ms", Condition("api.p95", "<", 0.1)),
        ("cache/hit_ratio>95%", Condition("cache/hit_ratio", ">", 0.95)),
        ("*/used_bytes <= 1.5 GiB", Condition("*/used_bytes", "<=", 1.5 * 2**30)),
        ("x >= -2e3", Condition("x", ">=", -2000.0)),
        ("api.p95", Condition("api.p95")),
    ],
)
def test_conditions(text, expected):
    found = parse(text)
    assert (found.what, found.op) == (expected.what, expected.op)
    assert found.value == pytest.approx(expected.value)


@pytest.mark.parametrize("text", ["", "< 5", "a <", "a < b", "a < 5 parsecs", "a = 5", "a < 5 < 6"])
def test_what_is_no_condition_says_so(text):
    with pytest.raises(ConfigError):
        parse(text)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["api.p95 < 100ms"], 0),
        (["api.p95"], 0),
        (["api.p95 < 10ms"], 1),
        (["api.p95 < 100ms", "--for", "3m"], 0),
        (["api.p95 < 100ms", "--for", "8m"], 1),
        (["work.queue"], 1),
        (["jobs/waiting < 100"], 0),
        (["jobs/wait*  <  50"], 1),
        (["api.p95 < 100ms", "jobs/waiting < 100"], 0),
        (["api.p95 < 100ms", "jobs/waiting < 50"], 1),
        (["nowhere < 5"], 3),
        (["api.p95 < 100 parsecs"], 2),
        (["cache.hit"], 3),
        ([], 1),
    ],
)
def test_the_answer_is_the_exit_code(stored, capsys, words, code):
    assert main(["check", "--stored", *words]) == code


def test_json_says_what_was_looked_at(stored, capsys):
    assert main(["check", "api.p95 < 100ms", "--for", "8m", "--stored", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    (one,) = said["checked"]
    assert not said["ok"]
    assert one["series"] == "shop/http.p95_s"
    assert one["worst"] == pytest.approx(0.3)
    assert one["value"] == pytest.approx(0.05)
    assert one["samples"] == pytest.approx(480, abs=3)
    assert one["breaches"] == pytest.approx(240, abs=5)


def test_old_news_are_no_answer(bare, capsys):
    then = time.time() - 3600
    fill("bare", {SeriesKey("shop", "http.p95_s"): lambda _: 0.01}, (then + n for n in range(60)))
    assert main(["check", "api.p95 < 100ms", "--stored"]) == 3
    assert "nobody can tell" in capsys.readouterr().err


def test_a_short_memory_cannot_vouch_for_long(stored, capsys):
    assert main(["check", "jobs/waiting < 100", "--for", "1h", "--stored"]) == 3


def test_a_live_system_is_asked(lab: Lab, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    config = ["--config", str(lab.config_path()), "--env", "lab"]
    assert main(["check", "*/memory.used_ratio < 1.01", *config, "--for", "2s"]) == 0
    assert capsys.readouterr().out.startswith("yes  */memory.used_ratio < 1.01")
    assert main(["check", "*/memory.used_ratio < 0.1%", *config, "--for", "5m"]) == 1  # at the first breach
