"""One connection to a RESP server: ordered pipelines under a deadline, errors in the house's words.

Built on hiredis' parser alone: the redis client library costs over half a second of CPU to import,
retries by itself and waits longer than a console may.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import hiredis

from perftui.analysis.announced import Announced
from perftui.model.errors import BackendError, ConfigError, Lost, Protocol, Refused, Unsupported

Command = Sequence[bytes | str | float]

REPLY_LIMIT = 64 * 1024 * 1024
"""Bytes one pipeline may answer with, if nothing else is said; more is dropped, with the connection."""

SETTLE = 1.0
"""Seconds a cancelled change may wait for the answers that are already on their way."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens and who we are there."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    db: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: str = ""

    def __str__(self) -> str:
        return self.path or (f"[{self.host}]" if ":" in self.host else self.host) + f":{self.port}"


def parse_url(url: str, *, username: str = "", password: str = "", ca_file: str = "") -> Address:
    """`redis[s]://` or `valkey[s]://[user:password@]host[:port][/db]`, or `unix://path`.

    Explicit arguments win over the URL's. Raises ConfigError, without the URL's secrets.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError as error:
        raise ConfigError("the cache URL has no readable port; write redis://host:port/db") from error
    user = username or unquote(parts.username or "")
    secret = password or unquote(parts.password or "")
    if parts.scheme == "unix":
        return Address(path=parts.path, username=user, password=secret)
    if parts.scheme not in {"redis", "rediss", "valkey", "valkeys"}:
        raise ConfigError("the cache URL must start with redis://, rediss://, valkey:// or unix://")
    db = parts.path.strip("/") or "0"
    if not db.isdigit():
        raise ConfigError("the cache URL's database must be a number; write redis://host:port/0")
    return Address(
        host=parts.hostname or "127.0.0.1",
        port=port,
        db=int(db),
        username=user,
        password=secret,
        tls=parts.scheme in {"rediss", "valkeys"},
        ca_file=ca_file,
    )


def translated(reply: hiredis.ReplyError, asked: str, where: str) -> BackendError:
    """An error reply as an error of the house, saying which command was refused and what would help."""
    text = str(reply)[:300]
    word = text.split(" ", 1)[0]
    if word in {"NOAUTH", "WRONGPASS"} or "AUTH" in word or "invalid password" in text:
        return Refused(f"{where} refused the login: set the right username and password")
    if word == "NOPERM":
        rule = asked.lower().replace(" ", "|")
        return Refused(f"{where} does not let this user run {asked}: its ACL needs +{rule}")
    if word == "DENIED":
        return Refused(f"{where} is in protected mode: it accepts local clients only")
    if (
        word in {"LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"}
        or "max number of clients" in text
    ):
        return Lost(f"{where} cannot answer now: {text}")
    if word == "READONLY":
        return Unsupported(f"{where} is a read-only replica: do this on its primary")
    if "unknown command" in text or "nknown subcommand" in text:
        return Unsupported(f"{where} has no {asked}: it needs a newer server")
    return Protocol(f"{where} answered {asked} with an error: {text}")


def verify(reply: Any, asked: str, where: str) -> Any:
    """The reply itself, or its error raised."""
    if isinstance(reply, hiredis.ReplyError):
        raise translated(reply, asked, where)
    return reply


class Link:
    """A connection that opens when first needed and again after any failure; one pipeline at a time.

    `client` is the name the server knows it by, `limit` the bytes one pipeline may answer with.
    """

    def __init__(self, address: Address, client: str = "perftui", limit: int = REPLY_LIMIT) -> None:
        self.address = address
        self.client, self.limit = client, limit
        self.where = str(address)
        self.opened = 0
        self._lock, self._watching = asyncio.Lock(), asyncio.Lock()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._parser, self._announced = hiredis.Reader(), Announced()

    async def ask(
        self, commands: Sequence[Command], deadline: float, into: list[Any] | None = None
    ) -> list[Any]:
        """Send `commands` in one write and return their replies in order; error replies are values.

        With `into`, replies are put there as they arrive, and a cancelled call first waits up to
        one second for the rest, so that the caller knows what its change did. Raises Lost, Refused,
        Protocol.
        """
        replies: list[Any] = [] if into is None else into
        try:
            async with asyncio.timeout(deadline) as clock, self._lock:
                await self._connect()
                try:
                    await self._exchange(commands, replies)
                except asyncio.CancelledError:
                    if into is None or clock.expired() or not await self._settle(len(commands), replies):
                        self.drop()
                    raise
        except TimeoutError as error:
            self.drop()
            raise Lost(f"{self.where} gave no answer within {deadline:g} s") from error
        except hiredis.ProtocolError as error:
            self.drop()
            raise Protocol(f"{self.where} does not speak the Redis protocol: {error}") from error
        except OSError as error:
            self.drop()
            raise Lost(f"{self.where}: {error.strerror or error or 'connection closed'}") from error
        return replies

    async def one(self, *command: bytes | str | float, deadline: float, asked: str = "") -> Any:
        """One command's reply; an error reply is raised in the house's words.

        `asked` names the command as rights do, where its first word alone would ask for too many.
        """
        (reply,) = await self.ask([command], deadline)
        return verify(reply, asked or str(command[0]), self.where)

    async def _exchange(self, commands: Sequence[Command], replies: list[Any]) -> None:
        assert self._writer is not None
        self._writer.write(b"".join(_packed(c) for c in commands))
        await self._writer.drain()
        await self._replies(len(commands), replies)

    async def _replies(self, wanted: int, replies: list[Any]) -> None:
        assert self._reader is not None
        got = 0
        while len(replies) < wanted:
            try:
                reply = self._parser.gets()
            except TypeError as error:  # a map as a key
                raise hiredis.ProtocolError(str(error)) from None
            if reply is not False:
                replies.append(reply)
                continue
            chunk = await self._reader.read(65536)
            got += len(chunk)
            if not chunk:
                raise ConnectionResetError(104, "connection closed by the server")
            if got > self.limit:
                raise Protocol(f"{self.where} answered with more than {self.limit >> 20} MiB")
            try:
                self._announced.see(chunk)
            except ValueError as error:
                raise hiredis.ProtocolError(str(error)) from None
            self._parser.feed(chunk)

    async def _settle(self, wanted: int, replies: list[Any]) -> bool:
        """After a cancel: the answers still under way, or False when they do not come."""
        try:
            async with asyncio.timeout(SETTLE):
                await self._replies(wanted, replies)
        except (OSError, TimeoutError, BackendError, hiredis.ProtocolError):
            return False
        return True

    async def _connect(self) -> None:
        if self._writer is not None:
            return
        at = self.address
        self._parser, self._announced = hiredis.Reader(), Announced()
        try:
            if at.path:
                self._reader, self._writer = await asyncio.open_unix_connection(at.path)
            else:
                self._reader, self._writer = await asyncio.open_connection(at.host, at.port, ssl=_tls(at))
            await self._login()
        except BaseException:
            self.drop()  # also when cancelled half-way: the next call starts afresh
            raise
        self.opened += 1

    async def _login(self) -> None:
        at = self.address
        hello: list[Command] = [("CLIENT", "SETNAME", self.client)]
        if at.password:
            hello.insert(0, ("AUTH", at.username, at.password) if at.username else ("AUTH", at.password))
        if at.db:
            hello.append(("SELECT", at.db))
        replies: list[Any] = []
        await self._exchange(hello, replies)
        for command, reply in zip(hello, replies, strict=True):
            if command[0] == "CLIENT" and not str(reply).startswith(("NOAUTH", "DENIED", "ERR max")):
                continue  # an unnamed connection works as well as a named one
            if command[0] == "AUTH" and isinstance(reply, hiredis.ReplyError):
                raise Refused(f"{self.where} refused the login: set the right username and password")
            verify(reply, str(command[0]), self.where)

    def drop(self) -> None:
        """Close at once; the next call connects again."""
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.transport.abort()

    async def close(self) -> None:
        """Let go of the socket; twice is harmless."""
        self.drop()

    async def watch(
        self, command: Command, seconds: float, limit: int, deadline: float
    ) -> tuple[list[Any], float]:
        """Start a stream such as MONITOR, take at most `limit` messages for `seconds`, hang up.

        What came, and how many seconds that took. One stream at a time: who comes meanwhile waits for the
        other's end. The connection is dropped then: the server has no other way to stop a stream.
        """
        messages: list[Any] = []
        async with self._watching:
            await self.one(*command, deadline=deadline)
            started = time.monotonic()
            try:
                async with asyncio.timeout(seconds):
                    await self._replies(limit, messages)
            except TimeoutError:
                pass  # the time is up: what came is the answer
            except OSError as error:
                raise Lost(f"{self.where}: the connection broke while watching") from error
            finally:
                self.drop()
            return messages, time.monotonic() - started

    async def listen(self, command: Command, told: Callable[[Any], None], deadline: float) -> None:
        """Subscribe, within `deadline` seconds, and hand over each message as it comes, until cancelled.

        Raises:
            Lost: the connection broke.
        """
        async with self._watching:
            await self.one(*command, deadline=deadline)
            try:
                while True:
                    messages: list[Any] = []
                    await self._replies(1, messages)
                    told(messages[0])
            except OSError as error:
                raise Lost(f"{self.where}: the connection broke while listening") from error
            finally:
                self.drop()


def _packed(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # its stub knows one-tuples only
    return packed


def _tls(at: Address) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=at.ca_file or None) if at.tls else None
