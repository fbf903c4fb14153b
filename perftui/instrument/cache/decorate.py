"""`@cached`: a function's results, kept by its arguments."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from perftui.instrument.cache.face import Cache
from perftui.model.tiers import EntryOptions

P = ParamSpec("P")
T = TypeVar("T")
Named = str | Callable[..., str]
Tagged = Iterable[str] | Callable[..., Iterable[str]]


def cached(
    cache: Cache | Callable[[], Cache],
    *,
    ttl: float | str | None = "5m",
    key: Named = "",
    tags: Tagged = (),
    options: EntryOptions | None = None,
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Keep what an async function returns, a key for each set of arguments.

    `key` is a format of the arguments (`"product:{id}"`, `"{0}:{1}"`) or a function of them; without one it
    is the function's name with the arguments' repr. `tags` likewise, each a format. `cache` may be a
    function, for a cache that is made when the service starts. The function itself stays at `.uncached`.
    """

    def wrap(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        name = f"{function.__module__}.{function.__qualname__}"

        @functools.wraps(function)
        async def call(*args: P.args, **named: P.kwargs) -> T:
            at = cache() if not isinstance(cache, Cache) else cache
            place = _text(key, args, named) if key else f"{name}({_arguments(args, named)})"
            about = tags(*args, **named) if callable(tags) else [_text(tag, args, named) for tag in tags]
            found: T = await at.get_or_set(
                place, lambda: function(*args, **named), ttl=ttl, tags=about, options=options
            )
            return found

        call.uncached = function  # type: ignore[attr-defined]
        return call

    return wrap


def _text(shape: Named, args: tuple[Any, ...], named: dict[str, Any]) -> str:
    return shape(*args, **named) if callable(shape) else shape.format(*args, **named)


def _arguments(args: tuple[Any, ...], named: dict[str, Any]) -> str:
    return ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in sorted(named.items()))])
