"""What a loader is told, and what it may say about the value it returns."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Final, Self
from weakref import WeakKeyDictionary

from perftui.model.errors import PerftuiError
from perftui.model.tiers import EntryOptions, seconds


class Missing:
    """Stands for no value: None is a value."""

    _instance: Self | None = None

    def __new__(cls) -> Self:
        """There is only one."""
        cls._instance = cls._instance or super().__new__(cls)
        return cls._instance

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISS"


MISS: Final = Missing()


class LoadFailed(PerftuiError):
    """A loader said that it could not."""


class LoadTimeout(PerftuiError):
    """No value within the hard timeout, and nothing stale."""


class LoadContext:
    """Given to a loader that takes an argument. What it sets holds for this entry alone.

    `stale` is the value that expired (MISS when there is none), with its `etag` and `last_modified`.
    """

    __slots__ = ("_options", "etag", "failed", "key", "last_modified", "size", "stale", "tags")

    def __init__(
        self,
        key: str,
        options: EntryOptions,
        tags: Iterable[str],
        stale: Any = MISS,
        etag: str = "",
        last_modified: float = 0.0,
    ) -> None:
        self.key = key
        self.stale = stale
        self.etag = etag
        self.last_modified = last_modified
        self.tags = tuple(tags)
        self.size: int | None = None
        self.failed = ""
        self._options = options

    @property
    def options(self) -> EntryOptions:
        """What holds for this entry; the one shared with others does not change."""
        return self._options

    def set(self, **changes: Any) -> None:
        """Change an option for this entry: `ctx.set(ttl="1m", fail_safe=False)`."""
        self._options = self._options.but(**changes)

    @property
    def ttl(self) -> float | None:
        """The entry's life in seconds; None without end."""
        return self._options.ttl

    @ttl.setter
    def ttl(self, life: float | str | None) -> None:
        self._options = self._options.but(ttl=None if life is None else seconds(life))

    def fail(self, reason: str) -> None:
        """There is no value to be had: as if an exception had been raised, without its cost."""
        self.failed = reason or "no reason given"

    def not_modified(self) -> Any:
        """The stale value is still right: return this.

        Raises:
            LoadFailed: there is none.
        """
        if self.stale is MISS:
            raise LoadFailed(f"{self.key!r}: nothing is there that could still be right")
        return self.stale


_takes: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def takes_context(loader: Any) -> bool:
    """Whether a loader has a positional parameter without a default."""
    try:
        known = _takes.get(loader)
    except TypeError:
        known = None
    if known is None:
        known = _has_parameter(loader)
        try:
            _takes[loader] = known
        except TypeError:
            return known
    return known


def _has_parameter(loader: Any) -> bool:
    try:
        parameters = inspect.signature(loader).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(p.kind in kinds and p.default is inspect.Parameter.empty for p in parameters)
