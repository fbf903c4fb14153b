"""Alerts from a shell, on a store of the test's own."""

from __future__ import annotations

import datetime as dt
import json
import time

import pytest

from perftui.cli import main


@pytest.fixture
def alerts(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "config.toml"
    path.write_text("[env.x]\n")
    path.chmod(0o600)

    def run(verb, *words):
        code = main(["alerts", verb, "--config", str(path), *words])
        return code, capsys.readouterr().out

    return run


def test_nothing_fires_before_anybody_watches(alerts):
    assert alerts("list") == (0, "")
    assert alerts("list", "--json") == (0, "[]\n")
    code, out = alerts("rules")
    assert code == 0
    assert "HostCpuHigh" in out


def test_what_is_empty_says_so(alerts, tmp_path, capsys):
    config = ("--config", str(tmp_path / "config.toml"))
    for verb, said in (("history", "no alert did anything"), ("silences", "nothing is silenced")):
        assert main(["alerts", verb, *config]) == 0
        seen = capsys.readouterr()
        assert (seen.out, said in seen.err) == ("", True)
    assert main(["alerts", "list", *config]) == 0
    assert "of environment x yet" in capsys.readouterr().err


def test_a_silence_and_its_end(alerts):
    code, out = alerts("silence", 'source="db"', "--for", "2h", "--note", "moving it", "--yes", "--json")
    assert code == 0
    silence = json.loads(out)["facts"]["id"]
    code, out = alerts("history")
    assert "silenced" in out
    assert "moving it" in out
    assert alerts("unsilence", silence, "--yes")[0] == 0
    assert alerts("unsilence", silence, "--yes")[0] == 4


def test_a_threshold_and_back(alerts):
    code, out = alerts("threshold", "HostCpuHigh", "0.7", "--dry-run")
    assert code == 0
    assert "nothing to rehearse" in out
    assert "(set by hand)" not in alerts("rules")[1]
    assert alerts("threshold", "HostCpuHigh", "0.7", "--yes") == (0, "CPU busy is now > 70.0%\n")
    assert "> 70.0% for 5 m  (set by hand)" in alerts("rules")[1]
    assert alerts("threshold", "HostCpuHigh", "--yes")[0] == 0
    assert "(set by hand)" not in alerts("rules")[1]


def test_a_quiet_week_has_its_report(alerts):
    code, out = alerts("noise")
    assert code == 0
    assert out.startswith("noise report: 0 firings, 0 messages, from ")
    assert "never fired: HostCpuHigh, " in out
    assert json.loads(alerts("noise", "--since", "1d", "--json")[1])["rules"] == []


def test_refusals(alerts):
    assert alerts("ack", "abc", "--yes")[0] == 4
    assert alerts("mark", "abc", "normal", "--yes")[0] == 4
    assert alerts("mark", "abc", "odd", "--yes")[0] == 2
    assert alerts("silence", "source=db", "--yes")[0] == 4
    assert alerts("threshold", "nothing", "1", "--yes")[0] == 4
    assert alerts("silence", 'a="b"', "--for", "soon")[0] == 2


def test_a_maintenance_window_and_its_end(alerts):
    words = ("nightly", 'source="db"', "--when", "daily 03:00", "--for", "2h", "--zone", "Europe/Berlin")
    code, out = alerts("maintain", *words, "--dry-run")
    assert code == 0
    assert "at 0 3 * * * Europe/Berlin" in out
    assert alerts("silences") == (0, "")
    assert alerts("maintain", *words, "--yes") == (0, "maintenance window nightly is in force\n")
    code, out = alerts("silences")
    assert code == 0
    assert "0 3 * * * Europe/Berlin for 7200 s; next " in out
    found = json.loads(alerts("silences", "--json")[1])
    assert [one["id"] for one in found["silences"]] == ["maintenance:nightly"]
    assert len(found["windows"][0]["next"]) == 5
    assert alerts("unmaintain", "nightly", "--yes")[0] == 0
    assert alerts("unmaintain", "nightly", "--yes")[0] == 4
    assert alerts("maintain", "x", 'a="b"', "--when", "noo 03:00", "--yes")[0] == 4
    assert [line.split()[2] for line in alerts("history")[1].splitlines()] == ["maintenance", "maintenance"]


def test_calendars_say_what_is_coming_and_what_is_wrong(alerts, tmp_path):
    soon = time.time() + 2 * 86400  # begins a whole day from now at least, whatever the hour
    day = dt.datetime.fromtimestamp(soon, dt.UTC)
    file = tmp_path / "h.ics"
    event = f"BEGIN:VEVENT\nDTSTART;VALUE=DATE:{day:%Y%m%d}\nSUMMARY:Moon\\, \x1b[31mday\nEND:VEVENT\n"
    file.write_text(f"BEGIN:VCALENDAR\n{event}END:VCALENDAR\n")
    with (tmp_path / "config.toml").open("a") as config:
        config.write(f'[alerts.calendars.moon]\nfile = "{file}"\nlike = "sunday"\n')
    code, out = alerts("calendars")
    assert code == 0
    assert "Moon, [31mday  (moon: like sunday)" in out
    assert f"{day:%a %Y-%m-%d} 00:00 to " in out
    assert alerts("calendars", "--days", "0.1")[1] == ""
    assert alerts("calendars", "sun")[0] == 2
    assert alerts("maintain", "m", 'a="b"', "--when", "calendar moon", "--yes")[0] == 0
    assert "calendar moon; next " in alerts("silences")[1]
    file.write_text("nothing")
    code, out = alerts("calendars", "--json")
    assert code == 1
    assert "is no calendar" in json.loads(out)["problems"]["moon"][0]


def test_a_silence_is_taken_back_by_another_shell(alerts, tmp_path, capsys):
    config = ("--config", str(tmp_path / "config.toml"))
    assert alerts("silence", 'source="db"', "--for", "2h", "--yes")[0] == 0
    assert len(json.loads(alerts("silences", "--json")[1])["silences"]) == 1
    assert main(["undo", "--yes", *config]) == 0
    assert 'source="db" is heard of again' in capsys.readouterr().out
    assert json.loads(alerts("silences", "--json")[1])["silences"] == []
    assert alerts("threshold", "HostCpuHigh", "0.7", "--yes")[0] == 0
    assert main(["undo", "--dry-run", "--json", *config]) == 0
    assert json.loads(capsys.readouterr().out)["action"] == "alerts.threshold"
    assert main(["undo", "--yes", *config]) == 0
    assert "again" in capsys.readouterr().out
    assert main(["undo", "--yes", *config]) == 4
