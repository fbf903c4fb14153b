"""The store's laws on both databases, and what happens on bad days."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from perftui.model.errors import StoreError
from perftui.runtime.schema import MIGRATIONS
from perftui.runtime.store import Store
from perftui.runtime.store_postgres import numbered
from tests.waiting import until


async def asked(store, sql, *values):
    return await asyncio.wrap_future(store.read(lambda driver: driver.query(sql, values)))


async def done(store, work):
    return await asyncio.wrap_future(store.write(work))


class StoreLaws:
    """Held by every kind of store; `url` says which."""

    async def test_opening_twice_migrates_once(self, store, url):
        assert await asked(store, "SELECT version FROM perftui_schema") == [(len(MIGRATIONS),)]
        other = Store.open(url, env="lab")
        assert await other.ready()
        assert await asked(other, "SELECT version FROM perftui_schema") == [(len(MIGRATIONS),)]
        await other.close()

    async def test_two_that_open_a_new_store_at_once_agree(self, url):
        stores = [Store.open(url, env="lab") for _ in range(3)]
        assert await asyncio.gather(*(store.ready() for store in stores)) == [True] * 3
        for store in stores:
            assert await asked(store, "SELECT version FROM perftui_schema") == [(len(MIGRATIONS),)]
        for store in stores:
            await store.close()

    async def test_a_newer_store_is_refused(self, store, url):
        await done(store, lambda driver: driver.execute("UPDATE perftui_schema SET version = 99"))
        other = Store.open(url, env="lab")
        assert not await other.ready()
        assert "newer perftui" in other.problem
        await other.close()

    async def test_a_failed_transaction_leaves_nothing(self, store):
        def work(driver):
            with driver.transaction():
                driver.execute("INSERT INTO perftui_figure (name, value) VALUES (?, ?)", ("a", 1))
                raise StoreError("stop")

        with pytest.raises(StoreError, match="stop"):
            await done(store, work)
        assert store.problem == "stop"
        assert await asked(store, "SELECT * FROM perftui_figure") == []
        assert await store.ready()
        assert store.problem == ""

    async def test_values_of_every_kind_come_back(self, store):
        await done(
            store,
            lambda driver: driver.executemany(
                "INSERT INTO perftui_chunk (series, step, start, until, data) VALUES (?, ?, ?, ?, ?)",
                [(1, 0, 2**50, -5, b"\x00\xff"), (2, 0, 0, 0, b"")],
            ),
        )
        rows = await asked(store, "SELECT * FROM perftui_chunk ORDER BY series")
        assert rows == [(1, 0, 2**50, -5, b"\x00\xff"), (2, 0, 0, 0, b"")]

    async def test_a_bug_in_a_job_does_not_end_the_lane(self, store):
        with pytest.raises(StoreError, match="ZeroDivisionError"):
            await done(store, lambda driver: 1 / 0)
        assert await store.ready()

    async def test_a_statement_that_fails_names_the_store_and_no_password(self, store, url):
        with pytest.raises(StoreError) as caught:
            await asked(store, "SELECT * FROM nowhere")
        assert store.where in str(caught.value)
        password = urlsplit(url).password
        assert not password or password not in str(caught.value) + store.where

    async def test_last_pictures_come_back_the_newest_and_of_this_environment(self, store, url):
        await store.put_last("cache", '{"n": 1}')
        await store.put_last("cache", '{"n": 2}')
        pictures = store.take_last()
        await done(store, lambda driver: store.write_last(driver, pictures))
        older = {"cache": (1.0, "{}"), "cdn": (5.0, "{}")}
        await done(store, lambda driver: store.write_last(driver, older))
        got = store.last_all(within=5)
        assert got["cache"][1] == '{"n": 2}'
        assert got["cdn"] == (5.0, "{}")
        other = Store.open(url, env="prod")
        assert other.last_all(within=5) == {}
        await other.close()

    async def test_pictures_that_were_not_written_wait_behind_newer_ones(self, store):
        await store.put_last("a", "old")
        await store.put_last("b", "old")
        pictures = store.take_last()
        await store.put_last("a", "new")
        store.put_back(pictures)
        assert {topic: body for topic, (_, body) in store.take_last().items()} == {"a": "new", "b": "old"}

    async def test_a_slow_read_is_not_waited_for(self, store):
        release = asyncio.Event()
        began = time.monotonic()
        slow = store.read(lambda _driver: until_set(release))
        assert store.read_now(lambda driver: driver.query("SELECT 1"), None, 0.05) is None
        assert time.monotonic() - began < 2
        release.set()
        await asyncio.wrap_future(slow)
        assert store.read_now(lambda driver: driver.query("SELECT 1"), None, 5) == [(1,)]


def until_set(event):
    limit = time.monotonic() + 10
    while not event.is_set():
        assert time.monotonic() < limit


class TestSqlite(StoreLaws):
    @pytest.fixture
    def url(self, sqlite_url):
        return sqlite_url

    async def test_the_files_are_for_the_owner_only(self, store):
        path = Path(store.where)
        await store.put_last("a", "{}")
        pictures = store.take_last()
        await done(store, lambda driver: store.write_last(driver, pictures))
        files = list(path.parent.iterdir())
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    async def test_last_pictures_are_there_within_a_frame(self, store, url):
        pictures = {f"topic{n}": (float(n), "x" * 20_000) for n in range(20)}
        await done(store, lambda driver: store.write_last(driver, pictures))
        again = Store.open(url, env="lab")
        assert len(again.last_all(within=2)) == 20
        began = time.monotonic()
        again.last_all(within=2)
        assert time.monotonic() - began < 0.1
        await again.close()

    async def test_a_damaged_file_is_a_problem_not_a_crash(self, tmp_path):
        path = tmp_path / "store.db"
        path.write_bytes(b"this is no database at all, it only looks like a file" * 100)
        store = Store.open(str(path))
        assert not await store.ready()
        assert "not a database" in store.problem
        assert store.last_all() == {}
        await store.close()

    async def test_a_locked_file_is_a_problem_while_it_lasts(self, store, monkeypatch):
        other = sqlite3.connect(store.where, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await done(store, lambda driver: driver.execute("PRAGMA busy_timeout=50"))
        with pytest.raises(StoreError, match="locked"):
            await done(store, lambda driver: driver.execute("DELETE FROM perftui_figure"))
        assert "locked" in store.problem
        other.execute("COMMIT")
        other.close()
        await done(store, lambda driver: driver.execute("DELETE FROM perftui_figure"))
        assert store.problem == ""

    async def test_a_folder_that_cannot_be_made_is_a_problem(self, tmp_path):
        (tmp_path / "file").write_text("")
        store = Store.open(str(tmp_path / "file" / "store.db"))
        assert not await store.ready()
        assert store.problem.startswith("cannot open the store")
        await store.close()

    async def test_an_unknown_scheme_is_refused(self):
        with pytest.raises(StoreError, match="mysql"):
            Store.open("mysql://x/y")


class TestPostgres(StoreLaws):
    @pytest.fixture
    def url(self, postgres_url):
        return postgres_url

    async def test_a_server_that_restarts_is_found_again(self, store, postgres):
        await postgres.restart()

        limit = time.monotonic() + 20
        while not await store.ready():
            assert time.monotonic() < limit, store.problem
        assert store.problem == ""

    async def test_a_wrong_password_is_a_problem_without_it(self, postgres):
        store = Store.open(postgres.bare_dsn.replace("@", ":wrong-secret@"))
        assert not await store.ready()
        assert "password" in store.problem
        assert "wrong-secret" not in store.problem
        await store.close()

    async def test_nobody_listening_fails_at_once_and_closing_is_quick(self):
        store = Store.open("postgresql://u:p@127.0.0.1:1/db")
        began = time.monotonic()
        assert not await store.ready()
        assert not await store.ready()
        assert await store.close()
        assert time.monotonic() - began < 5


def test_question_marks_become_numbers():
    assert numbered("a = ? AND b = ?") == "a = $1 AND b = $2"


async def test_waiting_never_blocks_the_loop(tmp_path):
    store = Store.open(str(tmp_path / "store.db"))
    future = store.write(lambda _driver: until_time(0.2))
    ticks = 0

    def tick():
        nonlocal ticks
        ticks += 1
        return future.done()

    await until(tick)
    assert ticks > 3
    await store.close()


def until_time(seconds):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        time.monotonic()
