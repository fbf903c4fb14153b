"""The pool's control socket: line-JSON over a 0600 unix socket inside the supervisor's select loop."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

LINE_LIMIT = 64 * 1024
SEND_SECONDS = 1.0


class Refusal(Exception):
    """A question that cannot be answered; `code` is for programs, the text for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Control:
    """Accepts connections and answers each line by `handle`."""

    def __init__(
        self,
        path: Path,
        selector: selectors.BaseSelector,
        handle: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        self._path, self._selector, self._handle = path, selector, handle
        self._buffers: dict[socket.socket, bytearray] = {}
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
        finally:
            os.umask(before)
        self._listener.listen(64)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self, _: Any) -> None:
        with contextlib.suppress(OSError):
            connection, _address = self._listener.accept()
            connection.settimeout(SEND_SECONDS)
            self._buffers[connection] = bytearray()
            self._selector.register(connection, selectors.EVENT_READ, self._read)

    def _read(self, connection: Any) -> None:
        buffer = self._buffers[connection]
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        buffer += data
        if not data or len(buffer) > LINE_LIMIT:
            self._drop(connection)
            return
        while b"\n" in buffer:
            line, _, rest = bytes(buffer).partition(b"\n")
            buffer[:] = rest
            if not self._send(connection, self._answer(line)):
                return

    def _send(self, connection: socket.socket, answer: dict[str, Any]) -> bool:
        try:
            connection.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:  # it does not read, or it left
            self._drop(connection)
            return False
        return True

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            return self._handle(_question(line))
        except Refusal as refusal:
            return {"error": {"code": refusal.code, "message": str(refusal)}}
        except (ValueError, TypeError) as error:
            return {"error": {"code": "usage", "message": f"cannot be read: {error}"}}

    def _drop(self, connection: socket.socket) -> None:
        self._buffers.pop(connection, None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection)
        connection.close()

    def forget(self) -> None:
        """In a forked child: close what belongs to the supervisor, touching neither file nor selector."""
        self._listener.close()
        for connection in self._buffers:
            connection.close()

    def close(self) -> None:
        """Stop listening and remove the socket's file."""
        self.forget()
        self._path.unlink(missing_ok=True)


def _question(line: bytes) -> dict[str, Any]:
    question = json.loads(line)
    if not isinstance(question, dict):
        raise Refusal("usage", "a question is one JSON object a line")
    return question
