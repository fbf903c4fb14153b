"""Rule files from a shell."""

from __future__ import annotations

import asyncio
import io
import json
import time

import pytest

from perftui.cli import main
from perftui.model.event import Event
from perftui.runtime.eventstore import EventStore
from perftui.runtime.store import Store
from tests.promtool import checks

RULES = "# ours\ngroups:\n- name: shop\n  rules:\n  - alert: Down\n    expr: up == 0  # gone\n    for: 1m\n"
WRONG = "groups:\n- name: a\n  rules:\n  - alert: X\n    expr: up >\n    for: 5 m\n"


@pytest.fixture
def alerts(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "config" / "config.toml"
    path.parent.mkdir()
    path.write_text("[env.x]\n")
    path.chmod(0o600)
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))

    def run(*words):
        code = main(["alerts", *map(str, words)])
        return code, *capsys.readouterr()

    run.folder = path.parent
    return run


def test_checking(alerts, tmp_path, monkeypatch):
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text(RULES)
    bad.write_text(WRONG)
    assert alerts("check", good) == (0, f"{good}: 1 rules in 1 groups\n", "")
    code, out, _ = alerts("check", good, bad)
    assert code == 1
    assert f"{bad}:5:11: " in out
    assert f'{bad}:6:10: not a valid duration string: "5 m"' in out
    code, out, _ = alerts("check", bad, "--json")
    assert code == 1
    assert [m["line"] for m in json.loads(out)[0]["mistakes"]] == [5, 6]
    monkeypatch.setattr("sys.stdin", io.StringIO(RULES))
    assert alerts("check", "-")[0] == 0
    assert alerts("check", tmp_path / "none.yml")[0] == 2


def test_importing_keeps_the_version_before(alerts, tmp_path):
    kept, file = alerts.folder / "rules.yml", tmp_path / "mine.yml"
    file.write_text(RULES)
    code, out, _ = alerts("import", file, "--dry-run")
    assert code == 0
    assert "adds alert shop/Down: up == 0" in out
    assert not kept.exists()
    assert alerts("import", file)[0] == 4  # there is nobody to ask
    assert alerts("import", file, "--yes")[:2] == (0, f"1 rules are in {kept}\n")
    assert kept.read_text() == RULES
    assert kept.stat().st_mode & 0o777 == 0o600
    file.write_text(RULES.replace("1m", "2m"))
    code, _, err = alerts("import", file, "--yes")
    assert code == 0
    assert "changes alert shop/Down" in err
    assert (alerts.folder / "rules.yml.previous").read_text() == RULES
    assert alerts("import", file, "--yes")[0] == 4  # it says this already
    file.write_text(WRONG)
    code, _, err = alerts("import", file, "--yes")
    assert code == 4
    assert "mine.yml:6:10" in err
    assert "2m" in kept.read_text()


