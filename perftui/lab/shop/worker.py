"""One worker process of shop: serve, obey its supervisor, and leave without dropping a request."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from typing import Any

from perftui.lab.poolworker import Seat
from perftui.lab.shop.metrics import Board
from perftui.lab.shop.store import Store

LAME_DUCK_SECONDS = 10.0
QUIET_SECONDS = 0.5
START_SECONDS = 30.0


class ShopWorker:
    """Runs from fork to exit."""

    def __init__(self, seat: Seat, config: Mapping[str, Any], board: Board) -> None:
        import uvicorn

        from perftui.instrument.cache.edge import EdgeHeaders
        from perftui.lab.shop.app import Observer, build

        self._seat = seat
        self._store = Store(config, board.slot(seat.slot))
        self._observer = Observer(EdgeHeaders(build(self._store, board)), self._store)
        settings = uvicorn.Config(
            self._observer,
            http="httptools",
            ws="none",
            loop="asyncio",
            lifespan="off",
            access_log=False,
            server_header=False,
            log_level="critical",
            timeout_keep_alive=15,
            timeout_graceful_shutdown=10,
            backlog=512,
        )
        self._server = uvicorn.Server(settings)

    async def run(self) -> None:
        """Serve until drained or until the supervisor is gone."""
        reader, writer = await asyncio.open_connection(sock=self._seat.channel)
        obeying = asyncio.create_task(self._obey(reader, writer))
        await self._open_store()
        if self._seat.id == 1:
            await self._store.warm()
        sampling = asyncio.create_task(self._sample())
        serving = asyncio.create_task(self._server.serve(sockets=[self._seat.listener]))
        while not self._server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        writer.write(b'{"state": "ready"}\n')
        await serving
        for task in (obeying, sampling):
            task.cancel()
        await self._store.close()

    async def _open_store(self) -> None:
        import asyncpg

        loop = asyncio.get_running_loop()
        end = loop.time() + START_SECONDS
        while True:
            try:
                await self._store.open()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if loop.time() > end:
                    raise
                await asyncio.sleep(0.2)
            else:
                return

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do what the supervisor says, line by line; without it there is no point in going on."""
        draining: asyncio.Task[None] | None = None
        while line := await reader.readline():
            message = json.loads(line)
            operation = message.get("op")
            if operation == "faults":
                self._store.faults.set(message["faults"], first=message["first"])
                writer.write(b'{"applied": %d}\n' % message["revision"])
            elif operation == "crash":
                self._store.faults.crash()
            elif operation == "drain" and draining is None:
                draining = asyncio.create_task(self._drain(float(message["deadline"])))
        os._exit(0)

    async def _drain(self, deadline: float) -> None:
        """Take no new connection; tell clients on theirs to go elsewhere; then close what stays idle.

        A response with `Connection: close` ends a connection at a moment both sides agree on; only
        connections silent for the whole lame-duck time are closed without one.
        """
        self._observer.draining = True
        for server in self._server.servers:
            server.close()
        loop = asyncio.get_running_loop()
        end = loop.time() + min(LAME_DUCK_SECONDS, deadline * 0.7)
        busy = loop.time()
        # One may have been accepted whose request has not been read yet: silence counts, not a moment.
        while loop.time() < end and loop.time() - busy < QUIET_SECONDS:
            await asyncio.sleep(0.02)
            if self._server.server_state.connections:
                busy = loop.time()
        self._server.should_exit = True

    async def _sample(self) -> None:
        """Twice a second: that the loop wakes at all, how late, how full the pool is, what caches counted."""
        loop, lag, pause = asyncio.get_running_loop(), 0.0, 0.5
        while True:
            began = loop.time()
            await asyncio.sleep(pause)
            lag = max(loop.time() - began - pause, lag * 0.8)
            self._store.slot.set("loop_lag", max(0.0, lag))
            self._store.slot.set("beat", time.monotonic())
            self._store.sample()


def work(seat: Seat, config: Mapping[str, Any], board: Board) -> int:
    """Serve in a freshly forked process; its exit code."""
    asyncio.run(ShopWorker(seat, config, board).run())
    return 0
