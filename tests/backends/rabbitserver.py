"""A real RabbitMQ with its management plugin, alone on ports of 127.0.0.1 and in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

from tests.needs import needs
from tests.waiting import until_now

CLI = next(iter(sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))), None)


def free_ports(count):
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


class Rabbit:
    """One node; `guest` may do everything on it."""

    def __init__(self, folder):
        needs(
            "rabbitmq-server", CLI is not None and bool(shutil.which("epmd")), "apt install rabbitmq-server"
        )
        self.amqp, distribution, self.port, epmd = free_ports(4)
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plugins").write_text("[rabbitmq_management].")
        (folder / "rabbitmq.conf").write_text(
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self.port}\n"
            "collect_statistics_interval = 1000\n"
        )
        self.log = (folder / "log").open("w")
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"perftui{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.amqp),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-setcookie perftui",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(epmd),
        }
        # A mapper of names of our own: the one a node starts by itself would outlive it.
        self._epmd = self._start(["epmd"])
        self.start()

    def _start(self, command):
        return subprocess.Popen(
            command, env=self._environment, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def start(self):
        self._node = self._start([str(CLI / "rabbitmq-server")])
        until_now(self._ready, 90)

    def _ready(self):
        assert self._node.poll() is None, "rabbitmq-server ended"
        try:
            return bool(self.ask("GET", "overview"))
        except OSError:
            return False

    def end_node(self):
        """End the node's own process group: what was started is a script."""
        os.killpg(self._node.pid, 9)
        self._node.wait(20)

    def stop(self):
        self.end_node()
        self._epmd.kill()
        self._epmd.wait(10)
        self.log.close()

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self.url}/api/{path}", None if body is None else json.dumps(body).encode(), method=method
        )
        request.add_header("Authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=")  # guest:guest
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read() or b"null")

    def declare(self, queue, vhost="/"):
        self.ask("PUT", f"queues/{quote(vhost, safe='')}/{queue}", {"durable": True})
