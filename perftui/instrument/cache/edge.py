"""The edge as a tier: headers that let it keep a page as long as what it was made of, and its removals.

`app = EdgeHeaders(app)`, and in a handler `page(ttl="5m")`: the entries that were read for it lend their tags
and shorten its life. Nothing is said of a page that was not declared so.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from contextvars import ContextVar
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, Final

from perftui.instrument.cache.names import stream_key
from perftui.instrument.cache.ports import Store
from perftui.model.purgequeue import (
    AT_ONCE,
    QUEUED,
    QUEUES,
    edge_tag,
    key_tag,
    many_tag,
    pack,
    whole_tag,
)
from perftui.model.tiers import seconds

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

STATUSES: Final = frozenset({200, 203, 204, 300, 301, 308, 404, 410})
HASHED: Final = 1 << 20  # bytes of a body that is held back to make its ETag
MOST_TAG_BYTES: Final = 4000  # of the tags of a page: edges allow 8 to 16 KiB of headers in all
_OURS: Final = frozenset({b"cache-control", b"cdn-cache-control", b"surrogate-key", b"cache-tag"})
_KEPT: Final = frozenset(
    {b"date", b"expires", b"vary", b"content-location", b"etag", b"last-modified", *_OURS}
)


class Page:
    """What is known of the response that is being made."""

    __slots__ = (
        "browser",
        "etag",
        "last_modified",
        "left",
        "namespaces",
        "stale",
        "stale_error",
        "tags",
        "ttl",
    )

    def __init__(self) -> None:
        self.ttl: float | None = None  # None: not declared
        self.browser = self.stale = self.stale_error = 0.0
        self.left = math.inf
        self.tags: dict[str, None] = {}
        self.namespaces: dict[str, None] = {}
        self.etag = ""
        self.last_modified = 0.0


_PAGE: ContextVar[Page | None] = ContextVar("perftui_page", default=None)


def page(
    ttl: float | str,
    *,
    browser: float | str = 0,
    stale: float | str = 0,
    stale_error: float | str = 0,
    tags: Iterable[str] = (),
    etag: str = "",
) -> None:
    """Let the edge keep this response for `ttl`, or as long as what it was made of, whichever is less.

    `browser` is how long browsers may; `stale` how long past its life the edge may serve it while it fetches
    anew, `stale_error` while it cannot. `etag` is its version, if known without reading it. Outside of
    EdgeHeaders it does nothing.
    """
    made = _PAGE.get()
    if made is not None:
        made.ttl, made.browser = seconds(ttl), seconds(browser)
        made.stale, made.stale_error = seconds(stale), seconds(stale_error)
        made.tags.update(dict.fromkeys(map(edge_tag, tags)))
        made.etag = etag


def used(namespace: str, key: str, tags: Iterable[str], left: float, last_modified: float = 0.0) -> None:
    """The cache tells that an entry went into the response; `left` are the seconds it is still fresh."""
    made = _PAGE.get()
    if made is not None:
        made.left = min(made.left, left)
        made.last_modified = max(made.last_modified, last_modified)
        made.namespaces[namespace] = None
        made.tags.update(dict.fromkeys([key_tag(namespace, key), *map(edge_tag, tags)]))


class EdgeHeaders:
    """ASGI middleware: writes Cache-Control, CDN-Cache-Control (RFC 9213), Surrogate-Key, Cache-Tag and ETag
    of declared pages, and answers If-None-Match and If-Modified-Since. A response with a cookie, of a request
    with Authorization, or with a Cache-Control of its own that forbids it stays private.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        made = Page()
        token = _PAGE.set(made)
        try:
            await self._app(scope, receive, _Sender(scope, send, made).send)
        finally:
            _PAGE.reset(token)


