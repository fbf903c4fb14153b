"""Who is told, from a shell: routes, a test through a real receiver, what was delivered."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from perftui.analysis.matchers import matches
from perftui.cli import main
from perftui.config import load
from perftui.lab.receivers import Receivers
from tests.amserver import PROGRAM, Server
from tests.needs import needs

CONFIG = """
[env.x]
kind = "production"
[channels.pagerduty]
routing_key = "env:TEST_PD"
base_url = "http://127.0.0.1:{port}"
[channels.slack]
token = "env:TEST_SLACK"
channel = "C0123"
base_url = "http://127.0.0.1:{port}/api"
[channels.sms]
account = "AC00000000000000000000000000000000"
token = "env:TEST_SMS"
sender = "+15005550006"
base_url = "http://127.0.0.1:{port}"
[oncall]
people = {{ anna = "+15005550001" }}
rota = ["anna"]
"""


@pytest.fixture(scope="module")
def receivers():
    """Receivers in a thread with a loop of its own: the command runs one itself."""
    there, loop = Receivers(), asyncio.new_event_loop()
    loop.run_until_complete(there.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield there
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(there.stop())
    loop.close()


@pytest.fixture
def alerts(tmp_path, monkeypatch, capsys, receivers):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    for name in ("PD", "SLACK", "SMS"):
        monkeypatch.setenv(f"TEST_{name}", "abc" if name != "PD" else "abc" + "0" * 29)
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(port=receivers.http_port))
    path.chmod(0o600)

    def run(verb, *words):
        code = main(["alerts", verb, "--config", str(path), "--env", "x", *words])
        return code, *capsys.readouterr()

    run.path = path
    return run


@pytest.mark.parametrize(
    ("labels", "channels"),
    [
        ('{severity="critical"}', ["pagerduty"]),
        ('{severity="critical", outage="true"}', ["sms", "pagerduty"]),
        ('severity="warning"', ["slack"]),
        ('severity="info"', ["slack"]),
    ],
)
def test_the_shipped_routes(alerts, labels, channels):
    code, out, _ = alerts("route", labels, "--json")
    assert code == 0
    assert json.loads(out)["channels"] == channels


def test_a_way_says_why_and_what_follows(alerts):
    _, out, _ = alerts("route", '{severity="critical"}')
    assert 'critical {severity="critical"} → pagerduty' in out
    assert "without an acknowledgement: shipped" in out


def test_no_way_is_said_and_is_the_answer_no(alerts):
    code, out, said = alerts("route", '{severity="strange"}')
    assert (code, out) == (1, "")
    assert "no one will be told" in said
    assert alerts("route", '{severity=~"c.*"}')[0] == 2
    alerts.path.write_text("[env.x]\n")
    code, _, said = alerts("route", '{severity="critical"}')
    assert code == 1
    assert "no channel is configured" in said
    assert "no channel is configured" in alerts("channels")[2]
    assert alerts("oncall")[:2] == (1, "nobody: no rota and no schedule is configured, [oncall]\n")


def test_who_is_on_call_is_asked_of_the_schedule_and_where_it_is_not_told_the_rota_holds(
    alerts, receivers, monkeypatch
):
    assert alerts("oncall")[:2] == (0, "anna, then anna (by the rota)\n")
    monkeypatch.setenv("TEST_REST", "y_NbAkKc66ryYTWUXYEu")
    text = alerts.path.read_text().replace('rota = ["anna"]', 'rota = ["anna"]\nschedule = "PI7DH85"')
    text = text.replace("{ anna", '{ "Ben Ono" = "+15005550002", anna')
    alerts.path.write_text(text)
    code, _, said = alerts("oncall")
    assert code == 2
    assert "no channel of kind pagerduty has an `api_token` to ask with" in said
    url = f"http://127.0.0.1:{receivers.http_port}"
    keys = f'[channels.pagerduty]\napi_token = "env:TEST_REST"\napi_url = "{url}"'
    alerts.path.write_text(text.replace("[channels.pagerduty]", keys))
    receivers.duty["PI7DH85"] = ["Ben Ono"]
    assert alerts("oncall")[:2] == (0, "Ben Ono, then anna (by PagerDuty's PI7DH85)\n")
    receivers.script["oncalls"] = ["403"]
    code, out, _ = alerts("oncall", "--json")
    said = json.loads(out)
    assert (code, said["first"], said["by"]) == (0, ["anna"], "the rota")
    assert "PI7DH85 is not followed: HTTP 403" in said["said"]
    before = len(receivers.counted("sms"))
    assert alerts("test", "sms", "--yes")[0] == 0
    assert [one.body["To"] for one in receivers.counted("sms")[before:]] == ["+15005550002"]


@pytest.mark.needs("prometheus-alertmanager")
def test_what_an_alertmanager_holds_is_printed(alerts, tmp_path):
    code, out, said = alerts("elsewhere")
    assert (code, out) == (1, "")
    assert "there is no channel of kind alertmanager to read" in said
    needs("prometheus-alertmanager", PROGRAM is not None, "apt-get install prometheus-alertmanager")
    server = Server(tmp_path / "am")
    try:
        server.fire("Torn", "tape is torn", severity="critical")
        server.hush("instance", "web")
        text = f'[channels.am]\nkind = "alertmanager"\nbase_url = "{server.url}"\n'
        alerts.path.write_text(alerts.path.read_text() + text)
        code, out, _ = alerts("elsewhere")
        first, second = out.splitlines()
        assert (code, first.split()[:3]) == (0, ["am", "firing", "critical"])
        assert first.endswith("Torn  tape is torn  pager")
        assert 'instance="web"  eve  moving' in second
        assert json.loads(alerts("elsewhere", "--json")[1])[0]["alerts"][0]["rule"] == "Torn"
    finally:
        server.stop()
    code, out, said = alerts("elsewhere")
    assert (code, out) == (3, "")
    assert "am: ConnectError" in said


@pytest.mark.parametrize("channel", ["pagerduty", "slack", "sms"])
def test_a_test_arrives_once_and_is_remembered(alerts, receivers, channel):
    before = len(receivers.counted(channel))
    code, out, _ = alerts("test", channel, "--dry-run")
    assert code == 0
    assert "marked as a test" in out
    assert len(receivers.counted(channel)) == before
    assert alerts("test", channel)[0] == 4  # nobody said yes
    code, out, _ = alerts("test", channel, "--yes")
    assert (code, out) == (0, f"{channel} has taken the test\n")
    (arrival,) = receivers.counted(channel)[before:]
    assert "TEST" in json.dumps(arrival.body)
    _, out, _ = alerts("deliveries", "--json")
    assert [(d["channel"], d["state"]) for d in json.loads(out)] == [(channel, "sent")]
    assert "last sent" in alerts("channels")[1]


def test_a_test_that_is_refused_says_what_the_vendor_said(alerts, receivers):
    receivers.script["slack"] = ["ok:false"]
    code, _, said = alerts("test", "slack", "--yes")
    assert code == 3
    assert "has not taken the test: invalid_auth" in said
    assert "failing since" in alerts("channels")[1]
    assert "refused" in alerts("deliveries")[1]
    assert "refused" in alerts("history")[1]


def test_a_channel_that_is_not_there_and_a_secret_that_is_not(alerts, monkeypatch):
    assert alerts("test", "teams", "--yes")[0] == 4
    monkeypatch.delenv("TEST_PD")
    code, _, said = alerts("test", "pagerduty", "--yes")
    assert code == 3
    assert "TEST_PD is not set" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('[routes.a]\nchannels = ["nowhere"]', "there is no channel nowhere"),
        ('[routes.a]\nmatch = "severity"', "is no matcher"),
        ('[routes.a]\nunder = "b"', "no route b"),
        ('[routes.a]\nescalation = "b"', "no escalation b"),
        ('[escalation.a]\nsteps = [{ channel = "sms", to = "carl" }]', "nobody called carl"),
        ('schedule = "PI 7"', "is no id of a schedule"),
        ('second_schedule = "PI7DH85"', "needs a `schedule`"),
        ('[channels.slak]\nkind = "slak"', "did you mean slack"),
        ('[channels.p2]\nkind = "pagerduty"\nrouting_key = "plain"', "is a secret and may not stand here"),
    ],
)
def test_a_configuration_that_tells_nobody_is_refused_with_its_line(alerts, line, said):
    alerts.path.write_text(alerts.path.read_text() + line + "\n")
    code, _, told = alerts("channels")
    assert code == 2
    assert said in told
    assert "config.toml:" in told


def test_the_shipped_inhibition_names_a_rule_that_is_shipped(alerts):
    """Renaming the rule would otherwise end the hush without a word."""
    config = load(alerts.path, "x")
    names = {rule.name for rule in config.rules().rules}
    (hush,) = config.rules().inhibitions
    assert [name for name in names if matches(hush.source, {"rule": name})]
