"""A console on a cluster with keys of three kinds, and on a group with sentinels, for tabs that show servers too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perftui.app import Options, PerftuiApp
from perftui.config import load
from perftui.instrument.cache.store import open_store
from perftui.session import Session
from tests.conftest import need_valkey
from tests.console import Console
from tests.topologies import a_cluster, unhurried

if TYPE_CHECKING:
    from perftui.lab.cluster import Cluster
    from perftui.lab.folders import Folder

PAGES, CARTS = 4000, 900

Open = Callable[..., AbstractAsyncContextManager[Console]]


@pytest.fixture(scope="module")
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    """Three masters and their replicas with 4,900 keys."""
    need_valkey()
    made = a_cluster(server_folder)
    await made.start()
    await unhurried(made)
    await fill(made)
    yield made
    await made.stop()


async def fill(cluster: Cluster) -> None:
    """The keys, again where they are gone."""
    store = open_store(cluster.url)
    keys = [(b"page:%d" % n, b"x" * 40) for n in range(PAGES)]
    keys += [(b"cart:%d" % n, b"y" * 300) for n in range(CARTS)]
    for at in range(0, len(keys), 500):
        await asyncio.gather(*(store.put(key, value, 900) for key, value in keys[at : at + 500]))
    await store.close()


@pytest.fixture
def config(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A configuration with the cluster alone."""
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CLUSTER_PASSWORD", cluster.masters[0].password)
    places = ",".join(f"{m.host}:{m.port}" for m in cluster.masters[:2])
    file = tmp_path / "config.toml"
    file.touch(0o600)
    file.write_text(
        '[env.lab]\nkind = "lab"\n[env.lab.backends.shards]\nkind = "valkey-cluster"\n'
        f'url = "redis+cluster://{places}"\npassword = "env:CLUSTER_PASSWORD"\n'
    )
    return str(file)


@pytest.fixture
def console(config: str) -> Open:
    """Opens the console on a tab: `async with console("cache.keys", (80, 24)) as it`."""

    @asynccontextmanager
    async def opened(
        tab: str, size: tuple[int, int] = (120, 40), environment: dict[str, str] | None = None, **flags: Any
    ) -> AsyncIterator[Console]:
        settings = load(config, "lab", flags)
        app = PerftuiApp(
            lambda _env: Session.open(settings, settings.environment, read_only=settings.read_only),
            Options(screen=tab),
            environment={"TERM": "xterm-256color", **(environment or {})},
        )
        async with app.run_test(size=size) as pilot:
            yield Console(app, pilot)

    return opened
