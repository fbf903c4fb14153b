"""What we push, by Alertmanager's published shape and by a real one: it opens, repeats and ends the same alert."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from dataclasses import replace

import jsonschema
import pytest

from perftui.backends.alertmanager import Alertmanager
from perftui.backends.httppost import HttpPost
from perftui.lab.shapecheck import shape
from perftui.model import channels as options
from perftui.model.finding import Severity
from perftui.model.notify import Line, Notification, What
from tests.backends.test_senders import EVERY, NOTE, Post
from tests.needs import needs
from tests.waiting import until_now

PROGRAM = shutil.which("prometheus-alertmanager")
CONFIG = "route: {receiver: none}\nreceivers:\n- name: none\n"


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
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "config.yml").write_text(CONFIG)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    words = (
        f"--config.file={folder / 'config.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([PROGRAM, *words], stdout=log, stderr=log)
    try:
        until_now(lambda: ready(url), 30)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def ready(url):
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def held(url):
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=10) as answer:
        return json.load(answer)


@pytest.mark.needs("prometheus-alertmanager")
async def test_a_real_one_holds_one_alert_until_it_is_over(server):
    now = time.time()
    labels = (("rule", "CpuHigh"), ("source", "web"), ("a.b", "dotted"), ("empty", ""))
    line = Line("f" * 16, "CpuHigh", "CPU busy", Severity.CRITICAL, "web", "97 % > 95 %", now - 60, labels)
    given = ("am", What.TRIGGER, "t", "t@1", now, "lab", Severity.CRITICAL, "CPU busy", (line,))
    note = Notification("k", *given, total=1)
    post = HttpPost()
    sender = Alertmanager("am", options.AlertmanagerOptions(base_url=server), post)
    for what in (What.TRIGGER, What.REPEAT):
        outcome = await sender.deliver(replace(note, what=what), "")
        assert outcome.sent, outcome.said
    (alert,) = until_now(lambda: held(server), 20)
    assert alert["labels"] == {
        "a_b": "dotted",
        "alertname": "CpuHigh",
        "environment": "lab",
        "rule": "CpuHigh",
        "severity": "critical",
        "source": "web",
    }
    assert alert["annotations"] == {"summary": "CPU busy", "value": "97 % > 95 %"}
    assert alert["status"]["state"] in ("active", "unprocessed")
    assert (await sender.deliver(replace(note, what=What.RESOLVE, at=time.time()), "")).sent
    until_now(lambda: not held(server), 20)
    await post.close()
