"""A thread with one database connection, so that the console never waits for a disk or a server."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from perftui.model.errors import StoreError
from perftui.runtime.driver import Driver

T = TypeVar("T")
log = logging.getLogger(__name__)

AGAIN = 2.0  # seconds between attempts to connect; jobs in between fail at once

# What a bug in a job raises: the job fails, the lane goes on.
BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, OSError)

Job = tuple["Future[Any]", Callable[[Driver], Any]]


class Lane:
    """Runs jobs one after another on its own connection, opened with the first and again after a loss.

    A daemon thread: an unreachable server cannot keep the console from ending.
    """

    def __init__(self, name: str, connect: Callable[[], Driver]) -> None:
        self._connect = connect
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._driver: Driver | None = None
        self._failed = ""
        self._next = 0.0
        self._thread = threading.Thread(target=self._work, name=f"store {name}", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Driver], T]) -> Future[T]:
        """Queue `work`; its future raises StoreError (alone) when that failed."""
        future: Future[T] = Future()
        self._jobs.put((future, work))
        return future

    def stop(self, within: float) -> bool:
        """Finish what is queued, close the connection; whether that was done in time."""
        self._jobs.put(None)
        self._thread.join(within)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work(self._ready()))
                except StoreError as error:
                    future.set_exception(error)
                except BUGS as error:
                    log.exception("%s: unexpected", self._thread.name)
                    future.set_exception(StoreError(f"the store: {type(error).__name__}: {error}"))
            del job, future, work  # a finished job must not live until the next one comes
            self._check()
        self._leave()

    def _ready(self) -> Driver:
        if self._driver is None:
            if time.monotonic() < self._next:
                raise StoreError(self._failed)
            try:
                self._driver = self._connect()
            except StoreError as error:
                self._failed, self._next = str(error), time.monotonic() + AGAIN
                raise
        return self._driver

    def _check(self) -> None:
        if self._driver is not None and not self._driver.alive:
            self._leave()

    def _leave(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()
