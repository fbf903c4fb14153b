"""Rows that changed in PostgreSQL, as removals."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.instrument.cache.events import MOST, Change, PostgresEvents, row_changed, trigger
from perftui.model.errors import Lost
from tests.waiting import until

if TYPE_CHECKING:
    from perftui.lab.postgres import PostgresServer


class Told:
    """A cache that remembers what it was told."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.tags: list[str] = []
        self.failing = 0

    async def expire(self, key: str) -> None:
        self.keys.append(key)

    async def remove_by_tag(self, *tags: str) -> None:
        if self.failing:
            self.failing -= 1
            raise Lost("no L2")
        self.tags += tags


@pytest.mark.parametrize(
    ("payload", "meant"),
    [
        ("products:42", Change(tags=("products", "products:42"))),
        ("products", Change(tags=("products",))),
        ('{"keys": ["a"], "tags": ["t"]}', Change(("a",), ("t",))),
        ("", Change(everything=True)),
        ("{", Change(everything=True)),
        ('{"keys": "a"}', Change(everything=True)),
        ('{"keys": [1]}', Change(everything=True)),
        ('{"tags": ' + str(["t"] * (MOST + 1)).replace("'", '"') + "}", Change(everything=True)),
        ("x" * 9000, Change(everything=True)),
    ],
)
def test_what_a_payload_means(payload: str, meant: Change) -> None:
    assert row_changed(payload) == meant


@given(st.text(max_size=200))
def test_any_payload_means_something(payload: str) -> None:
    said = row_changed(payload)
    assert said.everything or said.keys or said.tags or payload.strip().startswith("{")


@pytest.mark.parametrize("name", ["", "a\0b", "a$perftui$b"])
def test_a_name_that_could_leave_its_quotes_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        trigger(name)
    with pytest.raises(ValueError, match="is no name"):
        trigger("products", channel=name)


async def test_rows_that_change_are_told_and_a_lost_link_expires_everything(postgres: PostgresServer) -> None:
    table = "odd \"name'"
    admin = await asyncpg.connect(postgres.dsn)
    quoted = '"odd ""name\'"'
    await admin.execute(f"CREATE TABLE {quoted} (id int primary key, v int); {trigger(table)}")
    opened: list[asyncpg.Connection[Any]] = []

    async def connect() -> asyncpg.Connection[Any]:
        opened.append(await asyncpg.connect(postgres.dsn))
        return opened[-1]

    cache = Told()
    try:
        async with PostgresEvents(connect, cache) as events:
            await asyncio.wait_for(events.listening.wait(), 10)
            await admin.execute(f"INSERT INTO {quoted} VALUES (7, 1)")
            await admin.execute(f"UPDATE {quoted} SET v = 2 WHERE id = 7")
            await admin.execute(f"DELETE FROM {quoted} WHERE id = 7")
            await until(lambda: events.counts.changes == 3)
            await until(lambda: f"{table}:7" in cache.tags and table in cache.tags)
            assert "*" not in cache.tags
            pid = opened[0].get_server_pid()
            await admin.execute("SELECT pg_terminate_backend($1)", pid)
            await until(lambda: events.counts.links == 2, 15)
            await until(lambda: "*" in cache.tags)
            cache.failing = 1
            await admin.execute("NOTIFY perftui_cache, 'orders'")
            await until(lambda: events.counts.failed == 1)
            await admin.execute("""NOTIFY perftui_cache, '{"keys": ["page:home"]}'""")
            await until(lambda: cache.keys == ["page:home"])
        assert all(connection.is_closed() for connection in opened)
    finally:
        await admin.execute(f"DROP TABLE {quoted}")
        await admin.close()


async def test_a_write_is_told_whatever_it_does_and_never_fails_for_it(postgres: PostgresServer) -> None:
    admin = await asyncpg.connect(postgres.dsn)
    heard: list[str] = []

    def hear(_connection: Any, _pid: int, _channel: str, payload: str) -> None:
        heard.append(payload)

    try:
        await admin.execute(f"CREATE TABLE told (id text); {trigger('told', channel='t')}")
        await admin.execute(trigger("told", channel="t"))  # a second time does no harm
        await admin.add_listener("t", hear)
        await admin.execute("INSERT INTO told VALUES ('a')")
        await admin.execute("UPDATE told SET id = 'b'")
        await until(lambda: len(heard) == 3)
        assert (heard[0], set(heard[1:])) == ("told:a", {"told:a", "told:b"})
        await admin.execute(
            "INSERT INTO told SELECT string_agg(md5(n::text), '') FROM generate_series(1, 300) n"
        )
        await until(lambda: len(heard) == 4)
        await admin.execute("TRUNCATE told")
        await until(lambda: len(heard) == 5)
        assert heard[3:] == ["told", "told"]
    finally:
        await admin.execute("DROP TABLE told")
        await admin.close()
