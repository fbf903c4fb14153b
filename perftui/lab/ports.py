"""Ports for servers of ours: what one lab was given no other is, be its server not up yet, or dead."""

from __future__ import annotations

import random
import socket
from collections import deque

HELD = 128
"""Ports that a process holds at once; the oldest are let go of."""
_draw = random.SystemRandom()
_held: deque[socket.socket] = deque()


def free_port() -> int:
    """A TCP port nobody listens on, outside the range the kernel gives to outgoing connections,
    so that a server can come back on it after a restart.

    The same port of UDP, which no server of ours wants, is bound as long as this process lives: so other
    processes that ask here know that it was given.

    Raises:
        OSError: there is none.
    """
    for _ in range(200):
        port = _draw.randrange(20_000, 32_000)
        hold = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            hold.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            hold.close()
            continue
        _held.append(hold)
        while len(_held) > HELD:
            _held.popleft().close()
        return port
    raise OSError("no free port between 20000 and 32000 on 127.0.0.1")
