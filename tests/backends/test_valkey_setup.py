"""How a server is set up: what real ones say, what is forbidden, and how long what is loaded lives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import hiredis
import pytest

from perftui.backends.valkey import Valkey, setup
from perftui.backends.valkey.monitor import tally
from perftui.backends.valkey.streamlines import life
from perftui.model.cache import CacheReading
from perftui.model.options import ValkeyOptions


@pytest.fixture
async def server(valkey: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    yield made
    await made.close()


async def settings(server: Valkey) -> dict[str, str]:
    facts = (await server.read()).facts
    assert isinstance(facts, CacheReading)
    return dict(facts.settings)


async def test_a_server_tells_its_risky_settings(server: Valkey, valkey: Any) -> None:
    assert await settings(server) == {
        "latency-monitor-threshold": "20",
        "activedefrag": "no",
        "client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        "default-user": "password",
    }
    await server.set_parameter("latency-monitor-threshold", "0")
    try:
        assert (await settings(server))["latency-monitor-threshold"] == "0"
        await server._work.one("ACL", "SETUSER", "default", "nopass", deadline=5)
        server._looks = 0
        assert (await settings(server))["default-user"] == "nopass"
    finally:
        await server._work.one("ACL", "SETUSER", "default", "resetpass", f">{valkey.password}", deadline=5)
        await server.set_parameter("latency-monitor-threshold", "20")


def test_what_is_forbidden_or_odd_is_left_out() -> None:
    refused = hiredis.ReplyError("NOPERM")
    assert setup.told([refused] * 4) == ()
    assert setup.told([[], [], [], {b"flags": [b"off"]}]) == (("default-user", "off"),)
    odd = [{setup.MONITOR.encode(): b"x"}, [b"activedefrag", b"y" * 999], [setup.BUFFERS.encode(), 5]]
    assert setup.told([*odd, [b"flags", [b"on"]]]) == (("default-user", "password"),)


@pytest.mark.parametrize(
    ("name", "words", "seconds"),
    [
        ("set", b'"SET" "k" "v" "EX" "60"', 60.0),
        ("set", b'"set" "k" "v" "px" "1500" "XX"', 1.5),
        ("setex", b'"SETEX" "k" "90" "v"', 90.0),
        ("psetex", b'"PSETEX" "k" "90" "v"', 0.09),
        ("set", b'"SET" "k" "v"', None),
        ("set", b'"SET" "k" "\\" \\"EX\\" \\"60\\""', None),
        ("setex", b'"SETEX" "k"', None),
        ("setex", b'"SETEX" "k" "9999999999999999999" "v"', None),
    ],
)
def test_how_long_a_load_lives(name: str, words: bytes, seconds: float | None) -> None:
    line = b"1.5 [0 127.0.0.1:5] " + words
    assert life(name, line) == seconds
    found = tally([line], 2.0, 1.0)
    assert [key.ttl_s for key in found.keys] == [seconds]
