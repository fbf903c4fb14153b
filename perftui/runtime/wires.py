"""Bytes of the connections that a backend's reads open, counted by the kernel.

Which client library opens them does not matter: whatever connects through the event loop within a read is
the reader's. Linux tells each connection's bytes (`TCP_INFO`, tcp(7)); elsewhere they are unknown.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

_INFO: int | None = getattr(socket, "TCP_INFO", None)
_BYTES = struct.Struct("=120xQQ")  # tcpi_bytes_acked, tcpi_bytes_received of linux/tcp.h, since Linux 4.1
MOST = 64  # connections looked at; a backend that opens more is counted too low


class Wire:
    """The connections of one owner, open and closed."""

    def __init__(self) -> None:
        self._open: list[tuple[Any, list[int]]] = []  # socket, [out, in] as last seen
        self._out = self._in = 0  # of those that are closed
        self._known = False

    def add(self, sock: Any) -> None:
        """Count a connection from now on."""
        if len(self._open) < MOST:
            self._open.append((sock, [0, 0]))

    def count(self) -> tuple[int, int] | None:
        """Bytes sent (and acknowledged) and received so far; None while nothing could be counted.

        What a connection whose end cannot be seen did after the last count is lost.
        """
        for entry in tuple(self._open):
            sock, seen = entry
            told = _told(sock)
            if told is not None:
                seen[:] = told
                self._known = True
            elif sock.fileno() < 0:
                self._open.remove(entry)
                self._out, self._in = self._out + seen[0], self._in + seen[1]
        if not self._known:
            return None
        return (
            self._out + sum(seen[0] for _, seen in self._open),
            self._in + sum(seen[1] for _, seen in self._open),
        )


OWNER: ContextVar[Wire | None] = ContextVar("wire", default=None)
"""Whose connections are opened here."""


def listen(loop: asyncio.AbstractEventLoop) -> None:
    """Give every connection this loop makes to the owner within whose work it is made."""
    connect: Any = loop.create_connection
    if getattr(connect, "tells", False):
        return

    async def told(*args: Any, **more: Any) -> Any:
        made = await connect(*args, **more)
        wire, sock = OWNER.get(), made[0].get_extra_info("socket")
        if wire is not None and sock is not None:
            wire.add(sock)
            _count_at_end(made[1], wire)
        return made

    told.tells = True  # type: ignore[attr-defined]
    try:
        setattr(loop, "create_connection", told)  # noqa: B010 - a method of this one loop
    except AttributeError:
        return  # a loop written in C takes none: bytes stay unknown


def _count_at_end(protocol: Any, wire: Wire) -> None:
    """Look once more when the connection ends, while its socket is still open."""
    before = protocol.connection_lost

    def lost(error: Exception | None) -> None:
        wire.count()
        before(error)

    with suppress(AttributeError, TypeError):  # one written in C takes none: its reads count anyway
        protocol.connection_lost = lost


def _told(sock: Any) -> tuple[int, int] | None:
    if _INFO is None:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _INFO, _BYTES.size)
    except OSError:
        return None
    if len(info) < _BYTES.size:
        return None
    sent, received = _BYTES.unpack(info)
    return sent, received
