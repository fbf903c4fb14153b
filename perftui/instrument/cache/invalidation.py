"""What other writers changed, as the server itself tells it: CLIENT TRACKING over the connections of L2.

Source: https://valkey.io/topics/client-side-caching (broadcasting mode). Every write of a key with the
namespace's prefix is told to every connection that asked, foreign writers' too; NOLOOP leaves out our own,
for which the caller cared already.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from perftui.instrument.cache.names import LEASE, TAG, entry_of
from perftui.instrument.cache.ports import LinkChange, LinkEvent, Store

log = logging.getLogger(__name__)

INVALIDATE = b"invalidate"


class Heard(Protocol):
    """What a namespace does with what it hears."""

    def dropped(self, key: str) -> None:
        """Somebody changed this key: L1's copy is not fresh, and what is being loaded is not kept."""

    def tag_changed(self, tag: str) -> None:
        """Somebody changed this tag's tokens."""

    def lease_changed(self, key: str) -> None:
        """The owner of this key's load renewed or released it, or its lease ended."""

    def everything_changed(self) -> None:
        """L2 was flushed."""

    def linked(self, *, up: bool) -> None:
        """The link was lost, or is back: what was stored before is not fresh until read from L2."""


class Tracking:
    """Listens for one namespace; several may share a store if no name is the beginning of another's."""

    def __init__(self, namespace: str, store: Store, heard: Heard) -> None:
        self._prefix = f"{namespace}:"
        self._bytes = self._prefix.encode("utf-8", "surrogatepass")
        self._tag, self._lease = TAG[1:], LEASE[1:]
        self._heard = heard
        self._lost: set[str] = set()
        self._up: set[str] = set()
        self._deaf: dict[str, Exception] = {}
        self._stop: Callable[[], None] = store.watch(self._told)
        store.greet(
            "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", self._bytes, "NOLOOP", answered=self._answered
        )

    @property
    def armed(self) -> bool:
        """Whether every node that is reached tells us of changes."""
        return self.refused is None and bool(self._up) and not self._lost

    def close(self) -> None:
        """Listen no more."""
        self._stop()

    @property
    def refused(self) -> Exception | None:
        """Why a node that is reached tells us nothing; None while all do."""
        return next(iter(self._deaf.values()), None)

    def _answered(self, node: str, error: Exception | None) -> None:
        if error is not None:
            if not self._deaf:
                log.warning("changes by others are not heard (%s): give the cache a backplane", error)
            self._deaf[node] = error
        elif self._deaf.pop(node, None) is not None:
            log.info("changes by others are heard from %s too", node)
            self._heard.linked(up=not self._lost)  # what was stored meanwhile was not covered

    def _told(self, event: LinkEvent) -> None:
        if event.change is LinkChange.PUSH:
            self._pushed(event.payload)
        elif event.change is LinkChange.UP:
            back = event.node in self._lost
            self._up.add(event.node)
            self._lost.discard(event.node)
            if back:
                self._heard.linked(up=True)
        elif event.change is LinkChange.DOWN:
            self._up.discard(event.node)
            if event.node not in self._lost:
                self._lost.add(event.node)
                self._heard.linked(up=False)
        else:
            self._up.discard(event.node)
            self._lost.discard(event.node)
            self._deaf.pop(event.node, None)
            self._heard.linked(up=not self._lost)

    def _pushed(self, payload: Any) -> None:
        if not isinstance(payload, (list, tuple)) or len(payload) < 2 or payload[0] != INVALIDATE:
            return
        keys = payload[1]
        if keys is None:
            self._heard.everything_changed()
            return
        for key in keys:
            if not isinstance(key, bytes) or not key.startswith(self._bytes):
                continue
            try:
                name = key[len(self._bytes) :].decode("utf-8", "surrogatepass")
            except UnicodeDecodeError:  # somebody else's: names of entries are text
                continue
            self._changed(name)

    def _changed(self, name: str) -> None:
        if name.startswith(self._tag):
            self._heard.tag_changed(name[len(self._tag) :])
        elif name.startswith(self._lease):
            self._heard.lease_changed(name[len(self._lease) :])
        else:
            self._heard.dropped(entry_of(name))
