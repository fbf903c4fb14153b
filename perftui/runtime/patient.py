"""Questions to a store that may take long: what is not answered in time is taken when it comes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

from perftui.model.errors import StoreError
from perftui.runtime.driver import Driver
from perftui.runtime.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST = 64  # answers waited for, and answers kept until they are asked for again


class Patient:
    """Asks a store, waiting `within` seconds for an answer, and not at all while another is overdue.

    `late` is True once something was not answered in time, until it is set back by who looks at it.
    """

    def __init__(self, store: Store, within: float) -> None:
        self.late = False
        self._store = store
        self.within = within
        self._awaited: dict[Hashable, Future[Any]] = {}
        self._come: dict[Hashable, Any] = {}
        self._news = False

    def ask(self, about: Hashable, work: Callable[[Driver], T], otherwise: T) -> T:
        """The answer of `work`, `otherwise` where it fails or is late; `about` tells it from others."""
        self._collect()
        if about in self._come:
            come: T = self._come.pop(about)
            return come
        overdue = bool(self._awaited)
        known = self._awaited.pop(about) if about in self._awaited else None
        future: Future[T] = known or self._store.read(work)
        try:
            return future.result(0 if overdue else self.within)
        except TimeoutError:
            self.late = True
            self._awaited[about] = future
            if len(self._awaited) > MOST:
                self._awaited.pop(next(iter(self._awaited))).cancel()
        except StoreError as error:
            log.debug("%s", error)
        return otherwise

    @property
    def waits(self) -> bool:
        """Whether an answer is yet to come, or to be taken."""
        return bool(self._awaited) or self._news

    def arrived(self) -> bool:
        """Whether answers came since the last call that were late: it is worth asking again."""
        self._collect()
        news, self._news = self._news, False
        return news

    def _collect(self) -> None:
        done = [about for about, future in self._awaited.items() if future.done()]
        for about in done:
            future = self._awaited.pop(about)
            if not future.cancelled() and future.exception() is None:
                self._come[about] = future.result()
        for about in list(self._come)[: max(0, len(self._come) - MOST)]:
            del self._come[about]
        self._news = self._news or bool(done)
