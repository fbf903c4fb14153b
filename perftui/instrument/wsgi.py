"""The request middleware for WSGI applications: `app = Measured(app)`, and `/metrics` is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from perftui.instrument.metrics import CONTENT_TYPE, DEFAULT, Registry
from perftui.instrument.red import Red

Environ = dict[str, Any]
Start = Callable[..., Any]
ROUTE = "perftui.route"  # where an application may put its own template


class Measured:
    """Outermost: counts and times every request, and answers `metrics_path` itself ("" leaves it alone).

    The route's template is what the application puts into `environ["perftui.route"]`, Werkzeug's or
    Django's where they leave one; without it the request counts as `other`.
    """

    def __init__(
        self,
        app: Callable[[Environ, Start], Iterable[bytes]],
        registry: Registry = DEFAULT,
        metrics_path: str = "/metrics",
    ) -> None:
        self._app = app
        self._red = Red(registry)
        self._path = metrics_path

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """One request."""
        if self._path and environ.get("PATH_INFO") == self._path:
            body = self._red.registry.exposition().encode()
            start("200 OK", [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body)))])
            return [body]
        return self._measured(environ, start)

    def _measured(self, environ: Environ, start: Start) -> Iterator[bytes]:
        """The answer, piece by piece: it ends when its last piece is taken, or when the visitor goes."""
        status, failure = 500, None
        answer: Any = None

        def starting(line: str, *rest: Any) -> Any:
            nonlocal status
            status = int(line[:3])
            return start(line, *rest)

        began = self._red.begin()
        try:
            answer = self._app(environ, starting)
            yield from answer
        except Exception as error:  # counted, and raised again
            failure = error
            raise
        finally:
            if hasattr(answer, "close"):
                answer.close()
            self._red.end(began, environ["REQUEST_METHOD"], _route(environ), status, failure)


def _route(environ: Environ) -> str:
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return str(environ.get(ROUTE) or getattr(rule, "rule", "") or "")
