"""What we push, by Alertmanager's published shape and by a real one: it opens, repeats and ends the same alert."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import replace

import jsonschema
import pytest

from perftui.backends.alertmanager import MOST, SHOWN, Alertmanager
from perftui.backends.httppost import HttpPost
from perftui.lab.shapecheck import shape
from perftui.model import channels as options
from perftui.model.elsewhere import HeldReader
from perftui.model.finding import Severity
from perftui.model.notify import Line, Notification, Reply, What
from tests.amserver import PROGRAM, Server, stamp
from tests.backends.test_senders import EVERY, NOTE, Post
from tests.needs import needs
from tests.waiting import auntil, until_now


@pytest.mark.parametrize("what", [one for one in EVERY if one is not What.ACKNOWLEDGE])
async def test_it_keeps_to_the_published_shape(what):
    post = Post(200, b"")
    assert (
        await Alertmanager("a", options.AlertmanagerOptions(), post).deliver(replace(NOTE, what=what), "")
    ).sent
    jsonschema.validate(post.bodies[0], shape("alertmanager"))
    assert all(
        name.isidentifier() and value for one in post.bodies[0] for name, value in one["labels"].items()
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    needs("prometheus-alertmanager", PROGRAM is not None, "apt-get install prometheus-alertmanager")
    made = Server(tmp_path_factory.mktemp("alertmanager"))
    yield made
    made.stop()


@pytest.mark.needs("prometheus-alertmanager")
async def test_a_real_one_holds_one_alert_until_it_is_over(server):
    now = time.time()
    labels = (("rule", "CpuHigh"), ("source", "web"), ("a.b", "dotted"), ("empty", ""))
    line = Line("f" * 16, "CpuHigh", "CPU busy", Severity.CRITICAL, "web", "97 % > 95 %", now - 60, labels)
    given = ("am", What.TRIGGER, "t", "t@1", now, "lab", Severity.CRITICAL, "CPU busy", (line,))
    note = Notification("k", *given, total=1)
    post = HttpPost()
    sender = Alertmanager("am", options.AlertmanagerOptions(base_url=server.url), post)
    for what in (What.TRIGGER, What.REPEAT):
        outcome = await sender.deliver(replace(note, what=what), "")
        assert outcome.sent, outcome.said
    (alert,) = until_now(lambda: server.ask("alerts"), 20)
    assert alert["labels"] == {
        "a_b": "dotted",
        "alertname": "CpuHigh",
        "environment": "lab",
        "rule": "CpuHigh",
        "severity": "critical",
        "source": "web",
    }
    assert alert["annotations"] == {"perftui_env": "lab", "summary": "CPU busy", "value": "97 % > 95 %"}
    assert alert["status"]["state"] in ("active", "unprocessed")
    assert (await sender.held(now)).total == 0  # it came from here: it is on the screen already
    assert (await sender.deliver(replace(note, what=What.RESOLVE, at=time.time()), "")).sent
    until_now(lambda: not server.ask("alerts"), 20)
    await post.close()


@pytest.mark.needs("prometheus-alertmanager")
async def test_what_a_real_one_holds_is_read_with_what_keeps_it_quiet(server):
    server.fire("DiskFull", "disk of db is \x1b[31mfull", severity="critical", instance="db")
    server.fire("DiskFilling", severity="warning", instance="db")
    server.fire("Slow", "slow", severity="warning", instance="web")
    silence = server.hush("instance", "web|api", regex=True)["silenceID"]
    server.hush("instance", "db", equal=False, note="all but db", seconds=900)
    over = server.hush("instance", "old")["silenceID"]
    expire(server, over)
    post = HttpPost()
    sender = Alertmanager("am", options.AlertmanagerOptions(base_url=server.url), post)
    assert isinstance(sender, HeldReader)

    async def settled():
        found = await sender.held(time.time())
        return found if [one.state for one in found.alerts].count("firing") == 1 else None

    found = await auntil(settled, 20)
    await post.close()
    alerts = {one.rule: one for one in found.alerts}
    assert (found.total, found.said) == (3, "")
    assert {rule: one.state for rule, one in alerts.items()} == {
        "DiskFull": "firing",
        "DiskFilling": "inhibited",
        "Slow": "silenced",
    }
    assert alerts["DiskFull"].title == "disk of db is \\x1b[31mfull"
    assert alerts["DiskFull"].receivers == ("pager",)
    assert abs(time.time() - 60 - alerts["DiskFull"].since) < 30
    assert silence in alerts["Slow"].by
    assert alerts["DiskFilling"].by == (alerts["DiskFull"].mark,)
    assert [(one.matchers, one.who, one.note) for one in found.silences] == [
        (('instance=~"web|api"',), "eve", "moving"),
        (('instance!="db"',), "eve", "all but db"),
    ]


def expire(server, silence):
    request = urllib.request.Request(f"{server.url}/api/v2/silence/{silence}", method="DELETE")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(0, error="ConnectError: refused"), "ConnectError: refused"),
        (Reply(401, b"no"), "HTTP 401 no"),
        (Reply(200, b"[{"), "an answer that cannot be read"),
        (Reply(200, b'[{"annotations": {}}]'), "an answer that cannot be read"),
        (Reply(200, b" " * MOST), "more than 8 MiB of alerts"),
    ],
)
async def test_what_cannot_be_read_is_said(reply, said):
    async def post(request):
        assert request.headers["Authorization"] == "Bearer t"
        return reply

    made = Alertmanager("am", options.AlertmanagerOptions(token="t"), post)
    found = await made.held(5.0)
    assert (found.said, found.alerts) == (said, ())


async def test_of_very_many_the_newest_are_shown_and_all_are_counted():
    def alert(n):
        labels, status = {"alertname": f"a{n}"}, {"state": "active", "silencedBy": [], "inhibitedBy": []}
        row = {"fingerprint": f"{n:016x}", "labels": labels, "annotations": {}, "status": status}
        return row | {"startsAt": stamp(1_700_000_000 + n), "receivers": []}

    async def post(request):
        rows = [alert(n) for n in range(SHOWN + 100)] if request.url.endswith("alerts") else []
        return Reply(200, json.dumps(rows).encode())

    found = await Alertmanager("am", options.AlertmanagerOptions(), post).held(5.0)
    assert (found.said, found.total, len(found.alerts)) == ("", SHOWN + 100, SHOWN)
    assert [found.alerts[at].rule for at in (0, -1)] == [f"a{SHOWN + 99}", "a100"]
