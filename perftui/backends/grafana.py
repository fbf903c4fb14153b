"""Grafana's HTTP API, as far as we write to it: dashboards and annotations.

`/api` still answers in Grafana 13, where `/apis` is to follow it; the version comes from `/api/health`.
https://grafana.com/docs/grafana/latest/developers/http_api/
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from perftui.model.errors import Lost, Protocol, Refused

WAIT = 5.0
MOST = 4 << 20  # bytes of an answer


class Grafana:
    """One server; nothing is opened before the first question. Errors are Lost, Refused or Protocol."""

    kind = "grafana"

    def __init__(self, url: str, token: str = "", folder: str = "") -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._folder = folder
        self._client: Any = None

    def __repr__(self) -> str:
        return f"Grafana({self.url!r})"

    async def version(self) -> str:
        """Version of a server that is well."""
        said = await self._ask("GET", "/api/health")
        if not isinstance(said, Mapping) or said.get("database") != "ok":
            raise Lost(f"{self.url} is not well: its database says {_word(said, 'database')}")
        return _word(said, "version")

    async def dashboard(self, uid: str) -> Mapping[str, Any] | None:
        """A dashboard as it is, None when there is none."""
        said = await self._ask("GET", f"/api/dashboards/uid/{quote(uid, safe='')}", absent=True)
        found = said.get("dashboard") if isinstance(said, Mapping) else None
        return found if isinstance(found, Mapping) else None

    async def save(self, dashboard: Mapping[str, Any], message: str) -> str:
        """Write a dashboard over the one of its uid; its address."""
        body: dict[str, Any] = {"dashboard": dict(dashboard), "overwrite": True, "message": message}
        if self._folder:
            body["folderUid"] = self._folder
        said = await self._ask("POST", "/api/dashboards/db", body)
        return f"{self.url}{_word(said, 'url')}"

    async def remove(self, uid: str) -> None:
        """Take a dashboard away; nothing happens when it is gone."""
        await self._ask("DELETE", f"/api/dashboards/uid/{quote(uid, safe='')}", absent=True)

    async def marks(self, start: float, end: float, tag: str) -> frozenset[str]:
        """Tags of the annotations in a range that carry `tag`."""
        where = f"from={round(start * 1000)}&to={round(end * 1000)}&limit=5000&tags={quote(tag, safe='')}"
        said = await self._ask("GET", f"/api/annotations?{where}")
        rows = said if isinstance(said, list) else []
        return frozenset(str(t) for row in rows if isinstance(row, Mapping) for t in row.get("tags") or ())

    async def annotate(self, body: Mapping[str, Any]) -> int:
        """Add an annotation; its number."""
        said = await self._ask("POST", "/api/annotations", body)
        number = said.get("id") if isinstance(said, Mapping) else None
        if not isinstance(number, int):
            raise Protocol(f"{self.url} took an annotation and gave no id for it")
        return number

    async def forget(self, number: int) -> None:
        """Take an annotation back."""
        await self._ask("DELETE", f"/api/annotations/{number}", absent=True)

    async def close(self) -> None:
        """Let go of the connection; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, absent: bool = False
    ) -> Any:
        """The answer as JSON; None for 404 where something may be absent."""
        import httpx

        if self._client is None:
            self._client = await asyncio.to_thread(httpx.AsyncClient, timeout=WAIT)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            async with asyncio.timeout(WAIT):
                answer = await self._client.request(method, f"{self.url}{path}", json=body, headers=headers)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Lost(f"{self.url} gave no answer in {WAIT:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Lost(f"{self.url} cannot be reached: {type(error).__name__}") from error
        if answer.status_code == 404 and absent:
            return None
        return self._judged(answer, f"{method} {path.partition('?')[0]}")

    def _judged(self, answer: Any, what: str) -> Any:
        said = answer.content[:MOST]
        if answer.status_code in (401, 403):
            raise Refused(f"{self.url} refused {what} ({answer.status_code}): look at [grafana] token")
        if answer.status_code >= 500:
            raise Lost(f"{self.url} answered {answer.status_code} to {what}")
        try:
            found = json.loads(said or b"null")
        except ValueError as error:
            raise Protocol(f"{self.url} answered {what} with something that is no JSON") from error
        if answer.status_code >= 300:
            raise Protocol(f"{self.url} answered {answer.status_code} to {what}: {_word(found, 'message')}")
        return found


def _word(said: Any, name: str) -> str:
    return str(said.get(name, "") if isinstance(said, Mapping) else "")[:200]
