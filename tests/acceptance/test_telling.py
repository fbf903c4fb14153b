"""Two agents on one store: one is killed in the middle of telling, the other goes on, and nobody hears twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perftui.lab.receivers import Arrival
from tests.notices import receivers_up
from tests.waiting import until

pytestmark = pytest.mark.slow

CONFIG = """
[env.here]
[env.here.backends.host]
[alerts]
shipped = false
[alerts.rules.always]
title = "CPU there"
series = "host/cpu.busy_ratio"
above = -1.0
severity = "critical"
[channels.pagerduty]
routing_key = "env:TEST_KEY"
base_url = "{url}"
[channels.sms]
account = "AC00000000000000000000000000000000"
token = "env:TEST_KEY"
sender = "+15005550006"
base_url = "{url}"
[routes.critical]
match = 'severity="critical"'
channels = ["pagerduty"]
group_wait = 0
escalation = "call"
[escalation.call]
steps = [{{ after = 10, channel = "sms", to = "oncall" }}, {{ after = 3000, channel = "sms", to = "all" }}]
[oncall]
people = {{ anna = "+15005550001", ben = "+15005550002" }}
rota = ["anna"]
"""


def command(path: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "perftui", *words, "--config", str(path), "--env", "here"]


@contextmanager
def agent(path: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    log = (path.parent / f"agent-{os.urandom(2).hex()}.log").open("wb")
    running = subprocess.Popen(command(path, "agent", "--metrics", "off"), env=env, stderr=log, stdout=log)
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        log.close()


async def asked(path: Path, env: dict[str, str], *words: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run, command(path, *words), env=env, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


async def test_killed_between_page_and_call_still_exactly_one_of_each(tmp_path: Path) -> None:
    env = {**os.environ, "PERFTUI_STATE_DIR": str(tmp_path / "state"), "TEST_KEY": "a" * 32}
    async with receivers_up(pagerduty=["timeout"]) as receivers:
        path = tmp_path / "config.toml"
        path.write_text(CONFIG.format(url=receivers.url))
        path.chmod(0o600)

        def about(service: str) -> list[Arrival]:
            """What counts, of this rule: a busy machine may have critical findings of its own."""
            found = receivers.counted(service)
            keys = {
                a.body["dedup_key"] for a in found if service == "pagerduty" and "CPU there" in str(a.body)
            }
            return [a for a in found if "CPU there" in str(a.body) or a.body.get("dedup_key") in keys]

        with agent(path, env) as first:
            # The page is on its way and not answered: the worst moment to die in.
            await until(lambda: [a for a in receivers.arrivals if a.service == "pagerduty"], 40)
            with agent(path, env):
                first.send_signal(signal.SIGKILL)
                await until(lambda: about("pagerduty"), 60)
                await until(lambda: about("sms"), 60)
                alerts = json.loads(await asked(path, env, "alerts", "list", "--json"))
                (one,) = [alert for alert in alerts if alert["rule"] == "always"]
                await asked(path, env, "alerts", "ack", one["fingerprint"], "--note", "mine", "--yes")
                await until(lambda: len(about("pagerduty")) == 2, 30)
                await until(lambda: len(about("sms")) == 2, 30)
                history = await asked(path, env, "alerts", "history")
                deliveries = json.loads(await asked(path, env, "alerts", "deliveries", "--json"))
    assert [a.what for a in about("pagerduty")] == ["trigger", "acknowledge"]
    calls = [a.body for a in about("sms")]
    assert [call["To"] for call in calls] == ["+15005550001", "+15005550001"]
    assert "unacknowledged" in calls[0]["Body"]
    assert "acknowledged by" in calls[1]["Body"]
    assert [a.problems for a in receivers.arrivals if a.problems] == []
    assert {one["state"] for one in deliveries} == {"sent"}
    for word in ("firing", "sent", "escalated", "acknowledged"):
        assert word in history
