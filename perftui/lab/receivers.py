"""Receivers of notices on this machine: they check what arrives and answer as the vendors do."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import itertools
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any
from urllib.parse import parse_qsl

from perftui.lab.shapecheck import problems, shape

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
        method, path, _ = head[0].split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
        length = int(headers.get("content-length", "0"))
        if length > MOST:
            return False
        body = await reader.readexactly(length)
        if method == "GET" and path.startswith("/incidents"):
            return await self._reply(writer, *self._incidents(path, headers))
        if method == "GET":
            return await self._reply(writer, 200, [_row(one) for one in self.arrivals])
        service, what, key, value, wrong = _read(path, headers, body)
        answer = self._came(service, what, key, value, wrong)
        if answer == "timeout":
            await asyncio.sleep(SILENCE)
            return False
        status, said = self._answered(service, answer, value, wrong)
        return await self._reply(writer, status, said)

    def _incidents(self, path: str, headers: dict[str, str]) -> tuple[int, Any]:
        """PagerDuty's list of incidents: those of a key that somebody has acknowledged."""
        query: dict[str, Any] = dict(parse_qsl(path.partition("?")[2]))
        wrong = (
            *problems(query, shape("incidents")),
            *problems(headers, shape("incidents-headers"), "headers"),
        )
        answer = self._came("incidents", "list", str(query), query, wrong)
        if answer != "ok":
            return int(answer), {"error": {"message": "Invalid Input Provided", "errors": wrong}}
        key = query.get("incident_key", "")
        who = self.acked.get(key)
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        ack = {"at": at, "acknowledger": {"id": "PXPGF42", "type": "user_reference", "summary": who}}
        one = {"id": "PT4KHLK", "type": "incident", "status": "acknowledged", "acknowledgements": [ack]}
        return 200, {"incidents": [{**one, "incident_key": None}] if who else [], "limit": 1, "more": False}

    def _answered(self, service: str, answer: str, value: Any, wrong: tuple[str, ...]) -> tuple[int, Any]:
        """What the vendor says."""
        if answer == "ok:false":
            return 200, {"ok": False, "error": "invalid_auth"}
        if service == "slack" and answer == "400":
            return 200, {"ok": False, "error": "invalid_blocks", "errors": wrong}
        if answer != "ok":
            return int(answer), {"status": "invalid event", "message": "not accepted", "errors": wrong}
        stamp = f"1700000000.{next(self._stamps):06d}"
        return {
            "pagerduty": (202, {"status": "success", "message": "Event processed"}),
            "slack": (200, {"ok": True, "channel": value.get("channel"), "ts": value.get("ts", stamp)}),
            "sms": (201, {"sid": "SM" + "0" * 32, "status": "queued"}),
        }.get(service, (200, {}))

    async def _reply(self, writer: asyncio.StreamWriter, status: int, said: Any) -> bool:
        body = json.dumps(said).encode()
        again = f"Retry-After: {self.retry_after:g}\r\n" if status == 429 and self.retry_after else ""
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"HTTP/1.1 {status} -\r\n{kind}{again}\r\n".encode() + body)
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
        wanted = ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted")
        wrong = tuple(f"the mail lacks {name}" for name in wanted if not mail[name])
        headers = {name: str(mail[name]) for name in (*wanted, "References") if mail[name]}
        words = mail.get_body(("plain",)).get_content() if mail.get_body(("plain",)) else ""
        key = str(mail["Message-ID"])
        answer = self._came("email", "mail", key, {**headers, "text": words}, wrong)
        if answer == "timeout":
            await asyncio.sleep(SILENCE)
        return {"ok": "250 taken", "400": "550 not taken"}.get(answer, "451 later")


def _row(one: Arrival) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Arrival.__dataclass_fields__}


def _read(path: str, headers: dict[str, str], body: bytes) -> tuple[str, str, str, Any, tuple[str, ...]]:
    """Service, what it is about, its key, the value, and what is wrong with it."""
    if path.endswith("/Messages.json"):
        value: Any = dict(parse_qsl(body.decode()))
        key = headers.get("idempotency-key", value.get("Body", ""))
        return "sms", "message", key, value, (*problems(value, shape("sms")), *_login(headers))
    try:
        value = json.loads(body)
    except ValueError:
        return "webhook", "nothing", "", None, ("the body is no JSON",)
    if path == "/v2/enqueue":
        what = str(value.get("event_action"))
        return (
            "pagerduty",
            what,
            f"{value.get('dedup_key')} {what}",
            value,
            problems(value, shape("pagerduty")),
        )
    if path.startswith("/api/chat."):
        method = path.removeprefix("/api/")
        wrong = () if headers.get("authorization", "").startswith("Bearer ") else ("no bearer token",)
        ts = ("no ts",) if method == "chat.update" and "ts" not in value else ()
        key = f"{method} {value.get('ts', '')} {value.get('text', '')}"
        return "slack", method, key, value, (*problems(value, shape("slack")), *wrong, *ts)
    if path == "/beat":
        return "heartbeat", "beat", str(value.get("at")), value, ()
    key = headers.get("idempotency-key", "")
    return "webhook", str(value.get("status")), key, value, problems(value, shape("webhook"))


def _login(headers: dict[str, str]) -> tuple[str, ...]:
    scheme, _, text = headers.get("authorization", "").partition(" ")
    fine = scheme == "Basic" and b":" in base64.b64decode(text or "", validate=False)
    return () if fine else ("no basic login",)
