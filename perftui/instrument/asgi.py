"""The request middleware for ASGI applications: `app = Measured(app)`, and `/metrics` is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from perftui.instrument.metrics import CONTENT_TYPE, DEFAULT, Registry
from perftui.instrument.red import Red

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]
ROUTE = "perftui.route"  # where an application may put its own template


class Measured:
    """Outermost: counts and times every request, and answers `metrics_path` itself ("" leaves it alone).

    The route's template comes from what Starlette, FastAPI and others leave in the scope, or from
    `scope["perftui.route"]`; without one the request counts as `other`.
    """

    def __init__(self, app: App, registry: Registry = DEFAULT, metrics_path: str = "/metrics") -> None:
        self._app = app
        self._red = Red(registry)
        self._path = metrics_path
        self._templates: dict[Any, str] = {}

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._path and scope["path"] == self._path:
            await self._print(send)
        else:
            await self._measure(scope, receive, send)

    async def _measure(self, scope: Scope, receive: Any, send: Any) -> None:
        status, failure = 500, None

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = self._red.begin()
        try:
            await self._app(scope, receive, sending)
        except BaseException as error:
            failure = error if isinstance(error, Exception) else None
            raise
        finally:
            self._red.end(began, scope["method"], self._route(scope), status, failure)

    def _route(self, scope: Scope) -> str:
        own = scope.get(ROUTE)
        if own:
            return str(own)
        route = scope.get("route")
        template = getattr(route, "path_format", None) or getattr(route, "path", None)
        return str(template) if template else self._of_endpoint(scope)

    def _of_endpoint(self, scope: Scope) -> str:
        """Starlette names the endpoint only: its template is looked up in the router once."""
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return ""
        if endpoint not in self._templates:
            routes = getattr(scope.get("router"), "routes", ())
            found = (getattr(r, "path", "") for r in routes if getattr(r, "endpoint", None) is endpoint)
            self._templates[endpoint] = next(found, "")
        return self._templates[endpoint]

    async def _print(self, send: Any) -> None:
        body = self._red.registry.exposition().encode()
        headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
