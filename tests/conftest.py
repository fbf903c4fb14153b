"""Real servers for the tests: the lab's own code, once a session."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest
import textual._wait
import textual.app
import textual.pilot
from hypothesis import HealthCheck, settings

from tests.needs import needs

if TYPE_CHECKING:
    from perftui.lab import Lab
    from perftui.lab.folders import Folder
    from perftui.lab.postgres import PostgresServer
    from perftui.lab.valkey import ValkeyServer

# Two busy cores must not fail a property that holds: no clock on single examples.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

# A console on live servers is never idle: after each key a pilot would wait out its whole second, twice.
textual.app.wait_for_idle = textual.pilot.wait_for_idle = functools.partial(  # type: ignore[attr-defined]
    textual._wait.wait_for_idle, max_sleep=0.1
)

# A bug in a drawing is an error here, not a sentence in its place.
os.environ["PERFTUI_STRICT"] = "1"


FLOWS = ("tests/screens/", "tests/engines/resources/", "tests/lab/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole flows first: of files that several workers share, the longest must not be the last to begin."""
    items.sort(key=lambda item: not item.nodeid.startswith(FLOWS))


def need(what: str, find: Callable[[], object]) -> None:
    """Skip, or fail where it is required, when a server's program is not here."""
    from perftui.lab import LabError

    try:
        find()
    except LabError as error:
        needs(what, found=False, how=str(error))


def need_valkey() -> None:
    from perftui.lab.valkey import server_program

    need("valkey", server_program)


def need_postgres() -> None:
    from perftui.lab.pgtemplate import install_folder

    need("postgres", install_folder)


@pytest.fixture(scope="session")
async def lab() -> AsyncIterator[Lab]:
    """A whole lab under light load: primaries, replicas, shop with three workers."""
    from perftui.lab import Lab, LabOptions

    need_valkey()
    need_postgres()
    async with Lab(LabOptions(rate=27.0)) as whole:
        yield whole


@pytest.fixture(scope="session")
async def server_folder() -> AsyncIterator[Folder]:
    """A lab's folder for servers that stand alone."""
    from perftui.lab.folders import Folder, server_owner

    folder = await asyncio.to_thread(Folder.create, server_owner())
    yield folder
    await asyncio.to_thread(folder.remove)


@pytest.fixture(scope="session")
async def valkey(server_folder: Folder) -> AsyncIterator[ValkeyServer]:
    """A Valkey of the session's own: `url`, `port`, `password`; to be killed, paused, resumed, restarted."""
    from perftui.lab.valkey import ValkeyServer

    need_valkey()
    server = ValkeyServer(server_folder, "alone-valkey")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def valkey_replica(server_folder: Folder, valkey: ValkeyServer) -> AsyncIterator[ValkeyServer]:
    """A replica of `valkey`, synchronised."""
    from perftui.lab.valkey import ValkeyServer

    server = ValkeyServer(server_folder, "alone-valkey-replica", valkey)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def postgres(server_folder: Folder) -> AsyncIterator[PostgresServer]:
    """A PostgreSQL of the session's own, seeded like shop's: `dsn`, `admin()`; to be killed and so on."""
    from perftui.lab.postgres import PostgresServer

    need_postgres()
    server = PostgresServer(server_folder, "alone-postgres")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def postgres_replica(server_folder: Folder, postgres: PostgresServer) -> AsyncIterator[PostgresServer]:
    """A streaming replica of `postgres`."""
    from perftui.lab.postgres import PostgresServer

    server = PostgresServer(server_folder, "alone-postgres-replica", postgres)
    await server.start()
    yield server
    await server.stop()
