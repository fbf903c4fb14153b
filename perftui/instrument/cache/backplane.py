"""Notices between nodes by publish/subscribe, for proxies in front of L2 that do not pass tracking on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perftui.instrument.cache.names import channel
from perftui.instrument.cache.ports import LinkChange, LinkEvent, Notice, NoticeKind, Store
from perftui.instrument.cache.stamp import NODE_BYTES

VERSION = 1
_MAGIC = b"pb"
_KINDS = dict(enumerate(NoticeKind, 1))
_NUMBERS = {kind: number for number, kind in _KINDS.items()}
_NODE, _STAMP = 4, 4 + NODE_BYTES
_KEY = _STAMP + 16
_MESSAGE = (b"message", b"pmessage")


def pack(notice: Notice) -> bytes:
    """A notice as it travels: two letters, version, kind, node, stamp, key, in places that stay."""
    key = notice.key.encode("utf-8", "surrogatepass")
    head = _MAGIC + bytes((VERSION, _NUMBERS[notice.kind]))
    return head + bytes.fromhex(notice.node) + notice.stamp + key


def unpack(data: bytes, namespace: str) -> tuple[Notice | None, bool]:
    """The notice, and whether its version is ours. None: it names no key, so that anything may have changed.

    Of a version or kind that is not known the key is taken as removed.
    """
    if len(data) < _KEY or data[:2] != _MAGIC:
        return None, False
    try:
        key = data[_KEY:].decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None, False
    known = data[2] == VERSION and data[3] in _KINDS
    kind = _KINDS[data[3]] if known else NoticeKind.REMOVE
    return Notice(data[_NODE:_STAMP].hex(), namespace, kind, key, data[_STAMP:_KEY]), known


class PubSub:
    """A backplane: `PUBLISH` on one store, `SUBSCRIBE` on another (with RESP3 they may be the same).

    Own notices are not heard. `unknown` counts those of another version.
    """

    def __init__(self, namespace: str, node: str, store: Store, listening: Store | None = None) -> None:
        self._namespace = namespace
        self._node = node
        self._store = store
        self._listening = listening or store
        self._channel = channel(namespace)
        self._stop: Callable[[], None] | None = None
        self.unknown = 0

    async def publish(self, notice: Notice) -> None:
        """Tell all other nodes.

        Raises:
            BackendError: nobody was told.
        """
        await self._store.command("PUBLISH", self._channel, pack(notice), key=self._channel)

    def listen(self, heard: Callable[[Notice | None], None], link: Callable[[bool], None]) -> None:
        """Hear others' notices (None: everything may have changed) and whether the link holds."""

        def told(event: LinkEvent) -> None:
            if event.change is LinkChange.PUSH:
                self._pushed(event.payload, heard)
            else:
                link(event.change is LinkChange.UP)

        self._stop = self._listening.watch(told)
        self._listening.greet("SUBSCRIBE", self._channel)

    def _pushed(self, payload: Any, heard: Callable[[Notice | None], None]) -> None:
        if not isinstance(payload, (list, tuple)) or len(payload) != 3 or payload[0] not in _MESSAGE:
            return
        if payload[1] != self._channel or not isinstance(payload[2], bytes):
            return
        notice, known = unpack(payload[2], self._namespace)
        self.unknown += not known
        if notice is None or notice.node != self._node:
            heard(notice)

    async def close(self) -> None:
        """Stop; twice is harmless."""
        if self._stop is not None:
            self._stop()
            self._stop = None
        if self._listening is not self._store:
            await self._listening.close()
