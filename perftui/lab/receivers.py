"""Receivers of notices on this machine: they check what arrives and answer as the vendors do."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any

from perftui.lab import vendors
from perftui.lab.mailcheck import mail_problems
from perftui.lab.shapecheck import fields, operation

READ = ("incidents", "oncalls")  # what is asked of PagerDuty
SLACK = ("slack-post", "slack-update", "slack-webhook")
OPERATIONS = ("pagerduty", *READ, *SLACK, "sms", "webhook")
FORMS = (*READ, "sms")
SERVICES = ("pagerduty", "slack", "sms", "webhook", "email", "heartbeat")
MOST = 4 << 20  # bytes of one request
REMEMBERED = 5000
SILENCE = 30.0  # seconds a receiver says nothing when told to time out


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request: `what` it said (trigger, chat.update, …), `key` by which it counts once, the answer."""

    at: float
    service: str
    what: str
    key: str
    body: Any
    problems: tuple[str, ...]
    answer: str

    @property
    def taken(self) -> bool:
        """Whether the vendor would have accepted it."""
        return self.answer == "ok"


@dataclass(slots=True)
class Receivers:
    """One HTTP port for all vendors and one for mail, on the loopback.

    `script` holds answers for the next requests of a service: `429`, `500`, `400`, `timeout`, `ok:false`.
    """

    http_port: int = 0
    smtp_port: int = 0
    script: dict[str, list[str]] = field(default_factory=dict)
    arrivals: deque[Arrival] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    retry_after: float = 0.0
    acked: dict[str, str] = field(default_factory=dict)  # who acknowledged over there, by dedup_key
    duty: dict[str, list[str]] = field(default_factory=dict)  # who is on call over there, by schedule
    on_arrival: Callable[[Arrival], None] | None = None
    _servers: list[asyncio.Server] = field(default_factory=list)
    _stamps: Any = field(default_factory=lambda: itertools.count(1))

    async def start(self) -> None:
        """Listen."""
        http = await asyncio.start_server(self._http, "127.0.0.1", self.http_port)
        smtp = await asyncio.start_server(self._smtp, "127.0.0.1", self.smtp_port)
        self._servers = [http, smtp]
        self.http_port, self.smtp_port = (server.sockets[0].getsockname()[1] for server in self._servers)

    async def stop(self) -> None:
        """Stop listening; may be called twice."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()

    @property
    def url(self) -> str:
        """Where the vendors' paths are."""
        return f"http://127.0.0.1:{self.http_port}"

    def counted(self, service: str) -> list[Arrival]:
        """What the vendor would count: taken, and each key once."""
        seen: dict[str, Arrival] = {}
        for one in self.arrivals:
            if one.service == service and one.taken:
                seen.setdefault(one.key, one)
        return list(seen.values())

    def _next(self, service: str) -> str:
        waiting = self.script.get(service)
        return waiting.pop(0) if waiting else "ok"

    def _came(self, service: str, what: str, key: str, body: Any, wrong: tuple[str, ...]) -> str:
        answer = self._next(service)
        if answer == "ok" and wrong:
            answer = "400"
        arrival = Arrival(time.time(), service, what, key, body, wrong, answer)
        self.arrivals.append(arrival)
        if self.on_arrival is not None:
            self.on_arrival(arrival)
        return answer

    # HTTP

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SILENCE):
                while await self._exchange(reader, writer):
                    pass
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that misbehaves or has gone gets no answer
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
        length = int(headers.get("content-length", "0"))
        if length > MOST:
            return False
        body = await reader.readexactly(length)
        path, _, query = target.partition("?")
        if method == "GET" and path.strip("/") not in READ:
            return await self._reply(writer, 200, [_row(one) for one in self.arrivals])
        call = _read(method, path, headers, body or query.encode())
        answer = self._came(call.service, call.what, call.key, call.value, call.wrong)
        if answer == "timeout":
            await asyncio.sleep(SILENCE)
            return False
        if call.name == "incidents" and answer == "ok":
            who = self.acked.get(call.value["incident_key"])
            return await self._reply(writer, *vendors.incidents(who))
        if call.name == "oncalls" and answer == "ok":
            on = {one: self.duty.get(one, []) for one in call.value["schedule_ids[]"]}
            return await self._reply(writer, *vendors.oncalls(on))
        stamp = f"1700000000.{next(self._stamps):06d}"
        status, said = vendors.answered(call.name, answer, call.value, call.wrong, stamp, path)
        return await self._reply(writer, status, said)

    async def _reply(self, writer: asyncio.StreamWriter, status: int, said: Any) -> bool:
        plain = isinstance(said, str)
        body = (said if plain else json.dumps(said)).encode()
        again = f"Retry-After: {self.retry_after:g}\r\n" if status == 429 and self.retry_after else ""
        kind = f"Content-Type: {'text/html' if plain else 'application/json'}\r\n"
        size = f"Content-Length: {len(body)}\r\n"
        writer.write(f"HTTP/1.1 {status} -\r\n{kind}{size}{again}\r\n".encode() + body)
        await writer.drain()
        return True

    # mail

    async def _smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SILENCE):
                await self._mail(reader, writer)
        except (TimeoutError, OSError, ValueError):
            pass  # as above
        finally:
            writer.close()

    async def _mail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())
            await writer.drain()

        await say("220 perftui lab")
        while line := await reader.readline():
            word = line[:4].upper()
            if word == b"QUIT":
                await say("221 bye")
                return
            if word != b"DATA":
                await say("250 fine")
                continue
            await say("354 go on")
            text = b""
            while (piece := await reader.readline()) not in (b".\r\n", b"") and len(text) < MOST:
                text += piece[1:] if piece.startswith(b"..") else piece
            await say(await self._took(text))

    async def _took(self, text: bytes) -> str:
        mail: Any = message_from_bytes(text, policy=policy.default)
        shown = ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "References")
        headers = {name: str(mail[name]) for name in shown if mail[name]}
        words = mail.get_body(("plain",)).get_content() if mail.get_body(("plain",)) else ""
        key = str(mail["Message-ID"])
        answer = self._came("email", "mail", key, {**headers, "text": words}, mail_problems(text))
        if answer == "timeout":
            await asyncio.sleep(SILENCE)
        return {"ok": "250 taken", "400": "550 not taken"}.get(answer, "451 later")


