"""Servers that die, hang and come back while somebody looks: LOST with age and error, then LIVE by itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from perftui.lab import Lab
from perftui.lab.datastores import PostgresPart, ValkeyPart
from perftui.lab.edge.varnish import program
from perftui.lab.edgepart import EdgePart
from perftui.lab.shoppart import ShopPart
from perftui.model.health import Health, Link
from tests.console import Console, console, state_dir
from tests.needs import needs
from tests.waiting import auntil, until

__all__ = ["state_dir"]

pytestmark = [pytest.mark.usefixtures("state_dir"), pytest.mark.slow]

SLACK = 4.0  # two busy cores
DOWN = (Link.LOST, Link.LATE)


@dataclass(frozen=True)
class Patient:
    """A server of the lab, the backends that look at it, its tab, its deadline and what the tab keeps."""

    source: str
    also: tuple[str, ...]
    tab: str
    deadline: float
    kept: str
    server: Callable[[Lab], Any]


PATIENTS = (
    Patient("valkey", (), "cache.tiers", 3.0, r"Hit ratio", lambda lab: lab.part(ValkeyPart).primary),
    Patient(
        "postgres", (), "database.overview", 6.0, r"connections", lambda lab: lab.part(PostgresPart).primary
    ),
    Patient("edge", (), "cdn.traffic", 6.0, r"Hit ratio", lambda lab: lab.part(EdgePart).server),
)


def health(seen: Console, source: str) -> Health:
    return seen.app.session.looks[source].health


def link(seen: Console, source: str) -> Link:
    return health(seen, source).link


@asynccontextmanager
async def on(lab: Lab, patient: Patient) -> AsyncIterator[tuple[Console, Any]]:
    """The console on the patient's tab, everything live; the patient is well again afterwards."""
    if patient.source == "edge":
        needs("varnish", program() is not None, "apt-get install varnish")
    server = patient.server(lab)
    async with console(lab, patient.tab) as seen:
        await until(lambda: all(link(seen, s) is Link.LIVE for s in seen.app.session.looks), 40)
        await seen.sees(patient.kept)
        try:
            yield seen, server
        finally:
            await server.resume() if server.pid else await server.restart()


async def loses(seen: Console, patient: Patient) -> float:
    """Seconds until the link is LATE or LOST."""
    began = time.monotonic()
    await until(lambda: link(seen, patient.source) in DOWN, patient.deadline + SLACK)
    return time.monotonic() - began


async def keys_take(seen: Console, back: str) -> float:
    """Seconds for a walk over three screens and back."""
    began = time.monotonic()
    for key in ("1", "5", back):
        await seen.press(key)
        await until(lambda key=key: seen.app.screen.stem == seen_stem(key), 10)  # type: ignore[misc]
    return time.monotonic() - began


def seen_stem(key: str) -> str:
    from perftui.screens.commands import SCREENS

    return SCREENS[int(key) - 1]


KEYS = {"valkey": "2", "edge": "3", "postgres": "4"}


@pytest.mark.parametrize("how", ["kill", "pause"])
@pytest.mark.parametrize("patient", PATIENTS, ids=lambda p: p.source)
async def test_lost_keeps_the_picture_and_comes_back(lab: Lab, patient: Patient, how: str) -> None:
    async with on(lab, patient) as (seen, server):
        await keys_take(seen, KEYS[patient.source])
        usual = await keys_take(seen, KEYS[patient.source])
        await getattr(server, how)()
        await loses(seen, patient)
        await until(lambda: link(seen, patient.source) is Link.LOST, patient.deadline * 2 + SLACK)
        state = health(seen, patient.source)
        assert state.error
        assert state.seen is not None
        await seen.sees(r"lost.*" + patient.source + r".*last good \d+ s ago", 5)
        await seen.sees(patient.kept)
        bystanders = {"host", "valkey", "postgres"} - {patient.source}
        assert {s: link(seen, s) for s in bystanders} == dict.fromkeys(bystanders, Link.LIVE)
        assert await keys_take(seen, KEYS[patient.source]) < 2 * usual + 1.0
        await (server.resume() if how == "pause" else server.restart())
        await until(lambda: link(seen, patient.source) is Link.LIVE, 30)
        await seen.press("1")
        log = [e.title for e in seen.app.session.frame("events").report.events]
        lost = [i for i, title in enumerate(log) if title == f"{patient.source} lost"]
        assert lost
        assert f"{patient.source} live" in log[lost[-1] :], log


async def test_quitting_while_everything_hangs(lab: Lab) -> None:
    servers = [p.server(lab) for p in PATIENTS if p.source != "edge"]
    try:
        async with console(lab, "overview.summary") as seen:
            await until(lambda: link(seen, "valkey") is Link.LIVE and link(seen, "postgres") is Link.LIVE, 40)
            for server in servers:
                await server.pause()
            await until(lambda: link(seen, "valkey") in DOWN, 10)
            began = time.monotonic()
            await seen.press("q")
        assert time.monotonic() - began < 3.0
    finally:
        for server in servers:
            await server.resume()


async def worker_states(lab: Lab) -> dict[int, str]:
    return {w["pid"]: w["state"] for w in (await lab.part(ShopPart).ask(op="status"))["workers"]}


async def test_a_killed_worker_is_replaced_and_told(lab: Lab) -> None:
    async with console(lab, "scaling.overview") as seen:
        await seen.sees(r"● 3/3", 30)
        victim = next(iter(await worker_states(lab)))
        os.kill(victim, signal.SIGKILL)

        async def replaced() -> bool:
            states = await worker_states(lab)
            return victim not in states and list(states.values()).count("ready") == 3

        await auntil(replaced, 20)
        await seen.sees("SIGKILL", 15)
        await seen.sees(r"● 3/3", 15)
        assert link(seen, "pool") is Link.LIVE


async def test_a_stopped_worker_shows_and_goes_on(lab: Lab) -> None:
    async with console(lab, "scaling.overview") as seen:
        await seen.sees(r"● 3/3", 30)
        victim = next(iter(await worker_states(lab)))
        os.kill(victim, signal.SIGSTOP)
        try:
            await seen.sees(r"■ silent", 30)
            assert link(seen, "pool") in (Link.LIVE, Link.LATE)
        finally:
            os.kill(victim, signal.SIGCONT)
        await seen.sees(r"● 3/3", 20)
