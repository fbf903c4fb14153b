"""A small HTTP cache in Python before an origin, for machines without Varnish.

RFC 9111 caching is hishel's; ours are the storage in memory with its index of URLs and tags, the
counters, the log of recent requests and the control routes under `/_edge/`.

    GET  /_edge/stats            counters, objects, recent requests (token in `X-Edge-Token`)
    POST /_edge/purge            {"kind": "url"|"tag", "targets": […]} → {"dropped": n}
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hishel import AsyncBaseStorage, Entry, Headers, Request, Response
from hishel.asgi import ASGICacheMiddleware

from perftui.lab.folders import Owner
from perftui.lab.processes import become

MAX_BODY = 16 << 20
HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "proxy-connection",
    "host",
}
Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


@dataclass(slots=True)
class Held:
    """A stored answer with what it is found by."""

    entry: Entry
    key: str
    body: bytes
    path: str
    tags: frozenset[str]


class Memory(AsyncBaseStorage):
    """Whole answers in memory, least recently used ones dropped above `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.used = 0
        self.held: OrderedDict[uuid.UUID, Held] = OrderedDict()

    async def create_entry(
        self,
        request: Request,
        response: Response,
        key: str,
        *,
        ttl: float | None = None,
        tti: float | None = None,
    ) -> Entry:
        """Read the answer whole and keep it, unless it is over 16 MiB."""
        body = b"".join([chunk async for chunk in _stream(response)])
        entry = Entry(id=uuid.uuid4(), request=request, response=replace(response, stream=_one(body)))
        if len(body) <= min(MAX_BODY, self.limit):
            tags = frozenset((response.headers.get("surrogate-key") or "").split())
            self.held[entry.id] = Held(entry, key, body, _path(request.url), tags)
            self.used += len(body)
            while self.used > self.limit:
                self._drop(next(iter(self.held)))
        return entry

    async def get_entries(self, key: str) -> list[Entry]:
        """Every answer kept under `key`, each with a stream of its own."""
        found = [held for held in self.held.values() if held.key == key]
        for held in found:
            self.held.move_to_end(held.entry.id)
        return [replace(h.entry, response=replace(h.entry.response, stream=_one(h.body))) for h in found]

    async def update_headers(self, id: uuid.UUID, headers: Headers) -> None:  # noqa: A002 - hishel's name
        """Replace the headers of a kept answer."""
        held = self.held.get(id)
        if held is not None:
            held.entry = replace(held.entry, response=replace(held.entry.response, headers=headers))

    async def remove_entry(self, id: uuid.UUID) -> None:  # noqa: A002 - hishel's name
        """Forget one answer."""
        self._drop(id)

    def forget(self, kind: str, targets: set[str]) -> int:
        """Drop by path or by tag; how many."""
        hit = [
            id_
            for id_, held in self.held.items()
            if (held.path in targets if kind == "url" else held.tags & targets)
        ]
        for id_ in hit:
            self._drop(id_)
        return len(hit)

    def _drop(self, id_: uuid.UUID) -> None:
        held = self.held.pop(id_, None)
        if held is not None:
            self.used -= len(held.body)


def _stream(response: Response) -> AsyncIterator[bytes]:
    stream = response.stream
    assert isinstance(stream, AsyncIterator)
    return stream


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _path(url: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


class Forward:
    """Sends a request on to the origin and its answer back, whole."""

    def __init__(self, origin: str) -> None:
        import httpx

        self.origin = origin
        self.healthy: bool | None = None
        self.client = httpx.AsyncClient(
            base_url=origin, timeout=httpx.Timeout(15.0, connect=1.0), trust_env=False
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; 502 when the origin does not answer."""
        import httpx

        scope["state"]["asked_origin"] = True
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body") or len(body) > MAX_BODY:
                break
        path = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        headers = [(k, v) for k, v in scope["headers"] if k.decode() not in HOP]
        try:
            answer = await self.client.request(
                scope["method"], path.decode("latin-1"), headers=headers, content=body
            )
        except httpx.HTTPError as error:
            await _plain(send, 502, f"origin: {type(error).__name__}".encode())
            return
        kept = [(k, v) for k, v in answer.headers.raw if k.lower().decode() not in HOP | {"content-encoding"}]
        kept = [(k.lower(), v) for k, v in kept if k.lower() != b"content-length"]
        kept.append((b"content-length", str(len(answer.content)).encode()))
        await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
        await send({"type": "http.response.body", "body": answer.content})

    async def probe(self) -> None:
        """Ask `/health` each second, for as long as the edge runs."""
        import httpx

        while True:
            try:
                self.healthy = (await self.client.get("/health", timeout=1.0)).status_code == 200
            except httpx.HTTPError:
                self.healthy = False
            await asyncio.sleep(1.0)


async def _plain(send: Send, status: int, body: bytes, kind: bytes = b"text/plain") -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Edge:
    """The ASGI application: control routes, the cache, counters and the log."""

    def __init__(self, origin: str, token: str, limit: int) -> None:
        self.storage = Memory(limit)
        self.forward = Forward(origin)
        self.cache = ASGICacheMiddleware(self.forward, self.storage)
        self.token = token
        self.began = time.time()
        self.counts = dict.fromkeys(("hit", "miss", "pass", "error", "requests", "bytes"), 0)
        self.log: deque[tuple[str, str, int, float, str]] = deque(maxlen=4000)
        self._probe: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One event of the server."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["path"].startswith("/_edge/"):
            await self._control(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._probe = asyncio.create_task(self.forward.probe())
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._probe is not None:
                    self._probe.cancel()
                await self.forward.client.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        scope["state"] = {**scope.get("state", {}), "asked_origin": False}
        seen: dict[str, Any] = {"size": 0, "status": 0, "tags": "", "ttfb": 0.0}
        path = scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")

        async def tell(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                seen["ttfb"], seen["status"] = time.monotonic() - began, message["status"]
                state = self._state(scope, path)
                seen["state"] = state
                headers = list(message["headers"])
                seen["tags"] = next((v.decode("latin-1") for k, v in headers if k == b"surrogate-key"), "")
                headers += [(b"x-cache", state.upper().encode()), (b"x-object", self._copy(path).encode())]
                message = {**message, "headers": headers}
            else:
                seen["size"] += len(message.get("body", b""))
            await send(message)

        await self.cache(scope, receive, tell)
        state = "error" if seen["status"] >= 500 else str(seen.get("state", "error"))
        self.counts["requests"] += 1
        self.counts[state] += 1
        self.counts["bytes"] += seen["size"]
        if state != "error":
            self.log.append((path, state, seen["size"], seen["ttfb"], seen["tags"]))

    def _state(self, scope: Scope, path: str) -> str:
        if not scope["state"]["asked_origin"]:
            return "hit"
        return "miss" if any(held.path == path for held in self.storage.held.values()) else "pass"

    def _copy(self, path: str) -> str:
        """What tells the stored copy of a path from an earlier one."""
        return next((held.entry.id.hex for held in self.storage.held.values() if held.path == path), "")

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = dict(scope["headers"]).get(b"x-edge-token", b"").decode("latin-1")
        if scope["path"] == "/_edge/ping":
            await _plain(send, 204, b"")
        elif token != self.token:
            await _plain(send, 403, b"refused")
        elif scope["path"] == "/_edge/stats":
            await _plain(send, 200, json.dumps(self._stats(scope)).encode(), b"application/json")
        elif scope["path"] == "/_edge/purge" and scope["method"] == "POST":
            await self._purge(receive, send)
        else:
            await _plain(send, 404, b"not found")

    def _stats(self, scope: Scope) -> dict[str, Any]:
        return {
            "uptime": time.time() - self.began,
            "counters": self.counts,
            "objects": len(self.storage.held),
            "used": self.storage.used,
            "limit": self.storage.limit,
            "origin": {"url": self.forward.origin, "healthy": self.forward.healthy},
            "log": list(self.log) if b"log=1" in scope["query_string"] else [],
        }

    async def _purge(self, receive: Receive, send: Send) -> None:
        body = (await receive()).get("body", b"")
        try:
            wanted = json.loads(body)
            dropped = self.storage.forget(str(wanted["kind"]), {str(t) for t in wanted["targets"]})
        except (ValueError, KeyError, TypeError) as error:
            await _plain(send, 400, repr(error)[:200].encode())
            return
        await _plain(send, 200, json.dumps({"dropped": dropped}).encode(), b"application/json")


def main() -> None:
    """Serve until ended; the token comes from a 0600 file."""
    import uvicorn

    parser = argparse.ArgumentParser(prog="perftui.lab.edge.python")
    parser.add_argument("--origin", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--bytes", type=int, default=32 << 20)
    parser.add_argument("--owner", nargs=3, metavar=("UID", "GID", "NAME"))
    arguments = parser.parse_args()
    edge = Edge(arguments.origin, arguments.token_file.read_text("utf-8").strip(), arguments.bytes)
    owner = arguments.owner
    become(Owner(int(owner[0]), int(owner[1]), owner[2]) if owner else None, os.getppid())
    # A loop of C would look for modules that the user this runs as may not read.
    uvicorn.run(
        edge, host="127.0.0.1", port=arguments.port, loop="asyncio", log_level="warning", access_log=False
    )


if __name__ == "__main__":
    main()