@dataclass(frozen=True, slots=True)
class _Call:
    """A request: the vendor's operation, the service people know, and what it is about."""

    name: str
    service: str
    what: str
    key: str
    value: Any
    wrong: tuple[str, ...]


def _row(one: Arrival) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Arrival.__dataclass_fields__}


def _read(method: str, path: str, headers: dict[str, str], body: bytes) -> _Call:
    name = next(name for name in OPERATIONS if operation(name).path.search(path))
    value: Any = None
    try:
        value = fields(name, body.decode()) if name in FORMS else json.loads(body)
    except ValueError:
        return _Call(name, name.partition("-")[0], "nothing", "", None, ("the body cannot be read",))
    if path == "/beat" and isinstance(value, dict):
        return _Call("heartbeat", "heartbeat", "beat", str(value.get("at")), value, ())
    wrong = operation(name).wrong(method, path, headers, value)
    if len(body) > operation(name).most:
        wrong = (*wrong, f"the body has {len(body)} bytes")
    if name == "sms" and _login(headers) != path.split("/")[3]:
        wrong = (*wrong, "the login is not the account's")
    what, key = _about(name, value if isinstance(value, dict) else {}, headers)
    return _Call(name, name.partition("-")[0], what, key, value, wrong)


def _about(name: str, value: dict[str, Any], headers: dict[str, str]) -> tuple[str, str]:
    """What it is about, and the key by which the vendor counts it once."""
    stands = headers.get("idempotency-key", "")
    if name == "pagerduty":
        what = str(value.get("event_action"))
        return what, f"{value.get('dedup_key')} {what}"
    if name.startswith("slack"):
        what = {"slack-post": "chat.postMessage", "slack-update": "chat.update"}.get(name, "webhook")
        return what, f"{what} {value.get('ts', '')} {value.get('text', '')}"
    if name == "sms":
        return "message", stands or str(value.get("Body", ""))
    return ("list", str(value)) if name in READ else (str(value.get("status")), stands)


def _login(headers: dict[str, str]) -> str:
    """The name of a basic login."""
    text = headers.get("authorization", "").partition(" ")[2]
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[0]
    except ValueError:
        return ""
