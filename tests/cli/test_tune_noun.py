"""`perftui tune`: the same loops, modes and switch from a shell."""

from __future__ import annotations

import json

import pytest

from perftui.cli import main
from tests.agents import written

CONFIG = """
[env.lab]
kind = "lab"
[env.lab.backends.host]
[schedules.nightly]
action = "cache.purge"
params = { pattern = "x*" }
cron = "0 3 * * *"
timezone = "Europe/Berlin"
"""


@pytest.fixture
def tune(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    config = written(tmp_path / "c.toml", CONFIG)

    def run(*words):
        code = main(["tune", *words, "--config", str(config)])
        return code, capsys.readouterr()

    return run


def modes(tune):
    code, said = tune("list", "--json")
    assert code == 0
    return {row["name"]: row["mode"] for row in json.loads(said.out)["rows"]}


def test_it_lists_sets_and_stops(tune):
    loops = dict.fromkeys(("alerts", "recorder", "roll-up", "regions", "warming"), "on")
    assert modes(tune) == {**loops, "nightly": "observe"}
    code, said = tune("list")
    assert "nightly" in said.out
    assert "0 3 * * * Europe/Berlin" in said.out
    assert tune("set", "nightly", "on")[0] == 4  # nobody said yes
    assert tune("set", "nightly", "on", "--dry-run")[0] == 0
    assert modes(tune)["nightly"] == "observe"
    assert tune("set", "nightly", "on", "--yes")[0] == 0
    assert modes(tune)["nightly"] == "on"
    code, said = tune("stop", "--all", "--yes")
    assert (code, "all 6 loops are off" in said.out) == (0, True)
    assert set(modes(tune).values()) == {"off"}
    assert tune("stop", "--all", "--yes")[0] == 4


def test_what_cannot_be_is_said(tune):
    code, said = tune("set", "none", "on", "--yes")
    assert (code, "there is no loop or schedule 'none'" in said.err) == (4, True)
    code, said = tune("run", "alerts", "--yes")
    assert (code, "runs by itself" in said.err) == (4, True)
    assert tune("run", "nightly", "--yes")[0] != 0  # no cache is connected
    assert tune("stop", "--yes")[0] == 2


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ('action = "cache.purg"\nevery = "5 m"', "no action 'cache.purg' (did you mean cache.purge?)"),
        ('action = "tune.stop"\nevery = "5 m"', "no action 'tune.stop'"),
        ('action = "cache.purge"', "needs one of `cron` and `every`"),
        ('action = "cache.purge"\ncron = "61 * * * *"', "no cron expression: Bad minute"),
        ('action = "cache.purge"\nevery = "often"', "no period such as 15 m"),
        ('action = "cache.purge"\nevery = "5 m"\nmode = "maybe"', 'cannot be "maybe"'),
    ],
)
def test_a_wrong_schedule_is_told_by_file_and_line(tmp_path, capsys, lines, wrong):
    config = written(tmp_path / "c.toml", f"[env.lab]\n[env.lab.backends.host]\n[schedules.one]\n{lines}\n")
    assert main(["config", "check", "--config", str(config)]) == 2
    said = capsys.readouterr()
    assert f"{config}:" in said.err + said.out
    assert wrong in said.err + said.out
