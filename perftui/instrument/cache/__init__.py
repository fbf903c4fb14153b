"""A cache of several tiers for asyncio services: process memory, Valkey or Redis, the edge.

`from perftui.instrument.cache import Cache, cached`; nothing is imported before it is named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perftui.instrument.cache.context import MISS, LoadContext, LoadFailed, LoadTimeout
    from perftui.instrument.cache.decorate import cached
    from perftui.instrument.cache.face import Cache
    from perftui.model.tiers import FAST, RESILIENT, SHARED, EntryOptions, Skip

_WHERE = {
    "Cache": "perftui.instrument.cache.face",
    "cached": "perftui.instrument.cache.decorate",
    "MISS": "perftui.instrument.cache.context",
    "LoadContext": "perftui.instrument.cache.context",
    "LoadFailed": "perftui.instrument.cache.context",
    "LoadTimeout": "perftui.instrument.cache.context",
    "EntryOptions": "perftui.model.tiers",
    "Skip": "perftui.model.tiers",
    "FAST": "perftui.model.tiers",
    "RESILIENT": "perftui.model.tiers",
    "SHARED": "perftui.model.tiers",
}
__all__ = [
    "FAST",
    "MISS",
    "RESILIENT",
    "SHARED",
    "Cache",
    "EntryOptions",
    "LoadContext",
    "LoadFailed",
    "LoadTimeout",
    "Skip",
    "cached",
]


def __getattr__(name: str) -> Any:
    """The part of that name."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
