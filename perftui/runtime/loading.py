"""Imports what is named in a registry, away from the event loop, so that keys are answered meanwhile."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any


def load(place: str) -> Any:
    """The thing at `module:name`; imports its module."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


async def bring(place: str) -> Any:
    """The thing at `module:name`, imported in a thread together with the libraries it will want.

    A class lists those in `libraries`; importing one (a client of a database, say) takes up to a fifth
    of a second that the first read would otherwise take from whoever presses a key.
    """
    return await asyncio.to_thread(_with_libraries, place)


def _with_libraries(place: str) -> Any:
    thing = load(place)
    for library in getattr(thing, "libraries", ()):
        try:
            importlib.import_module(library)
        except ImportError:
            continue  # whoever needs it says what is missing, in its own words
    return thing
