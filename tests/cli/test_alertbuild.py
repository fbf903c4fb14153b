"""New rules from a shell, and those of a real Prometheus server."""

from __future__ import annotations

import json

import pytest

from perftui.analysis.rulefile import read_rules
from perftui.cli import main
from tests.needs import needs
from tests.promserver import PROGRAM, Server
from tests.promtool import checks
from tests.waiting import until_now

RULES = """\
groups:
- name: theirs
  interval: 1s
  rules:
  - alert: AlwaysUp
    expr: vector(1) > 0
    labels: {severity: critical, team: '{{ $value }}'}
    annotations: {summary: it is up}
  - alert: Never
    expr: vector(1) > 2
    for: 5m
  - record: one
    expr: vector(1)
"""


@pytest.fixture
def alerts(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "config" / "config.toml"
    path.parent.mkdir()
    path.write_text('[env.x]\n[env.x.backends.web]\nkind = "host"\n')
    path.chmod(0o600)
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))

    def run(*words):
        code = main(["alerts", *map(str, words)])
        return code, *capsys.readouterr()

    run.path, run.rules = path, path.with_name("rules.yml")
    return run


@pytest.mark.needs("prometheus")
def test_why_tells_the_dialect_of_the_server_that_is_connected(alerts, tmp_path):
    needs("prometheus", PROGRAM is not None, "apt-get install prometheus")
    alerts.rules.write_text("groups: [{name: g, rules: [{alert: Odd, expr: absent(x)}]}]\n")
    assert (
        "generation 2: both ends are inside of ranges and of the look-back, as no server"
        in (alerts("why", "Odd")[1])
    )
    server = Server(tmp_path / "prom")
    try:
        text = alerts.path.read_text()
        alerts.path.write_text(f'{text}[env.x.backends.prod]\nkind = "prometheus"\nurl = "{server.url}"\n')
        assert (
            "generation 2: both ends are inside of ranges and of the look-back, as prod does"
            in (alerts("why", "Odd")[1])
        )
    finally:
        server.stop()
    code, out, said = alerts("why", "Odd")
    assert code == 0
    assert "as no server is connected" in out
    assert "prod" in said


def test_a_rule_in_a_few_words(alerts):
    words = ("new", "Busy", "web/cpu.busy_ratio", "above", "0.9", "--for", "5m", "--severity", "critical")
    code, out, _ = alerts(*words, "--dry-run")
    assert code == 0
    assert 'add alert built/Busy: perftui_host_cpu_busy_ratio{source="web"} > 0.9 for 5m' in out
    assert "would have fired never" in out
    assert "severity: critical" in out
    assert not alerts.rules.exists()
    assert alerts(*words)[0] == 4
    assert alerts(*words, "--yes")[0] == 0
    right, said = checks(alerts.rules)
    assert right, said
    (rule,) = read_rules(alerts.rules.read_text()).rules
    assert (rule.name, rule.hold) == ("Busy", 300.0)
    assert "Busy" in alerts("rules")[1]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("Busy", "rate(x", ">", "1"), "parse error"),
        (("Busy", "x", ">", "1", "--for", "5 m"), "not a valid duration"),
        (("Busy", "x", ">", "nan"), "a threshold is a number"),
    ],
)
def test_what_is_no_rule_is_refused(alerts, changed, said):
    code, _, err = alerts("new", *changed, "--yes")
    assert code == 4
    assert said in err
    assert not alerts.rules.exists()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    needs("prometheus", PROGRAM is not None, "apt-get install prometheus")
    folder = tmp_path_factory.mktemp("server")
    (folder / "theirs.yml").write_text(RULES)
    config = {"global": {"evaluation_interval": "1s"}, "rule_files": [str(folder / "theirs.yml")]}
    found = Server(folder / "prometheus", json.dumps(config))
    yield found
    found.stop()


@pytest.mark.slow
@pytest.mark.needs("prometheus")
def test_a_servers_rules_shown_copied_and_watched(alerts, server):
    alerts.path.write_text(f'[env.x]\n[env.x.backends.prom]\nkind = "prometheus"\nurl = "{server.url}"\n')

    def fires():
        code, out, _ = alerts("server-rules", "prom")
        assert code == 0
        told = "firing     ok    theirs/AlwaysUp: vector(1) > 0" in out
        return out if told and " unknown " not in out else None  # it has not been through all of them

    out = until_now(fires, 30)
    assert "inactive   ok    theirs/Never: vector(1) > 2 for 5 m" in out
    assert "recording  ok    theirs/one: vector(1)" in out
    assert json.loads(alerts("server-rules", "prom", "--json")[1])[0]["state"] == "firing"
    assert alerts("copy", "prom", "Never", "--yes")[0] == 0
    assert alerts("copy", "prom", "AlwaysUp", "--watch", "--yes")[0] == 0
    copied, watched = read_rules(alerts.rules.read_text()).rules
    assert (copied.name, copied.expr, copied.hold) == ("Never", "vector(1) > 2", 300.0)
    assert watched.expr == 'ALERTS{alertname="AlwaysUp", alertstate="firing"}'
    assert dict(watched.labels) == {"severity": "critical", "team": "{{ $value }}"}
    for rule in (copied, watched):
        assert rule.annotation("perftui_source") == "prom"
    right, said = checks(alerts.rules)
    assert right, said
    code, out, _ = alerts("backtest")
    code, _, err = alerts("copy", "prom", "Nothing", "--yes")
    assert code == 2
    assert "it has AlwaysUp, Never" in err
    assert alerts("copy", "other", "Never", "--yes")[0] == 2
