"""Where history, last pictures and leases are kept: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from perftui.model.errors import StoreError
from perftui.runtime.driver import Driver
from perftui.runtime.lane import Lane
from perftui.runtime.schema import migrate

T = TypeVar("T")
log = logging.getLogger(__name__)

QUICK = 0.02  # seconds a synchronous read may hold the screen up
FIRST = 0.1  # the same before the first paint: connecting included, on a busy machine


class Store:
    """The store of one environment: a lane that writes and one that reads.

    Opening never fails and never waits: what is wrong is said in `problem`, everything the console
    remembers stays in memory meanwhile, and the next attempt is made by itself.
    """

    def __init__(self, connect: Callable[[], Driver], where: str, env: str) -> None:
        self.where = where
        self.env = env
        self.problem = ""
        self._connect = connect
        self._writer = Lane("writer", self._migrated)
        self._reader = Lane("reader", self._opened)
        self._last: dict[str, tuple[float, str]] = {}
        self.read(lambda _driver: None)  # connect while the console is still starting

    @classmethod
    def open(cls, url: str, env: str = "default") -> Store:
        """The store at `url`: `postgresql://…`, `sqlite:///path` or a path; StoreError for another scheme."""
        scheme = urlsplit(url).scheme
        if scheme in ("postgresql", "postgres"):
            from perftui.runtime.store_postgres import PostgresDriver

            parts = urlsplit(url)
            return cls(lambda: PostgresDriver(url), f"{parts.hostname}{parts.path}", env)
        if scheme not in ("", "sqlite"):
            raise StoreError(f"no store speaks {scheme!r}: use postgresql://… or a file")
        from perftui.runtime.store_sqlite import SqliteDriver

        path = Path(unquote(urlsplit(url).path)) if scheme else Path(url)
        return cls(lambda: SqliteDriver(path), str(path), env)

    def write(self, work: Callable[[Driver], T]) -> Future[T]:
        """Run `work` on the writing connection, after what was asked before."""
        return self._watched(self._writer.submit(work))

    def read(self, work: Callable[[Driver], T]) -> Future[T]:
        """Run `work` on the reading connection."""
        return self._reader.submit(work)

    def read_now(self, work: Callable[[Driver], T], otherwise: T, within: float = QUICK) -> T:
        """The result of `work`, or `otherwise` when it fails or takes longer than `within` seconds."""
        future = self.read(work)
        try:
            return future.result(within)
        except TimeoutError:
            future.cancel()
        except StoreError as error:
            log.debug("%s", error)
        return otherwise

    async def ready(self) -> bool:
        """Connect and bring the tables up to date; False (and `problem`) when that failed."""
        try:
            await asyncio.wrap_future(self.write(lambda _driver: None))
        except StoreError:
            return False
        return True

    async def put_last(self, topic: str, body: str) -> None:
        """Remember the newest picture of `topic` as JSON text; written with the next samples."""
        self._last[topic] = (time.time(), body)

    async def keep_last(self, topic: str, body: str) -> None:
        """The same at once, also where another process records; StoreError when it cannot be."""
        told = {topic: (time.time(), body)}

        def work(driver: Driver) -> None:
            with driver.transaction():
                self.write_last(driver, told)

        await asyncio.wrap_future(self.write(work))

    async def last_of(self, topic: str) -> str:
        """What was kept of one topic, "" for nothing; StoreError when that cannot be read."""
        sql = "SELECT body FROM perftui_last WHERE env = ? AND topic = ?"
        rows = await asyncio.wrap_future(self.read(lambda driver: driver.query(sql, (self.env, topic))))
        return str(rows[0][0]) if rows else ""

    def last_all(self, within: float = FIRST) -> dict[str, tuple[float, str]]:
        """This environment's last pictures, topic → (epoch seconds, JSON text); {} if that takes long."""
        sql = "SELECT topic, at, body FROM perftui_last WHERE env = ?"
        none: list[tuple[Any, ...]] = []
        rows = self.read_now(lambda driver: driver.query(sql, (self.env,)), none, within)
        return {topic: (at, body) for topic, at, body in rows}

    def write_last(self, driver: Driver, pictures: dict[str, tuple[float, str]]) -> None:
        """Put pictures into the store, inside a transaction of the caller."""
        driver.executemany(
            "INSERT INTO perftui_last (env, topic, at, body) VALUES (?, ?, ?, ?) ON CONFLICT (env, topic) "
            "DO UPDATE SET at = excluded.at, body = excluded.body WHERE excluded.at >= perftui_last.at",
            [(self.env, topic, at, body) for topic, (at, body) in pictures.items()],
        )

    def take_last(self) -> dict[str, tuple[float, str]]:
        """The pictures put since the last call."""
        pictures, self._last = self._last, {}
        return pictures

    def put_back(self, pictures: dict[str, tuple[float, str]]) -> None:
        """Pictures that could not be written wait for the next time, unless there are newer ones."""
        self._last = pictures | self._last

    async def close(self, within: float = 2.0) -> bool:
        """Finish what is queued and let go; False when that took too long."""
        began = time.monotonic()
        ended = [
            await asyncio.to_thread(lane.stop, max(0.0, within - (time.monotonic() - began)))
            for lane in (self._writer, self._reader)
        ]
        return all(ended)

    def _migrated(self) -> Driver:
        driver = self._connect()
        try:
            migrate(driver)
        except StoreError:
            driver.close()
            raise
        return driver

    def _opened(self) -> Driver:
        return self._connect()

    def _watched(self, future: Future[T]) -> Future[T]:
        future.add_done_callback(self._learn)
        return future

    def _learn(self, future: Future[T]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        text = "" if error is None else str(error)
        if text and text != self.problem:
            log.warning("%s", text)
        self.problem = text