def test_exporting_what_is_in_force(alerts, tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text(RULES.replace("name: shop", "name: shop\n  query_offset: 5s"))
    assert alerts("import", file, "--yes")[0] == 0
    code, out, err = alerts("export", "--for", "2.42")
    assert code == 0
    assert "query_offset is left out, Prometheus 2.42" in err
    exported = tmp_path / "out.yml"
    exported.write_text(out)
    right, said = checks(exported)
    assert right, said
    assert "# ours" in out
    assert alerts("check", exported)[0] == 0
    assert "HostCpuHigh" in out
    assert alerts("export", "--only", "file")[1] == file.read_text()
    assert "Down" not in alerts("export", "--only", "own")[1]
    assert alerts("export", "--for", "new")[0] == 2
    assert "shop" in alerts("rules", "--json")[1]
    assert alerts("threshold", "Down", "1", "--yes")[0] == 4


def test_exported_and_imported_every_rule_is_there_once(alerts, tmp_path):
    before = json.loads(alerts("rules", "--json")[1])
    file = tmp_path / "all.yml"
    file.write_text(alerts("export")[1])
    assert alerts("import", file, "--yes")[0] == 0
    after = json.loads(alerts("rules", "--json")[1])
    assert sorted(row["status"]["rule"]["name"] for row in before) == sorted(
        row["status"]["rule"]["name"] for row in after
    )
    assert all(row["status"]["replaces"] for row in after)
    assert ", in place of perftui's own)" in alerts("rules")[1]
    assert alerts("export")[1] == file.read_text()


def test_backtests(alerts, tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text(RULES.replace("up == 0", "perftui_host_x > 1") + "  - alert: Odd\n    expr: absent(x)\n")
    code, out, _ = alerts("backtest", file, "--since", "10m")
    assert code == 0
    assert "Down" in out
    assert "nothing it looks at was recorded" in out
    assert "Odd                         fired 1 time in" in out
    code, out, _ = alerts("backtest", "--rule", "HostCpuHigh", "--json")
    assert code == 0
    (one,) = json.loads(out)["rules"]
    assert (one["rule"]["name"], one["spells"]) == ("HostCpuHigh", [])
    assert alerts("backtest", "--rule", "nothing")[0] == 2
    file.write_text(WRONG)
    assert alerts("backtest", file)[0] == 2


def test_backtests_say_which_incidents_they_would_have_missed(alerts, tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text("groups:\n- name: a\n  rules:\n  - alert: Odd\n    expr: absent(x)\n")
    assert alerts("list")[0] == 0  # makes the store

    async def happened(*events):
        store = Store.open(f"sqlite:///{tmp_path}/state/store.sqlite", "x")
        await EventStore(store).put(events)
        await store.close()

    now = time.time()
    asyncio.run(happened(Event(now - 500, "incident", "", "checkout down", until=now - 400)))
    code, out, _ = alerts("backtest", file, "--since", "10m")
    assert (code, out.splitlines()[-2]) == (0, "1 incident in this time, 1 told by these rules")
    assert "told by Odd after 0 s: checkout down (on the timeline)" in out
    file.write_text(RULES)
    _, out, _ = alerts("backtest", file, "--since", "10m")
    assert "1 incident in this time, 0 told by these rules" in out
    assert "missed: checkout down" in out
    (one,) = json.loads(alerts("backtest", file, "--since", "10m", "--json")[1])["incidents"]
    assert (one["title"], one["rule"]) == ("checkout down", "")


def test_why(alerts, tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text(RULES)
    alerts("import", file, "--yes")
    code, out, _ = alerts("why", "Down")
    assert code == 0
    assert "Down: up == 0 for 1 m  (rules.yml:5)" in out
    assert "no console or agent has evaluated" in out
    assert json.loads(alerts("why", "HostCpuHigh", "--json")[1])["rule"]["name"] == "HostCpuHigh"
    assert alerts("why", "nothing")[0] == 4


def test_history_is_narrowed(alerts):
    assert alerts("silence", 'source="db"', "--note", "=moving", "--yes")[0] == 0
    assert alerts("threshold", "HostCpuHigh", "0.7", "--yes")[0] == 0
    assert len(alerts("history")[1].splitlines()) == 2
    assert "silenced" in alerts("history", "--kind", "silenced")[1]
    assert "silenced" not in alerts("history", "--match", 'alertname="HostCpuHigh"')[1]
    assert alerts("history", "--who", "nobody-here")[1] == ""
    assert alerts("history", "--until", "1h")[1] == ""
    who = json.loads(alerts("history", "--json")[1])["events"][0]["who"]
    assert "silenced" in alerts("history", "--who", who.partition("@")[0])[1]
    out = alerts("history", "--csv")[1]
    assert out.splitlines()[0].startswith("time,kind,rule")
    assert "'=moving" in out  # no cell that a spreadsheet would run
    assert alerts("history", "--match", "nonsense")[0] == 2
    assert alerts("list", "--firing", "--fail-on", "critical")[:2] == (0, "")


@pytest.mark.parametrize(("word", "code"), [("critical", 0), ("warning", 1), ("info", 1)])
def test_a_pipeline_stops_at_what_is_open(word, code, capsys):
    from argparse import Namespace

    from perftui.cli.alerts import _list
    from perftui.model.alerts import Alert, AlertsReport, AlertState
    from perftui.model.finding import Severity

    alert = Alert("f", "A", "a", Severity.WARNING, (), 1.0, AlertState.FIRING, 1.0, 1.0)
    args = Namespace(json=False, firing=True, fail_on=word)
    assert _list(AlertsReport(2.0, (alert,)), args) == code
    assert "warning" in capsys.readouterr().out


def test_a_promise(alerts, tmp_path):
    (alerts.folder / "rules.yml").write_text(RULES)
    ratio = "avg_over_time(perftui_scrape_http_error_ratio[$window])"
    words = ("slo", "checkout", "--objective", "99.9", "--ratio", ratio)
    code, out, _ = alerts(*words)
    assert code == 0
    assert "SloBudgetBurns" in out
    assert alerts(*words, "--add", "--yes")[0] == 0
    text = (alerts.folder / "rules.yml").read_text()
    assert "# gone" in text
    assert "slo:budget_left:days" in text
    assert alerts("check", alerts.folder / "rules.yml")[0] == 0
    assert alerts(*words, "--add", "--yes")[0] == 4  # the group is there already
    assert alerts(*words[:3], "101", *words[4:])[0] == 2
    assert alerts(*words[:5], "rate($window")[0] == 2
