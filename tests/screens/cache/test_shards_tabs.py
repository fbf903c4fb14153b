"""Keys, Memory, Latency and Tiers on a cluster of six real servers, and on a group; the shell says the same."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perftui.app import Options, PerftuiApp
from perftui.cli import main
from perftui.config import load
from perftui.instrument.cache import Cache
from perftui.instrument.cache.store import open_store
from perftui.lab.sentinel import GROUP
from perftui.session import Session
from tests.conftest import need_valkey
from tests.console import Console
from tests.screens.cache.shards import CARTS, PAGES, Open, cluster, config, console, fill
from tests.sizes import sizes
from tests.topologies import a_group
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.cluster import Cluster
    from perftui.lab.folders import Folder

__all__ = ["cluster", "config", "console"]

SIZES = ((80, 24), (120, 40), (160, 48))


def fits(text: str, size: tuple[int, int]) -> None:
    lines = text.splitlines()
    assert len(lines) == size[1]
    assert max(map(len, lines)) <= size[0]


@asynccontextmanager
async def load_on(made: Cluster) -> AsyncIterator[None]:
    """Somebody who asks for one page, and for carts of which one in ten is not there."""
    store, done = open_store(made.url), asyncio.Event()

    async def ask() -> None:
        n = 0
        while not done.is_set():
            n += 1
            await store.get_many([b"page:7", b"cart:%d" % (37 * n % (CARTS + 100))])
            due = time.monotonic() + 0.005
            await until(lambda due=due: time.monotonic() > due)

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        done.set()
        await asking
        await store.close()


@pytest.mark.parametrize("size", sizes(*SIZES))
async def test_memory_of_a_cluster_is_sampled_and_told_with_its_interval(
    console: Open, size: tuple[int, int]
) -> None:
    async with console("cache.memory", size) as it:
        await it.sees(r"● ok shards +cluster")
        if "no answer" in (await it.sees(r"cart: +\d+\.\d% ± \d+\.\d%|gave no answer"))[0]:
            await it.press("r")  # six servers that start beside other work
        await it.sees(r"cart: +\d+\.\d% ± \d+\.\d%")
        await it.sees(rf"\d+ of {PAGES + CARTS:,} keys")
        await it.sees(r"used \d+\.\d MiB .* rss \d+\.\d MiB")
        before = int((await it.sees(rf"(\d+) of {PAGES + CARTS:,} keys"))[1])
        await it.press("r")
        await it.sees(rf"(?!{before} )\b[\d,]+ of {PAGES + CARTS:,} keys|all counted")
        await it.press("v")
        await it.sees(r"Shares of bytes ━.*░ 95 % ·|Shares of bytes ━.*all counted")
        await it.sees(r"┌[─▸]cart: .*─")
        fits(await it.text(), size)
        await it.press("v")
        await it.sees(r"Biggest keys seen")
        await it.sees(r"cart:\d+ ")
        fits(await it.text(), size)


@pytest.mark.parametrize("size", sizes(*SIZES))
async def test_keys_of_a_cluster_are_paged_over_its_nodes_watched_and_deleted(
    console: Open, cluster: Cluster, size: tuple[int, int]
) -> None:
    await fill(cluster)
    async with load_on(cluster), console("cache.keys", size) as it:
        await it.sees(rf"[1-9]\.\d% scanned, f goes on of {PAGES + CARTS:,}")
        await it.press("f")
        await it.sees(r"(8|9|1\d)\.?\d*% scanned")
        await it.press("equals_sign", *"cart:1*", "enter")
        await it.sees(r"Keys cart:1\*")
        await it.sees(r"cart:1\d* +string")
        await it.press("H")
        await it.sees(r"watch up to 5,000 commands or 0.5 s: primaries are slower meanwhile")
        await it.press("enter")
        await it.sees(r"▸page:7 +\d+\.\d% ± \d+\.\d%")
        fits(await it.text(), size)
        await it.press("v")
        await it.sees(r"cart: +\d+ +\d+(\.\d+)?% +\d+(\.\d)?–\d+(\.\d)?% +0\b")
        fits(await it.text(), size)
        await it.press("v")
        await it.sees(r"▸cart:1\d*")


async def test_a_key_of_a_cluster_is_deleted_and_brought_back(console: Open, cluster: Cluster) -> None:
    store = open_store(cluster.url)
    await store.put(b"lone:1", b"x", 900)
    async with console("cache.keys", (120, 40)) as it:
        await it.sees("scanned")
        await it.press("equals_sign", *"lone:*", "enter")
        while not (await it.sees(r"▸(lone:1) +string|nothing matches lone:\*: .*, f goes on"))[1]:
            await it.press("f")  # a busy server shows less of its keys at a time
        await it.press("D")
        await it.sees("1 of 1 of the keys named exist")
        await it.types("lone:1")
        await it.sees("1 key moved", within=20)
        assert await store.get(b"lone:1") is None
        await it.press("u")
        await it.sees("undo: 1 key moved")
        await it.press("y")
        await it.sees("1 key restored", within=20)
    assert await store.get(b"lone:1") == b"x"
    await store.close()


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_latency_of_a_cluster_has_each_nodes_slow_log(
    console: Open, cluster: Cluster, size: tuple[int, int]
) -> None:
    async with load_on(cluster), console("cache.latency", size) as it:
        await it.sees(r"● ok shards +cluster")
        for master in cluster.masters:
            await master.ask("CONFIG", "SET", "slowlog-log-slower-than", 0)
        await it.sees(r"Node")
        ports = "|".join(str(master.port) for master in cluster.masters)
        await it.sees(rf"127.0.0.1:({ports}) +GET ", within=20)
        for master in cluster.masters:
            await master.ask("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
        await it.sees(r"µs│.*[·░▒▓█]", within=25)
        if size[0] < 120:
            await it.press("v")
        await it.sees(r"▸?get +[\d,.k]+ +\d+(\.\d+)? µs")
        fits(await it.text(), size)


async def test_tiers_lists_the_cluster_as_a_server(console: Open, cluster: Cluster) -> None:
    async with load_on(cluster), console("cache.tiers", (160, 48)) as it:
        await it.sees(r"▸shards +cluster +● live")
        await it.sees(r"3/3 replicas online")
        await it.sees(r"hits \d")
        await it.sees(r"L2 hit ratio, 1 min +9\d\.\d%")


async def test_without_colour_it_says_the_same(console: Open) -> None:
    async with console("cache.memory", (120, 40), {"NO_COLOR": "1"}) as it:
        await it.sees(r"cart: +\d+\.\d% ± \d+\.\d%")
        await it.sees(r"shards +cluster")


@pytest.mark.slow
async def test_the_shell_takes_the_cluster_where_there_is_no_server(
    config: str, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    async def cache(*words: str) -> str:
        assert await asyncio.to_thread(main, ["cache", words[0], "--config", config, *words[1:]]) == 0
        return capsys.readouterr().out

    await fill(cluster)
    keys = json.loads(await cache("keys", "cart:*", "--limit", "2000", "--json"))
    assert {row["key"] for row in keys} == {f"cart:{n}" for n in range(CARTS)}
    assert re.search(r"% ± +\d+\.\d% of bytes .* of keys  page:", await cache("keys", "--prefixes"))
    assert re.search(r"352 B .* string +raw +cart:", await cache("big"))
    async with load_on(cluster):
        hot = json.loads(await cache("hot", "--json"))
        latency = json.loads(await cache("latency", "--json"))
    assert hot["keys"][0]["key"] == "page:7"
    hits = {row["prefix"]: row for row in hot["prefixes"]}
    assert hits["page:"]["misses"] == hits["page:"]["unsure"] == 0
    assert hits["page:"]["low"] > 0.9
    assert hits["cart:"]["low"] <= CARTS / (CARTS + 100) <= hits["cart:"]["high"]
    assert {row["name"] for row in latency["commands"]} >= {"get"}
    memory = json.loads(await cache("memory", "--json"))
    assert memory["source"] == "shards"
    assert re.search(r"shards: Valkey [\d.]+ cluster, live", await cache("status"))
    await cache("slowlog")


async def test_a_groups_keys_are_those_of_its_primary(
    server_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_valkey()
    group = a_group(server_folder)
    await group.start()
    try:
        await group.data[0].ask("MSET", *(word for n in range(60) for word in (f"page:{n}", "x" * 50)))
        monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
        monkeypatch.setenv("GROUP_PASSWORD", group.data[0].password)
        monkeypatch.setenv("SENTINEL_PASSWORD", group.sentinels[0].password)
        file = tmp_path / "config.toml"
        file.touch(0o600)
        file.write_text(
            '[env.lab]\nkind = "lab"\n[env.lab.backends.shop]\nkind = "valkey-sentinel"\n'
            f'url = "redis+sentinel://127.0.0.1:{group.sentinels[0].port}/{GROUP}"\n'
            'password = "env:GROUP_PASSWORD"\nsentinel_password = "env:SENTINEL_PASSWORD"\n'
        )
        settings = load(str(file), "lab", {})
        app = PerftuiApp(
            lambda _env: Session.open(settings, settings.environment),
            Options(screen="cache.memory"),
            environment={"TERM": "xterm-256color"},
        )
        async with app.run_test(size=(120, 40)) as pilot:
            it = Console(app, pilot)
            await it.sees(r"● ok shop +group")
            await it.sees(r"page: +100% ")
            await it.press("p")
            await it.sees("Purge keys of shop")
            await it.press("ctrl+u", *"page:1*", "enter")
            await it.sees("move to quarantine 11 keys")
            await it.press(*"page:1*", "enter")
            await it.sees("11 keys moved to quarantine", within=20)
        assert int(await group.data[0].ask("EXISTS", "page:1", "page:2")) == 1
    finally:
        await group.stop()


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40)))
async def test_the_overviews_card_is_the_clusters(
    console: Open, cluster: Cluster, size: tuple[int, int]
) -> None:
    async with load_on(cluster), console("overview.summary", size) as it:
        if size[0] < 120:
            await it.sees(r"cache +\S (ok|warn) +[\d.]+% +hit ratio", within=20)
        else:
            await it.sees(r"Cache ─+ shards", within=20)
            await it.sees(r"\S (ok|warn) +[\d.]+% +hit ratio", within=20)
            await it.sees(r"used \d+\.\d% +evict 0/s")  # of what all its primaries may hold


async def test_namespaces_of_a_cluster_are_on_tiers_with_their_detail(
    console: Open, cluster: Cluster
) -> None:
    async with Cache("shop", l1=50, l2=cluster.url) as cache, console("cache.tiers", (160, 48)) as it:
        await cache.set("home", "x" * 3000)
        await cache._publisher.publish()
        await it.sees(r"▸shop .* lz4 ", within=20)

        async def missed() -> bool:
            await cache.get("nobody has this")
            await cache._publisher.publish()
            return re.search(r"absent [1-9]", await it.text()) is not None

        while not it.app.focused or it.app.focused.id != "namespaces":
            await it.press("tab")
        await it.press("enter")
        await it.sees(r"Namespace shop")
        await it.sees(r"packed +\d", within=20)
        await auntil(missed, 30)
