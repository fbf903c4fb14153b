"""A session that is also asked by machines: its metrics, its health, and what they tell it."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import json
import logging
import time
from typing import Any

from perftui.config.secret import resolve
from perftui.export.exposition import Exposition, put_session
from perftui.export.prometheus import OPENMETRICS, TEXT, accepts_openmetrics, written
from perftui.export.remotewrite import Pusher
from perftui.model.errors import ConfigError, PerftuiError, Unsupported
from perftui.model.event import Event
from perftui.model.notify import Request as Post
from perftui.runtime.listener import Address, Answer, Listener, Request, said
from perftui.runtime.loading import bring
from perftui.runtime.tasks import Crew
from perftui.session import Session

log = logging.getLogger("perftui.serving")

GUARDED = frozenset({"/metrics", "/events", "/figures"})
KINDS = ("deploy", "note")  # what others may put on the timeline
LONGEST = 500  # characters of a field
SMALL = 1400  # bytes that are not worth packing
AHEAD = 3600.0  # seconds an event may lie in the future: clocks differ


class Serving(Session):
    """A session with a listener beside it, for as long as it runs."""

    address: Address | None = None
    port = 0
    _post: Any = None  # of remote-write, where that is wanted

    async def start(self) -> None:
        """Take the port first: who cannot have it learns so before anything is read."""
        self._beside = Crew("listener")
        told = Exposition(lambda: self.looks, lambda found: put_session(found, self))
        if self.address is not None:
            try:
                self._listen(self.address, told)
            except ConfigError as error:
                if self._how["agent"]:
                    raise
                self.events.add(Event(time.time(), "link", "metrics", "metrics are not served", str(error)))
        if self.config.remote_write.url:
            self._beside.start("remote write", (await self._pusher(told)).run())
        self._beside.start("count", told.run())
        await super().start()

    def take_figures(self, text: str) -> tuple[int, int]:
        """StatsD lines for the first backend that takes them; Unsupported when there is none."""
        takers = self.sources("FigureTaker")
        if not takers:
            raise Unsupported("nobody takes figures here: configure a backend of kind statsd")
        found: tuple[int, int] = self._power(takers[0], "FigureTaker").take_lines(text)
        return found

    async def _pusher(self, told: Exposition) -> Pusher:
        """Whoever pushes our series to a server; of several agents on a store, the one that writes it."""
        settings, where = self.config.remote_write, self.config.where("remote_write")
        url, token, password = (
            resolve(text, f"{where}: remote_write.{name}")
            for name, text in (
                ("url", settings.url),
                ("token", settings.token),
                ("password", settings.password),
            )
        )
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if settings.tenant:
            headers["X-Scope-OrgID"] = settings.tenant
        post = (await bring("perftui.backends.httppost:HttpPost"))()
        self._post = post
        return Pusher(
            Post(url, b"", headers, settings.user, password),
            settings.every,
            settings.labels,
            told.families,
            post,
            self.clock.wall,
            lambda health: self.events.link("remote-write", health),
            lambda: self.memory is None or self.memory.writes,
        )

    def _listen(self, address: Address, told: Exposition) -> None:
        listener = Listener(address, _routes(self, told), GUARDED)
        self.port = listener.bind()
        if address.open:
            log.warning("anybody who reaches %s:%d may read: set agent.token", address.host, self.port)
        log.info("listening on %s:%d", address.host, self.port)
        self._beside.start("serve", listener.run())

    async def close(self) -> None:
        """The listener first."""
        if hasattr(self, "_beside"):
            await self._beside.stop(0.5)
        if self._post is not None:
            await self._post.close()
        await super().close()


def _routes(session: Serving, told: Exposition) -> dict[tuple[str, str], Any]:
    async def metrics(request: Request) -> Answer:
        openmetrics = accepts_openmetrics(request.headers.get("accept", ""))
        body = await written(await told.families(), openmetrics=openmetrics)
        headers = [
            ("content-type", OPENMETRICS if openmetrics else TEXT),
            ("vary", "accept, accept-encoding"),
        ]
        if len(body) > SMALL and _takes_gzip(request.headers.get("accept-encoding", "")):
            body = await asyncio.to_thread(gzip.compress, body, 1)
            headers.append(("content-encoding", "gzip"))
        return Answer(200, body, tuple(headers))

    async def health(_request: Request) -> Answer:
        return _json(503 if session.problem else 200, {"ok": not session.problem})

    async def events(request: Request) -> Answer:
        if not _has_token(session):
            return said(403, "events are taken with a token only: set agent.token")
        try:
            event = event_of(request.body, session.env.name, time.time())
        except ValueError as error:
            return _json(400, {"error": str(error)})
        session.events.add(event)
        return _json(202, {"kind": event.kind, "at": event.at, "title": event.title})

    async def figures(request: Request) -> Answer:
        if not _has_token(session):
            return said(403, "figures are taken with a token only: set agent.token")
        try:
            taken, lost = session.take_figures(request.body.decode(errors="replace"))
        except PerftuiError as error:
            return said(404, str(error))
        return _json(202 if taken or not lost else 400, {"taken": taken, "lost": lost})

    return {
        ("GET", "/metrics"): metrics,
        ("GET", "/health"): health,
        ("POST", "/events"): events,
        ("POST", "/figures"): figures,
    }


def _has_token(session: Session) -> bool:
    address = getattr(session, "address", None)
    return address is not None and bool(address.token)


def _takes_gzip(accept: str) -> bool:
    given = {part.split(";")[0].strip(): part.replace(" ", "") for part in accept.lower().split(",")}
    return "gzip" in given and not given["gzip"].endswith((";q=0", ";q=0.0"))


def _json(status: int, value: Any) -> Answer:
    body = json.dumps(value).encode() + b"\n"
    return Answer(status, body, (("content-type", "application/json"),))


def event_of(body: bytes, where: str, now: float) -> Event:
    """The event a webhook tells; ValueError says which field is wrong.

    `title` is needed; `kind` (deploy), `source`, `detail`, `actor`, `ref`, `at` and `until` (epoch
    seconds or ISO 8601 with its zone) may be given.
    """
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is no JSON") from error
    if not isinstance(given, dict):
        raise ValueError("the body is no JSON object")
    known = {"title", "kind", "source", "detail", "actor", "ref", "at", "until"}
    if unknown := sorted(str(key)[:40] for key in given.keys() - known):
        raise ValueError(f"unknown field {unknown[0]}; known are {', '.join(sorted(known))}")
    words = {name: _text(given, name) for name in ("title", "kind", "source", "detail", "actor", "ref")}
    if not words["title"]:
        raise ValueError("title is needed")
    kind = words.pop("kind") or KINDS[0]
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}")
    at = _instant(given, "at", now)
    until = _instant(given, "until", None)
    if at is None or at > now + AHEAD:
        raise ValueError("at lies in the future")
    if until is not None and until < at:
        raise ValueError("until lies before at")
    source = words.pop("source") or where
    return Event(at, kind, source, words["title"], words["detail"], words["actor"], until, words["ref"])


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name} is text")
    return value.strip()[:LONGEST]


def _instant(given: dict[str, Any], name: str, otherwise: float | None) -> float | None:
    value = given.get(name)
    if value is None:
        return otherwise
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 4e9:
        return float(value)
    try:
        found = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(f"{name} is epoch seconds or ISO 8601 with its zone")
    return found.timestamp()
