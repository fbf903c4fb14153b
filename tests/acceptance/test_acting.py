"""Acts that end otherwise: cancelled half-way, failed because the server died, a profile; the audit tells each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perftui.cli import main
from perftui.lab import Lab
from perftui.lab.datastores import ValkeyPart
from perftui.lab.shoppart import ShopPart
from tests.console import Console, console, state_dir
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = [pytest.mark.usefixtures("state_dir"), pytest.mark.slow]

MANY = 300_000


def outcomes(state_dir: Path, action: str) -> list[str]:
    """What the audit says became of an action, in order."""
    lines = (state_dir / "audit.jsonl").read_text("utf-8").splitlines()
    return [row["outcome"] for row in map(json.loads, lines) if row["action"] == action]


async def filled(client: Any) -> None:
    """Many keys that a purge needs some seconds for."""
    pipe = client.pipeline(transaction=False)
    for n in range(MANY):
        pipe.set(f"bulk:{n}", "x", ex=600)
        if n % 20_000 == 0:
            await pipe.execute()
    await pipe.execute()


async def emptied(client: Any) -> None:
    keys = [key async for key in client.scan_iter(match="bulk:*", count=5000)]
    for start in range(0, len(keys), 5000):
        await client.unlink(*keys[start : start + 5000])


async def purging(seen: Console) -> asyncio.Future[None]:
    """A purge of all bulk keys, under way; the typing itself, which ends when the screen has come to rest."""
    await seen.sees("Keys", 30)
    await seen.press("p")
    await seen.types("bulk:*")
    await seen.sees(r"of [\d,]+ keys match", 30)
    typed = asyncio.ensure_future(seen.types("bulk:*"))
    await until(lambda: bool(seen.app.running()), 20)
    return typed


async def test_a_purge_cancelled_half_way_says_what_it_did_and_is_undone(lab: Lab, state_dir: Path) -> None:
    async with lab.part(ValkeyPart).primary.client(10) as client, console(lab, "cache.keys") as seen:
        await filled(client)
        typed = await purging(seen)
        await until(lambda: done(seen) > 0, 20)
        seen.app.cancel_running()
        await typed
        await until(lambda: not seen.app.running(), 20)
        assert outcomes(state_dir, "cache.purge") == ["started", "cancelled"]
        left = len([key async for key in client.scan_iter(match="bulk:*", count=5000)])
        assert left < MANY
        await seen.press("escape")
        await seen.press("u")
        await seen.sees("undo", 10)
        await seen.press("y")
        await until(lambda: outcomes(state_dir, "cache.purge")[-1] == "undone", 30)
        assert len([key async for key in client.scan_iter(match="bulk:*", count=5000)]) == MANY
        await emptied(client)
    assert verified() == 0


def done(seen: Console) -> int:
    """Steps the running action has told of."""
    return max((run.progress.done for run in seen.app.running() if run.progress), default=0)


def verified() -> int:
    """Exit code of `perftui audit verify` on this state folder."""
    return main(["audit", "verify"])


async def test_a_purge_whose_server_dies_failed_and_the_audit_says_so(lab: Lab, state_dir: Path) -> None:
    server = lab.part(ValkeyPart).primary
    async with console(lab, "cache.keys") as seen:
        async with server.client(10) as client:
            await filled(client)
        try:
            typed = await purging(seen)
            await until(lambda: done(seen) > 0, 20)
            await server.kill()
            await typed
            await seen.sees("connection lost|running", 10)
            await until(lambda: not seen.app.running(), 90)  # it tries to reconnect for half a minute
        finally:
            await server.restart()
        assert outcomes(state_dir, "cache.purge")[0] == "started"
        assert outcomes(state_dir, "cache.purge")[-1] in ("failed", "partly")
        await seen.sees(r"(?i)failed|partly|cannot|lost|connection", 10)
    assert verified() == 0
    edit(state_dir, lambda text: text.replace("bulk:*", "bulk:1", 1))
    assert verified() == 1


def edit(state_dir: Path, change: Callable[[str], str]) -> None:
    """Somebody tidies the audit up."""
    path = state_dir / "audit.jsonl"
    text = path.read_text("utf-8")
    assert change(text) != text
    path.write_text(change(text), "utf-8")


async def test_a_profile_by_key_is_audited_and_can_be_cut_short(lab: Lab, state_dir: Path) -> None:
    pid = (await lab.part(ShopPart).ask(op="status"))["workers"][0]["pid"]
    async with console(lab, "profiling.overview") as seen:
        await seen.sees("Processes", 30)
        await seen.press("/")
        await seen.types(f"pid={pid}")
        await seen.sees(rf"▸ +{pid} ", 30)
        await seen.press("R")
        await seen.sees("seconds", 10)
        await seen.press("backspace", "backspace")
        await seen.types("60")
        await seen.sees("for 60 s", 10)
        await seen.press("y")
        await until(lambda: bool(seen.app.running()), 20)
        await until(lambda: done(seen) >= 2, 30)
        await seen.press("R")
        await until(lambda: not seen.app.running(), 30)
        await seen.sees(r"samples|no sample|was stopped", 20)  # an idle worker gives none
    said = outcomes(state_dir, "profile.cpu")
    assert said[0] == "started"
    assert said[-1] in ("done", "cancelled", "partly")
