"""From a rule's tick to a notification accepted: the agent beside Prometheus with Alertmanager, in one run.

    python -m benchmarks.mon_latency [--rounds 8]

Both rulers evaluate the same rule file (each alert begins at an instant of its own) and tell the same
receiver, with `group_wait` 0. A round's latency is the receiver's clock when a message is accepted,
less the tick at which its alert began (`startsAt`). All listen on free ports of 127.0.0.1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

INTERVAL = 2  # seconds between two ticks
APART = 4  # seconds between two alerts' beginnings
SETTLE = 25  # seconds until both are surely at work
TARGET = 0.250
CONFIG = """
[env.bench.backends.host]
[alerts]
shipped = false
[channels.webhook]
url = "http://127.0.0.1:{port}/ours"
[routes.all]
channels = ["webhook"]
group_by = ["rule"]
group_wait = 0
"""
PROMETHEUS = """
global: {{evaluation_interval: {interval}s}}
rule_files: [{rules}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{manager}']}}]}}]}}
"""
MANAGER = """
route: {{receiver: bench, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers:
- name: bench
  webhook_configs: [{{url: 'http://127.0.0.1:{port}/theirs', send_resolved: false}}]
"""


class Receiver(BaseHTTPRequestHandler):
    """Accepts messages in Alertmanager's shape and notes when."""

    arrivals: list[tuple[str, float, dict[str, Any]]] = []  # noqa: RUF012 - one receiver a process

    def do_POST(self) -> None:
        """Take one."""
        at = time.time()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.arrivals.append((self.path, at, body))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nothing is printed."""


def free_port() -> int:
    """A port nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def rules(begin: float, rounds: int) -> str:
    """One alert a round, which begins to be true at an instant of its own."""
    rows = (
        f"  - {{alert: Round{n}, expr: 'vector(time()) >= {begin + n * APART:.0f}', "
        "labels: {severity: critical}}\n"
        for n in range(rounds)
    )
    return f"groups:\n- name: bench\n  interval: {INTERVAL}s\n  rules:\n{''.join(rows)}"


@contextmanager
def running(*commands: Sequence[str], folder: Path) -> Iterator[None]:
    """The programs, ended at the end."""
    env = {**os.environ, "PERFTUI_STATE_DIR": str(folder)}
    with (folder / "log").open("w") as log:
        started = [subprocess.Popen(command, stdout=log, stderr=log, env=env) for command in commands]
        try:
            yield
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(20)


def programs(folder: Path, port: int, begin: float, rounds: int) -> list[list[str]]:
    """Our agent, and the pair where it is installed."""
    (folder / "rules.yml").write_text(rules(begin, rounds))
    config = folder / "config.toml"
    config.write_text(CONFIG.format(port=port))
    config.chmod(0o600)
    found = [[sys.executable, "-m", "perftui", "agent", "--config", str(config), "--metrics", "off"]]
    server, manager = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
    if server is None or manager is None:
        print("prometheus and prometheus-alertmanager are not both on PATH: the pair is left out")
        return found
    at = free_port()
    (folder / "manager.yml").write_text(MANAGER.format(port=port))
    words = {"interval": INTERVAL, "rules": folder / "rules.yml", "manager": at}
    (folder / "prometheus.yml").write_text(PROMETHEUS.format(**words))
    return [
        *found,
        [
            manager,
            f"--config.file={folder / 'manager.yml'}",
            f"--storage.path={folder / 'manager'}",
            f"--web.listen-address=127.0.0.1:{at}",
            "--cluster.listen-address=",
        ],
        [
            server,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{free_port()}",
        ],
    ]


def latencies(path: str) -> dict[str, float]:
    """Seconds from tick to acceptance, by alert: the first message that names it."""
    found: dict[str, float] = {}
    for where, at, body in Receiver.arrivals:
        for alert in body["alerts"] if where == path else ():
            name = alert["labels"].get("alertname") or alert["labels"]["rule"]
            began = datetime.fromisoformat(alert["startsAt"]).timestamp()
            if name.startswith("Round"):
                found.setdefault(name, at - began)
    return found


def told(name: str, found: dict[str, float], rounds: int) -> float:
    """A row of the table; its median."""
    took = sorted(found.values())
    if not took:
        print(f"| {name} | nothing arrived | | |")
        return float("inf")
    middle = statistics.median(took)
    print(f"| {name} | {len(took)}/{rounds} | {middle * 1000:.0f} | {took[-1] * 1000:.0f} |")
    return middle


def main() -> int:
    """Let all rounds pass and print what arrived when."""
    parser = argparse.ArgumentParser("benchmarks.mon_latency", description="From a tick to a notification.")
    parser.add_argument("--rounds", type=int, default=8)
    rounds = parser.parse_args().rounds
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    begin = time.time() + SETTLE
    with tempfile.TemporaryDirectory(prefix="perftui-bench-") as name:
        folder = Path(name)
        commands = programs(folder, receiver.server_port, begin, rounds)
        with running(*commands, folder=folder):
            time.sleep(SETTLE + rounds * APART + 2 * INTERVAL + 2)
        if not Receiver.arrivals:
            print((folder / "log").read_text()[-3000:], file=sys.stderr)
    receiver.shutdown()
    print(f"load {os.getloadavg()[0]:.1f}\n| ruler | told | median ms | worst ms |\n|---|---|---|---|")
    ours = told("perftui agent", latencies("/ours"), rounds)
    print("- ours <= 250 ms after the tick: " + ("met" if ours <= TARGET else "MISSED"))
    if len(commands) > 1:
        theirs = told("Prometheus + Alertmanager", latencies("/theirs"), rounds)
        print("- not slower than the pair: " + ("met" if ours <= theirs else "MISSED"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
