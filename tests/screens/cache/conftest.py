"""The console on a Valkey and its replica, with keys worth looking at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from perftui.app import Options, PerftuiApp
from perftui.backends.valkey.link import Link, parse_url
from perftui.config import load
from perftui.session import Session
from tests.console import Console

HOSTILE = (
    b"\x1b[31mred\x07:x",
    "bidi:\u202egnp.exe".encode(),
    b"line\nbreak:1",
    b"bin:\xff\xfe",
    b"big:" + b"k" * 300_000,
)

Open = Callable[..., AbstractAsyncContextManager[Console]]


@pytest.fixture
def config(valkey: Any, valkey_replica: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CACHE_PASSWORD", valkey.password)
    parts = ["[env.lab]", 'kind = "lab"']
    for name, server in (("main", valkey), ("second", valkey_replica)):
        parts += [
            f"[env.lab.backends.{name}]",
            'kind = "valkey"',
            f'url = "redis://127.0.0.1:{server.port}/0"',
            'password = "env:CACHE_PASSWORD"',
        ]
    file = tmp_path / "config.toml"
    file.write_text("\n".join(parts) + "\n")
    file.chmod(0o600)
    return str(file)


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    """Another client, on a server with 400 products, 100 carts and hostile names."""
    link = Link(parse_url(valkey.url), "other")
    commands: list[tuple[Any, ...]] = [("FLUSHALL",)]
    commands += [("SET", f"product:{i}", b"x" * 300, "EX", 500) for i in range(400)]
    commands += [("SET", f"cart:{i}", b"y" * 50) for i in range(100)]
    commands += [("SET", name, b"z") for name in HOSTILE]
    commands.append(("SLOWLOG", "RESET"))  # a busy machine may have held up one of these
    await link.ask(commands, 10)
    yield link
    await link.close()


@pytest.fixture
def console(config: str, raw: Link) -> Open:
    """Opens the console on a tab: `async with console("cache.keys", (80, 24)) as it`."""

    @asynccontextmanager
    async def opened(
        tab: str, size: tuple[int, int] = (120, 40), *, remember: bool = False, **flags: Any
    ) -> AsyncIterator[Console]:
        def session(_env: str | None) -> Session:
            settings = load(config, "lab", flags)
            return Session.open(
                settings, settings.environment, read_only=settings.read_only, remember=remember
            )

        app = PerftuiApp(session, Options(screen=tab), environment={"TERM": "xterm-256color"})
        async with app.run_test(size=size) as pilot:
            yield Console(app, pilot)

    return opened
