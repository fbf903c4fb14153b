"""The whole lab: it answers, it asks for passwords, it hides its secrets, it dies whole."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import tomllib
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError

from perftui.instrument.cache.envelope import Sealer
from perftui.lab import Lab, LabError, LabOptions
from perftui.lab.datastores import PostgresPart, ValkeyPart
from perftui.lab.folders import Folder, server_owner, sweep
from perftui.lab.loadpart import LoadPart
from perftui.lab.postgres import PostgresServer
from perftui.lab.shoppart import ShopPart
from tests.lab.client import ShopClient
from tests.waiting import auntil, until

HOLDER = """
import asyncio, json, sys
from perftui.lab import Lab, LabOptions
async def main():
    lab = Lab(LabOptions(rate=10, parts=("valkey", "postgres", "shop", "load")))
    await lab.start()
    print(json.dumps(lab.endpoints), flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""


def mode(path: str | Path) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def living(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_shop_opens_with_a_warm_cache_whose_keys_do_not_end_together(open_folder):
    async with Lab(LabOptions(parts=("valkey", "postgres", "shop"), base=open_folder)) as lab:
        async with lab.part(ValkeyPart).primary.client() as client:
            keys = [f"shop:product:{n}" for n in range(1, 5001)]
            values = await client.mget(keys)
            lives = [await client.ttl(key) for key in keys[::50]]
        assert sum(value is not None for value in values) > 4900
        assert min(lives) < 300
        assert max(lives) > 1500
        known = next(Sealer().open(value)[1] for value in values if value)
        shown = await ShopClient(lab).ask(f"/products/{known['id']}")
        assert json.loads(shown.body) == known


async def test_endpoints_answer(lab):
    ends = json.loads(json.dumps(lab.endpoints))
    for name in ("primary", "replica"):
        async with redis.asyncio.Redis.from_url(ends["valkey"][name]["url"]) as client:
            assert (await client.info("replication"))["role"] == ("master" if name == "primary" else "slave")
        connection = await asyncpg.connect(ends["postgres"][name]["dsn"])
        assert await connection.fetchval("SELECT pg_is_in_recovery()") is (name == "replica")
        await connection.close()
    assert (await ShopClient(lab).ask("/health")).status == 200


async def test_extensions_and_settings(lab):
    connection = await asyncpg.connect(lab.endpoints["postgres"]["primary"]["dsn"])
    assert await connection.fetchval("SELECT count(*) FROM pg_stat_statements") > 0
    assert "auto_explain" in await connection.fetchval("SHOW shared_preload_libraries")
    assert await connection.fetchval("SHOW track_io_timing") == "on"
    assert await connection.fetchval("SELECT count(*) FROM products") == 5000
    assert (
        await connection.fetchval("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == 1
    )
    await connection.close()


async def test_passwords_are_asked_for(lab):
    ends = lab.endpoints
    for password in (None, "wrong"):
        port = ends["valkey"]["primary"]["port"]
        bare = redis.asyncio.Redis(port=port, password=password, retry=Retry(NoBackoff(), 0))
        with pytest.raises(AuthenticationError):
            await bare.ping()
        await bare.aclose()
    for user in ("perftui", "shop", "postgres"):
        with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
            await asyncpg.connect(
                host="127.0.0.1",
                port=ends["postgres"]["primary"]["port"],
                user=user,
                password="x",
                database="shop",
            )


async def test_no_password_in_statements_logs_or_arguments(lab):
    server = lab.part(PostgresPart).primary
    connection = await server.admin()
    shown = " ".join(r["query"] for r in await connection.fetch("SELECT query FROM pg_stat_statements"))
    await connection.close()
    logs = " ".join(path.read_text(errors="replace") for path in (server.data / "log").glob("*.log"))
    me = psutil.Process()
    arguments = " ".join(" ".join(p.cmdline()) for p in me.children(recursive=True) if living(p.pid))
    for secret in (*server.passwords.values(), lab.part(ValkeyPart).primary.password):
        assert secret not in shown + logs + arguments


async def test_files_are_private(lab):
    folder = lab.folder.path
    root = os.getuid() == 0
    assert mode(folder) == (0o711 if root else 0o700)
    for path in folder.iterdir():
        if path.name == "programs":
            continue
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path
    for path in (folder / "secrets").iterdir():
        assert mode(path) == 0o600
    assert mode(lab.part(ShopPart).control) == 0o600
    assert mode(lab.part(ValkeyPart).primary.socket) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root has rights to drop")
async def test_servers_run_as_an_ordinary_user(lab):
    folder = str(lab.folder.path)
    children = [p for p in psutil.Process().children(recursive=True) if living(p.pid)]
    ours = [p for p in children if folder in " ".join(p.cmdline()) or p.cwd().startswith(folder)]
    assert len(ours) >= 9
    assert {p.uids().real for p in ours} == {lab.folder.owner.uid}


async def test_configuration_names_backends_and_hides_secrets(lab):
    text = lab.config_toml()
    backends = tomllib.loads(text)["env"]["lab"]["backends"]
    kinds = {name: row["kind"] for name, row in backends.items()}
    assert kinds | {"edge": "?"} == {
        "valkey": "valkey",
        "valkey-replica": "valkey",
        "postgres": "postgres",
        "postgres-replica": "postgres",
        "shop": "scrape",
        "pool": "processpool",
        "host": "host",
        "pyspy": "pyspy",
        "edge": "?",
    }
    assert lab.part(ValkeyPart).primary.password not in text
    assert lab.part(PostgresPart).primary.password not in text
    for row in backends.values():
        if "password" in row:
            path = row["password"].removeprefix("file:")
            assert mode(path) == 0o600
            assert len(Path(path).read_text()) > 20
    assert mode(lab.config_path()) == 0o600


async def test_visitors_come_and_pause(lab):
    load = lab.part(LoadPart)
    await until(lambda: load.figures.get("ok", 0) > 10, 15)
    await load.order(pause=True)
    await until(lambda: load.figures["inflight"] == 0, 10)
    assert load.figures["rate"] == 0
    await load.order(rate=20)
    resumed = load.figures["sent"]
    await until(lambda: load.figures["sent"] > resumed + 5, 15)
    assert load.figures["failed"] == 0


async def test_a_needed_part_is_not_taken_away(lab):
    with pytest.raises(LabError, match="postgres is needed by shop"):
        await lab.part_down("postgres")
    with pytest.raises(LabError, match="no part 'mainframe'"):
        await lab.part_up("mainframe")


async def test_parts_go_and_come_back_where_they_were(lab):
    before = lab.endpoints
    order = [part.name for part in lab.parts.values() if part.name not in {"valkey", "postgres"}]
    for name in reversed(order):
        await lab.part_down(name)
    await lab.part_down("postgres")
    assert not lab.status()["parts"]["postgres"]["running"]
    for name in ("postgres", *order):
        await lab.part_up(name)
    after = lab.endpoints
    assert after["postgres"]["primary"]["dsn"] == before["postgres"]["primary"]["dsn"]
    assert after["shop"]["url"] == before["shop"]["url"]
    assert all(part["running"] for part in lab.status()["parts"].values())
    assert (await ShopClient(lab).ask("/health")).status == 200
    load = lab.part(LoadPart)
    await until(lambda: load.figures.get("ok", 0) > 5, 15)


async def test_servers_restart_on_their_port_and_shop_recovers(lab):
    shop = ShopClient(lab)
    for server in (lab.part(ValkeyPart).primary, lab.part(PostgresPart).primary):
        port = server.port
        await server.kill()
        await server.restart()
        assert server.port == port

    async def well() -> bool:
        return (await shop.ask("/health")).status == 200 and (await shop.ask("/products/3")).status == 200

    await auntil(well, 15)

    async def streaming() -> bool:
        connection = await lab.part(PostgresPart).replica.admin()
        try:
            return bool(await connection.fetchval("SELECT count(*) FROM pg_stat_wal_receiver"))
        finally:
            await connection.close()

    await auntil(streaming, 15)


async def test_nothing_outlives_a_killed_parent():
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    holder = subprocess.Popen(  # noqa: ASYNC220 - a plain parent, to be killed
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, env=environment
    )
    try:
        ends = json.loads(await asyncio.to_thread(holder.stdout.readline))
        pids = [child.pid for child in psutil.Process(holder.pid).children(recursive=True)]
        assert len(pids) > 15
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    await until(lambda: not [pid for pid in pids if living(pid)], 1.0)
    folder = Path(ends["dir"])
    assert folder.exists()
    await asyncio.to_thread(sweep, folder.parent)
    assert not folder.exists()


def test_a_living_lab_s_folder_is_not_swept(lab):
    sweep(Path(tempfile.gettempdir()))
    assert lab.folder.path.exists()


async def test_a_failed_start_leaves_nothing(monkeypatch, open_folder):
    children = {p.pid for p in psutil.Process().children(recursive=True)}
    monkeypatch.setattr("perftui.lab.valkey.server_program", lambda: Path("/bin/false"))
    with pytest.raises(LabError, match="valkey ended at once"):
        await Lab(LabOptions(parts=("valkey", "postgres", "shop"), base=open_folder)).start()
    assert list(open_folder.iterdir()) == []
    await until(lambda: not begun_since(children), 20)


def begun_since(children: set[int]) -> set[int]:
    """New processes of ours; what those that were there begin meanwhile is theirs."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.pid not in children and process.ppid() not in children and living(process.pid):
                found.add(process.pid)
    return found


async def test_a_copy_that_was_begun_is_over_when_its_start_is_cancelled(monkeypatch, open_folder):
    folder = Folder.create(server_owner(), open_folder)
    server = PostgresServer(folder)
    begun, go = threading.Event(), threading.Event()

    def slowly(source: Path) -> None:
        begun.set()
        go.wait(20)
        server.data.mkdir(parents=True)

    monkeypatch.setattr(server, "_lay_out", slowly)
    start = asyncio.create_task(server.prepare())
    await until(begun.is_set, 60)
    start.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not start.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert server.data.exists()
    folder.remove()
    assert list(open_folder.iterdir()) == []
