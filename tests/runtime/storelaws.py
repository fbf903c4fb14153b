"""A fresh store of each kind, so that every law of the store is held to SQLite and PostgreSQL alike."""

from __future__ import annotations

import secrets

import pytest

from perftui.runtime.store import Store


@pytest.fixture
async def sqlite_url(tmp_path):
    return f"sqlite://{tmp_path}/state/store.db"


@pytest.fixture
async def postgres_url(postgres):
    name = f"store_{secrets.token_hex(4)}"
    admin = await postgres.admin()
    await admin.execute(f"CREATE DATABASE {name} OWNER {postgres.user}")
    await admin.close()
    yield postgres.dsn.rsplit("/", 1)[0] + f"/{name}"
    admin = await postgres.admin()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def store(url):
    store = Store.open(url, env="lab")
    assert await store.ready(), store.problem
    yield store
    assert await store.close(within=10)
