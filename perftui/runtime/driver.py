"""What the store needs of a database, small enough that one SQL text serves two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Driver(Protocol):
    """One connection, used by one thread; every method blocks and raises only StoreError.

    SQL uses `?` for values and the types both databases know.
    """

    where: str  # file or host/database for sentences, never with a password
    without_rowid: str  # table option, empty where there is none
    now: str  # SQL for the store's own clock, epoch seconds

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement; the number of rows changed."""
        ...

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row."""
        ...

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows."""
        ...

    def transaction(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """Commit at the end or roll back; `alone` keeps every other process out meanwhile."""
        ...

    @property
    def alive(self) -> bool:
        """Whether the connection can still be used."""
        ...

    def close(self) -> None:
        """Let go; never raises."""
        ...
