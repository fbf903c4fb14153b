"""Trouble caused in the lab is concluded from what hosts and shop say, and gone when it ends."""

from __future__ import annotations

import time
import tomllib

import pytest

from perftui.config import load
from perftui.lab import Lab
from perftui.model.finding import Finding
from perftui.session import Session
from tests.console import state_dir
from tests.waiting import until

__all__ = ["state_dir"]

CASES = (("error-burst", "api.error-rate-high", "5xx"), ("blocking-call", "api.slow", "p95"))


@pytest.mark.slow
async def test_a_leak_names_the_worker_that_grows(lab, session):
    async with Following(session):
        await until(lambda: session.frame("resources").report, 10)
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > 45, 60)  # workers are warm, and were looked at once
        await lab.incidents.start("memory-leak")
        try:
            assert await until(lambda: found(session, "process.memory-grew", "perftui.lab.shop"), 90)
        finally:
            await lab.incidents.stop("memory-leak")


@pytest.fixture
async def session(lab: Lab, state_dir):
    config = load(lab.config_path(), "lab", {})
    made = Session.open(config, config.environment, only={"shop", "host"})
    await made.start()
    yield made
    await made.close()


def found(session: Session, wanted: str, naming: str = "") -> Finding | None:
    """The finding of an id; `naming` tells a process of ours from others on the machine."""
    findings = session.frame("resources").findings
    return next((f for f in findings if f.id == wanted and any(naming in e for e in f.evidence)), None)


@pytest.mark.slow
@pytest.mark.parametrize(("incident", "finding", "evidence"), CASES)
async def test_an_incident_becomes_a_finding_with_its_route_and_ends(
    lab, session, incident, finding, evidence
):
    async with Following(session):
        await until(lambda: session.frame("resources").report, 10)
        await lab.incidents.start(incident)
        try:
            seen = await until(lambda: found(session, finding), 40)
        finally:
            await lab.incidents.stop(incident)
        assert any(evidence in line for line in seen.evidence)
        assert any("/" in line for line in seen.evidence[1:])
        await until(lambda: found(session, finding) is None, 60)


class Following:
    """Demand for the topic, as a screen on it would be."""

    def __init__(self, session):
        self.watch = session.watch("resources")

    async def __aenter__(self):
        await anext(self.watch)

    async def __aexit__(self, *_):
        await self.watch.aclose()


async def test_the_lab_configures_what_we_read(lab):
    kinds = {b["kind"] for b in tomllib.loads(lab.config_toml())["env"]["lab"]["backends"].values()}
    assert {"host", "scrape"} <= kinds
