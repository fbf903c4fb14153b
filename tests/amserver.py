"""A real Alertmanager on an empty folder, told of alerts and silences as any program tells it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from datetime import UTC, datetime

from perftui.lab.ports import free_port
from tests.waiting import until_now

PROGRAM = shutil.which("prometheus-alertmanager")
CONFIG = """\
route: {receiver: pager, group_wait: 0s}
receivers: [{name: pager}]
inhibit_rules:
- {source_matchers: ['severity="critical"'], target_matchers: ['severity="warning"'], equal: [instance]}
"""


def stamp(at):
    return datetime.fromtimestamp(at, UTC).isoformat()


class Server:
    """One process."""

    def __init__(self, folder, config=CONFIG):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yml").write_text(config)
        self.url = f"http://127.0.0.1:{free_port()}"
        words = (
            f"--config.file={folder / 'config.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--cluster.listen-address=",
        )
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen([PROGRAM, *words], stdout=log, stderr=log)
        until_now(self.ready, 30)

    def ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def ask(self, path, body=None):
        """The answer of its API; with a body it is a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v2/{path}", data)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def fire(self, name, summary="", **labels):
        labels |= {"alertname": name}
        now = time.time()
        row = {"labels": labels, "annotations": {"summary": summary} if summary else {}}
        self.ask("alerts", [row | {"startsAt": stamp(now - 60), "endsAt": stamp(now + 600)}])

    def hush(self, name, value, *, regex=False, equal=True, note="moving", seconds=600.0):
        now = time.time()
        matcher = {"name": name, "value": value, "isRegex": regex, "isEqual": equal}
        span = {"startsAt": stamp(now), "endsAt": stamp(now + seconds)}
        return self.ask("silences", {"matchers": [matcher], **span, "createdBy": "eve", "comment": note})
