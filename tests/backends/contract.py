"""What every backend must keep, whatever it speaks to: subclass it in the backend's own test file."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import inspect
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

import pytest

from perftui.backends import BUILTIN
from perftui.lab.ports import free_port
from perftui.model import ports
from perftui.model.backend import Backend
from perftui.model.errors import BackendError, Lost, Refused
from perftui.model.reading import Reading

LAYERS = {"host", "cache", "cdn", "database", "api", "scaling", "profiling"}
UNITS = {"s", "bytes", "ratio", "1/s", "bytes/s", "1"}
TELLS_TIME = {"valkey", "postgres", "prometheus"}  # in a process of its own in tests
CANCEL_STEPS = 24

Make = Callable[[], Backend]
At = Callable[[int], Backend]


def all_powers() -> dict[str, type]:
    """Every power the house knows, by name."""
    members = inspect.getmembers(ports, inspect.isclass)
    return {
        name: cls
        for name, cls in members
        if getattr(cls, "_is_protocol", False) and cls.__module__.startswith("perftui.model.")
    }


async def open_and_read(backend: Backend) -> Reading:
    """Both steps in one call: either may be the one that fails."""
    await backend.open()
    return await backend.read()


class BackendContract:
    """Fixtures to give: `live`; and, for a backend that speaks over TCP, `at`, `wrong_login`, `secret`.

    `live` makes a backend connected to a real system, `at` one that is told to find it on a port of
    127.0.0.1, `wrong_login` one with a wrong password; `secret` is what must never be shown.
    """

    powers: ClassVar[tuple[type, ...]] = ()

    @pytest.fixture
    def at(self) -> At | None:
        return None

    @pytest.fixture
    def wrong_login(self) -> Make | None:
        return None

    @pytest.fixture
    def secret(self) -> str:
        return ""

    @pytest.fixture
    async def backend(self, live: Make) -> AsyncIterator[Backend]:
        made = live()
        await made.open()
        yield made
        await made.close()

    @pytest.fixture
    async def silent_port(self) -> AsyncIterator[int]:
        """A server that accepts and never says a word."""
        held: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(lambda _r, w: held.append(w), "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1]
        for writer in held:
            writer.transport.abort()
        server.close()

    @pytest.fixture
    async def babbling_port(self) -> AsyncIterator[int]:
        """A server that speaks another protocol."""

        async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                writer.write(b"\x00\xff\x1b[2J SSH-2.0-nonsense\r\n\r\n" * 8)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1]
        server.close()

    async def test_a_clock_that_is_told_is_compared_with_ours(
        self, backend: Backend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All live on this host, so that theirs is ours until ours is set."""
        ahead = (await backend.read()).ahead
        assert abs(ahead or 0.0) < 1.0
        if backend.kind in TELLS_TIME:
            assert ahead is not None
            real = time.time
            monkeypatch.setattr(time, "time", lambda: real() + 60.0)
            assert -61.0 < ((await backend.read()).ahead or 0.0) < -58.0

    async def test_is_declared(self, backend: Backend) -> None:
        module, _, name = BUILTIN[backend.kind].partition(":")
        assert getattr(importlib.import_module(module), name) is type(backend)
        assert backend.layer in LAYERS
        assert 0 < backend.period <= backend.idle_period
        assert 0 < backend.deadline <= 10

    async def test_options_explain_themselves(self, backend: Backend) -> None:
        for option in dataclasses.fields(backend.Options):
            assert option.metadata.get("help"), option.name
            assert not (option.metadata.get("secret") and option.repr), f"{option.name} shows in a repr"

    async def test_reads_within_its_deadline(self, backend: Backend) -> None:
        for _ in range(2):
            started = time.monotonic()
            reading = await backend.read()
            assert time.monotonic() - started < backend.deadline
            self.check_reading(backend, reading)

    def check_reading(self, backend: Backend, reading: Reading) -> None:
        assert reading.source == backend.name
        assert abs(reading.at - time.time()) < backend.deadline + 1
        assert 0 <= reading.took <= backend.deadline
        assert dataclasses.is_dataclass(reading.facts)
        assert reading.facts.__dataclass_params__.frozen
        keys = [measure.key for measure in reading.samples]
        assert len(keys) == len(set(keys))
        for measure in reading.samples:
            assert measure.key.source == backend.name
            assert math.isfinite(measure.value), measure
            assert measure.unit in UNITS, measure

    async def test_read_is_safe_to_cancel_at_every_await(self, backend: Backend) -> None:
        for steps in range(CANCEL_STEPS):
            flight = asyncio.ensure_future(backend.read())
            for _ in range(steps):
                await asyncio.sleep(0)
            flight.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await flight
        self.check_reading(backend, await backend.read())

    async def test_close_twice_and_unopened(self, live: Make) -> None:
        made = live()
        await made.close()
        await made.open()
        await made.close()
        await made.close()

    async def test_powers_claimed_are_powers_held(self, backend: Backend) -> None:
        held = {name for name, power in all_powers().items() if isinstance(backend, power)}
        assert held == {power.__name__ for power in self.powers}

    async def test_unreachable_is_lost_inside_the_deadline(self, at: At | None) -> None:
        if at is not None:
            await self.fails(at(free_port()), Lost)

    async def test_silence_is_lost_inside_the_deadline(self, at: At | None, silent_port: int) -> None:
        if at is not None:
            await self.fails(at(silent_port), Lost)

    async def test_nonsense_is_an_error_of_the_house(self, at: At | None, babbling_port: int) -> None:
        if at is not None:
            await self.fails(at(babbling_port), BackendError)

    async def test_wrong_login_is_refused(self, wrong_login: Make | None) -> None:
        if wrong_login is not None:
            await self.fails(wrong_login(), Refused)

    async def fails(self, backend: Backend, kind: type[BackendError]) -> None:
        started = time.monotonic()
        with pytest.raises(kind) as caught:
            await open_and_read(backend)
        assert time.monotonic() - started < backend.deadline
        text = str(caught.value)
        assert text
        assert text.isprintable(), text
        await backend.close()

    async def test_secrets_are_never_shown(
        self, live: Make, at: At | None, secret: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        if not secret:
            return
        said: list[Any] = []
        with caplog.at_level(logging.DEBUG):
            for made in (live(), at(free_port()) if at else live()):
                try:
                    await made.open()
                    said.append(repr(await made.read()))
                except BackendError as error:
                    said += [str(error), repr(error), repr(error.__cause__)]
                said += [repr(made), repr(vars(made))]
                await made.close()
        assert secret not in "\n".join([*said, caplog.text])
