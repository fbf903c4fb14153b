"""A real PostgreSQL of ours: started from a cached, seeded cluster, one primary or a streaming replica."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import secrets
import shutil
import signal
from pathlib import Path
from typing import Any

from perftui.lab.folders import Folder, programs, write_private
from perftui.lab.pgtemplate import install_folder, template
from perftui.lab.ports import free_port
from perftui.lab.processes import Command, LabError, spawn, tail, until
from perftui.lab.server import Server

DATABASE = "shop"
SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "track_io_timing": "on",
    "track_activity_query_size": "4096",
    "pg_stat_statements.max": "2000",
    "auto_explain.log_min_duration": "250ms",
    "auto_explain.log_analyze": "off",
    "log_min_duration_statement": "250ms",
    "log_lock_waits": "on",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%H.log",
    "log_file_mode": "0600",
    "log_rotation_age": "60",
    "log_truncate_on_rotation": "on",
    "wal_level": "logical",
    "max_wal_senders": "8",
    "wal_keep_size": "64MB",
    "max_slot_wal_keep_size": "512MB",
    "max_wal_size": "256MB",
    "min_wal_size": "16MB",
    "hot_standby_feedback": "on",
    "shared_buffers": "64MB",
    "max_connections": "120",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "io_method": "sync",  # no idle I/O worker processes on a small machine
    "autovacuum_naptime": "20s",
    "fsync": "off",  # the lab's data dies with it
    "full_page_writes": "off",
    "dynamic_shared_memory_type": "mmap",  # /dev/shm is small in containers
}


class PostgresServer(Server):
    """One PostgreSQL on 127.0.0.1 (scram passwords) and a unix socket in a 0700 folder (peer).

    Roles: `shop` owns the schema, `perftui` watches and may signal backends, `replicator` streams.
    """

    def __init__(
        self, folder: Folder, name: str = "postgres", replica_of: PostgresServer | None = None
    ) -> None:
        self.folder = folder
        self.name = name
        self.primary = replica_of
        self.host = "127.0.0.1"
        self.port = free_port()
        self.user = "perftui"
        self.database = DATABASE
        self.passwords: dict[str, str] = replica_of.passwords if replica_of else _passwords()
        self.home = folder.part(name)
        self.data = self.home / "data"
        self.log = self.home / "server.log"

    @property
    def password(self) -> str:
        """Password of the watching role."""
        return self.passwords[self.user]

    @property
    def bare_dsn(self) -> str:
        """DSN of the watching role without its password."""
        return f"postgresql://{self.user}@{self.host}:{self.port}/{self.database}"

    @property
    def dsn(self) -> str:
        """DSN of the watching role, password included."""
        return self.dsn_of(self.user)

    def dsn_of(self, role: str) -> str:
        """DSN of one of the roles, password included."""
        return f"postgresql://{role}:{self.passwords[role]}@{self.host}:{self.port}/{self.database}"

    async def prepare(self) -> None:
        """Lay out the data folder from the cached cluster, once."""
        if not self.data.exists():
            source = await template(self.folder)
            copy = asyncio.create_task(asyncio.to_thread(self._lay_out, source))
            try:
                await asyncio.shield(copy)
            finally:  # cancelled or not, nothing is written there any more: the folder may be removed next
                await asyncio.wait({copy})

    async def start(self) -> None:
        """Start; a primary is ready when its roles have their passwords, a replica when it streams.

        Raises:
            LabError: it does not come up; the text carries the end of its log.
        """
        await self.prepare()
        program = programs(install_folder(), "postgres", self.folder) / "bin" / "postgres"
        # SIGQUIT is PostgreSQL's immediate shutdown: backends go at once, shared memory is freed.
        command = Command(
            [str(program), "-D", str(self.data)], self.home, self.log, self.folder.owner, death=signal.SIGQUIT
        )
        self.child = await spawn(self.name, command)
        try:
            await until(self._answers, 30, f"a connection to {self.name} on port {self.port}", 0.02)
        except LabError as error:
            raise LabError(f"{error}\n{self._log_tail()}") from error

    async def admin(self, database: str = DATABASE, **settings: str) -> Any:
        """A superuser's connection over the unix socket; the caller closes it."""
        import asyncpg

        return await asyncpg.connect(
            host=str(self.home),
            port=self.port,
            user="postgres",
            database=database,
            timeout=5,
            command_timeout=30,
            server_settings={"application_name": "lab", **settings},
        )

    async def _answers(self) -> bool:
        import asyncpg

        if self.child is not None and not self.child.alive:
            raise LabError(f"{self.name} ended at once")
        try:
            connection = await self.admin()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            return False
        try:
            return await self._complete(connection)
        finally:
            await connection.close()

    async def _complete(self, connection: Any) -> bool:
        """Finish the start over a first connection: passwords and slot, or proof of streaming."""
        if self.primary is not None:
            return bool(
                await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_wal_receiver WHERE status='streaming'"
                )
            )
        for role, password in self.passwords.items():
            # Hidden from pg_stat_statements and the log: a password is no statement to show.
            await connection.execute(
                "SET pg_stat_statements.track_utility = off; SET log_min_duration_statement = -1"
            )
            await connection.execute(f"ALTER ROLE {role} PASSWORD '{password}'")
        await connection.execute(
            "SELECT pg_create_physical_replication_slot('replica', immediately_reserve => true)"
            " WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'replica')"
        )
        return True

    def _lay_out(self, source: Path) -> None:
        shutil.copytree(source, self.data)
        settings = {
            **SETTINGS,
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self.home),
            "cluster_name": self.name,
        }
        if self.primary is not None:
            settings |= self._standby()
        text = "".join(f"{key} = '{value}'\n" for key, value in settings.items())
        write_private(self.data / "postgresql.conf", text)
        write_private(self.data / "pg_hba.conf", HBA)
        write_private(self.data / "pg_ident.conf", ident(self.folder))
        self.data.chmod(0o700)
        for root, folders, files in os.walk(self.data):
            for name in (".", *folders, *files):
                self.folder.give(Path(root, name))

    def _standby(self) -> dict[str, str]:
        assert self.primary is not None
        (self.data / "standby.signal").touch(0o600)
        password = self.passwords["replicator"]
        conninfo = (
            f"host={self.primary.host} port={self.primary.port} user=replicator password={password}"
            f" application_name={self.name} sslmode=disable"
        )
        return {
            "primary_conninfo": conninfo,
            "primary_slot_name": "replica",
            "wal_retrieve_retry_interval": "200ms",
        }

    def _log_tail(self) -> str:
        logs = sorted((self.data / "log").glob("*.log"))
        return tail(logs[-1]) if logs else tail(self.log)

    def processes(self) -> list[int]:
        """The postmaster and its children (where /proc tells), the postmaster first."""
        if not self.pid:
            return []
        found = [self.pid]
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError, ValueError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == self.pid:
                    found.append(int(entry.name))
        return found

    async def stop(self) -> None:
        """Fast shutdown; may be called twice."""
        if self.child is not None:
            await self.child.stop(signal.SIGINT, grace=10.0)

    async def drop(self) -> None:
        """Immediate shutdown, for data that nobody will need: no checkpoint, no waiting for replicas."""
        if self.child is not None:
            await self.child.stop(signal.SIGQUIT, grace=3.0)

    async def kill(self) -> None:
        """End all of it by SIGKILL, as a lost machine does."""
        for pid in self.processes():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if self.child is not None:
            await self.child.wait(5)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    async def pause(self) -> None:
        """Hang all of it: ports accept, nothing answers (SIGSTOP)."""
        for pid in self.processes():
            os.kill(pid, signal.SIGSTOP)

    async def resume(self) -> None:
        """Let it go on after `pause`."""
        for pid in self.processes():
            os.kill(pid, signal.SIGCONT)

    def status(self) -> dict[str, Any]:
        """JSON-able: pid, port, running."""
        return {"pid": self.pid, "port": self.port, "running": self.pid != 0}

    def endpoint(self) -> dict[str, Any]:
        """JSON-able: how to reach it, password included."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "database": self.database,
            "dsn": self.dsn,
            "password": self.password,
            "pid": self.pid,
        }


HBA = """\
local all postgres peer map=lab
local all all scram-sha-256
host all postgres 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
host replication replicator 127.0.0.1/32 scram-sha-256
"""


def ident(folder: Folder) -> str:
    """Who may be the superuser over the unix socket: us, and the user the server runs as."""
    names = {pwd.getpwuid(os.getuid()).pw_name} | ({folder.owner.name} if folder.owner else set())
    return "".join(f'lab "{name}" postgres\n' for name in sorted(names))


def _passwords() -> dict[str, str]:
    return {role: secrets.token_urlsafe(24) for role in ("shop", "perftui", "replicator")}
