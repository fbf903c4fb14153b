"""A small HTTP listener for machines: a table of routes, a token, bounds on everything that comes in."""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from perftui.model.errors import ConfigError

log = logging.getLogger(__name__)

MOST = 64 << 10  # bytes of a body
PATIENCE = 5.0  # seconds a body may take to come
AT_ONCE = 32  # connections


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler gets; names of headers are lower case."""

    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler gives."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("content-type", "text/plain; charset=utf-8"),)


Handler = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and with what; the token never shows."""

    host: str
    port: int
    token: str = field(default="", repr=False)
    certificate: str = ""
    key: str = ""

    @classmethod
    def of(cls, text: str, token: str = "", certificate: str = "", key: str = "") -> Address:
        """`HOST:PORT`, `[::1]:PORT` or `:PORT` (loopback); ConfigError says what is wrong."""
        host, _, port = text.rpartition(":")
        if not port.isdecimal() or not 0 <= int(port) < 65536:
            raise ConfigError(f"{text!r} is no address to listen on, such as 127.0.0.1:9464")
        return cls(host.strip("[]") or "127.0.0.1", int(port), token, certificate, key)

    @property
    def open(self) -> bool:
        """Whether other machines reach it without saying who they are."""
        return not self.token and self.host not in ("127.0.0.1", "::1", "localhost")


class Listener:
    """Serves `routes` ((method, path) → handler) until cancelled; `guarded` paths want the token."""

    def __init__(
        self, address: Address, routes: Mapping[tuple[str, str], Handler], guarded: frozenset[str]
    ) -> None:
        self.address = address
        self._routes = routes
        self._guarded = guarded
        self._socket: socket.socket | None = None

    def bind(self) -> int:
        """Take the port, or say who may have it; the port (another one for 0)."""
        family = socket.AF_INET6 if ":" in self.address.host else socket.AF_INET
        wire = socket.socket(family, socket.SOCK_STREAM)
        try:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            wire.bind((self.address.host, self.address.port))
            wire.listen(128)
        except OSError as error:
            wire.close()
            where = f"{self.address.host}:{self.address.port}"
            raise ConfigError(f"cannot listen on {where}: {error.strerror or error}") from error
        self._socket = wire
        return int(wire.getsockname()[1])

    async def run(self) -> None:
        """Serve; a listener that was bound before is used."""
        if self._socket is None:
            self.bind()
        assert self._socket is not None
        server = _server(self._answered, self.address)
        try:
            await server.serve(sockets=[self._socket])
        finally:
            if server.started:  # cancelled: uvicorn tidies up only when it is asked to
                await server.shutdown(sockets=[self._socket])
            self.close()

    def close(self) -> None:
        """Give the port back."""
        wire, self._socket = self._socket, None
        if wire is not None:
            wire.close()

    async def _answered(self, scope: Any, receive: Any, send: Any) -> None:
        """One request, as ASGI hands it over."""
        if scope["type"] != "http":
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        answer = await self._answer(scope["method"], scope["path"], headers, receive)
        length = (b"content-length", str(len(answer.body)).encode())
        more = [(name.encode(), value.encode()) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": [length, *more]})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], receive: Any) -> Answer:
        handler = self._routes.get(("GET" if method == "HEAD" else method, path))
        if handler is None:
            known = any(path == there for _, there in self._routes)
            return said(405, "not with this method") if known else said(404, "nothing is here")
        if path in self._guarded and not self._admitted(headers):
            return Answer(401, b"a bearer token is needed\n", (("www-authenticate", "Bearer"),))
        try:
            async with asyncio.timeout(PATIENCE):
                body = await _body(receive)
        except TimeoutError:
            return said(408, f"the body did not come within {PATIENCE:g} s")
        return (
            said(413, f"more than {MOST >> 10} KiB")
            if body is None
            else await handler(Request(headers, body))
        )

    def _admitted(self, headers: Mapping[str, str]) -> bool:
        if not self.address.token:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), self.address.token.encode())
        return scheme.lower() == "bearer" and same


def said(status: int, text: str) -> Answer:
    """A sentence as an answer."""
    return Answer(status, f"{text}\n".encode())


async def _body(receive: Any) -> bytes | None:
    """The whole body; None for one that is too large."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST:
            return None
        if not message.get("more_body") or message["type"] == "http.disconnect":
            return bytes(body)


def _server(app: Any, address: Address) -> Any:
    """Uvicorn without its log and its signals: both are ours."""
    import uvicorn

    class Quiet(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    _check_tls(address)
    return Quiet(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="off",
            interface="asgi3",
            http="h11",
            ws="none",
            server_header=False,
            limit_concurrency=AT_ONCE,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=16 << 10,
            ssl_certfile=address.certificate or None,
            ssl_keyfile=address.key or None,
        )
    )


def _check_tls(address: Address) -> None:
    if not address.certificate:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            address.certificate, address.key or None
        )
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"cannot use the certificate {address.certificate}: {error}") from error