class _Sender:
    """Holds back a response's start until it is known what to say of it."""

    def __init__(self, scope: Scope, send: Any, made: Page) -> None:
        self._request = {name.lower(): value for name, value in scope["headers"]}
        self._method = scope["method"]
        self._send = send
        self._page = made
        self._start: MutableMapping[str, Any] | None = None
        self._silent = False  # 304 was said: the body is dropped

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """One message of the application."""
        if message["type"] == "http.response.start":
            self._start = message
        elif self._start is not None:
            start, self._start = self._start, None
            await self._begin(start, message)
        elif not (self._silent and message["type"] == "http.response.body"):
            await self._send(message)

    async def _begin(self, start: MutableMapping[str, Any], first: MutableMapping[str, Any]) -> None:
        headers = [(name.lower(), value) for name, value in start.get("headers", ())]
        if self._page.ttl is not None and start["status"] in STATUSES:
            headers = self._with_edge(headers)
            if start["status"] == 200 and b"set-cookie" not in dict(headers):  # a 304 would lose it
                headers = self._with_validators(headers, first)
                if _not_modified(self._request, dict(headers)):
                    self._silent = True
                    kept = [(name, value) for name, value in headers if name in _KEPT]
                    await self._send({"type": "http.response.start", "status": 304, "headers": kept})
                    await self._send({"type": "http.response.body", "body": b""})
                    return
        await self._send({**start, "headers": headers})
        await self._send(first)

    def _with_edge(self, headers: Headers) -> Headers:
        told = dict(headers)
        own = told.get(b"cache-control", b"").lower()
        if b"set-cookie" in told or b"authorization" in self._request:
            return [*(h for h in headers if h[0] not in _OURS), (b"cache-control", b"private, no-store")]
        if b"private" in own or b"no-store" in own:
            return headers
        made = self._page
        tags = _fitting(made)
        left = 0.0 if made.tags and not tags else made.left  # what could not be purged is not to be kept
        life = max(0, math.floor(min(made.ttl or 0.0, left)))
        grace = "".join(
            f", {name}={math.floor(value)}"
            for name, value in (("stale-while-revalidate", made.stale), ("stale-if-error", made.stale_error))
            if value
        )
        browser = max(0, math.floor(min(made.browser, life)))
        control = f"public, max-age={browser}, s-maxage={life}{grace}"
        added = {
            b"cache-control": control.encode(),
            b"cdn-cache-control": f"max-age={life}{grace}".encode(),
            b"surrogate-key": " ".join(tags).encode(),
            b"cache-tag": ",".join(tags).encode(),
        }
        if own:
            del added[b"cache-control"]
        return [*((n, v) for n, v in headers if n not in added), *((n, v) for n, v in added.items() if v)]

    def _with_validators(self, headers: Headers, first: MutableMapping[str, Any]) -> Headers:
        made, told = self._page, dict(headers)
        body_told = first["type"] == "http.response.body"
        whole = self._method == "GET" and body_told and not first.get("more_body", False)
        body = first.get("body", b"")
        if b"etag" not in told:
            if made.etag:
                headers.append((b"etag", b'"%b"' % edge_tag(made.etag).encode()))
            elif whole and len(body) <= HASHED:
                headers.append(
                    (b"etag", b'"%b"' % hashlib.blake2b(body, digest_size=12).hexdigest().encode())
                )
        if b"last-modified" not in told and made.last_modified > 0:
            headers.append((b"last-modified", formatdate(made.last_modified, usegmt=True).encode()))
        return headers


def _fitting(made: Page) -> list[str]:
    """Its tags with those of its namespaces; where they are too many, only these, with a mark."""
    wholes = [whole_tag(name) for name in made.namespaces]
    tags = [*made.tags, *wholes]
    if sum(map(len, tags)) + len(tags) <= MOST_TAG_BYTES:
        return tags
    return [*(many_tag(name) for name in made.namespaces), *wholes]


def _not_modified(request: MutableMapping[bytes, bytes], told: dict[bytes, bytes]) -> bool:
    """RFC 9110, 13.1.2 and 13.1.3: If-None-Match by weak comparison; only without it If-Modified-Since."""
    wanted = request.get(b"if-none-match")
    if wanted is not None:
        etag = told.get(b"etag")
        marks = {mark.strip().removeprefix(b"W/") for mark in wanted[:8192].split(b",")}
        return etag is not None and (wanted.strip() == b"*" or etag.removeprefix(b"W/") in marks)
    since, modified = request.get(b"if-modified-since"), told.get(b"last-modified")
    if since is None or modified is None:
        return False
    try:
        return parsedate_to_datetime(since.decode("latin-1")) >= parsedate_to_datetime(modified.decode())
    except (ValueError, TypeError, IndexError, OverflowError):
        return False


class EdgeRelay:
    """The cache's EdgePurger: queues removals in a Stream of L2, for a console that reaches the edge.

    QUEUED entries are kept at most, the newest. The sorted set `__purges` has the names of such streams.
    """

    def __init__(self, store: Store, namespace: str) -> None:
        self._store = store
        self._namespace = namespace
        self._key = stream_key(namespace, "purges")

    async def purge(
        self, *, keys: Sequence[str] = (), tags: Sequence[str] = (), everything: bool = False
    ) -> None:
        """Queue them; BackendError when L2 does not take them."""
        if everything:
            told = [whole_tag(self._namespace)]
        else:
            told = [*(key_tag(self._namespace, key) for key in keys), *map(edge_tag, tags)]
        for at in range(0, len(told), AT_ONCE):
            part = [*told[at : at + AT_ONCE], many_tag(self._namespace)]
            words = ("XADD", self._key, "MAXLEN", "~", str(QUEUED), "*", "tags", pack(part))
            await self._store.command(*words, key=self._key)
        await self._store.command("ZADD", QUEUES, f"{self._store.now():.0f}", self._key, key=QUEUES)
