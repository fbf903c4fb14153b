"""An origin with known caching headers, for tests of edges before it."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """`/private` forbids caching, everything else allows a minute and carries tags."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"hello {self.path}".encode()
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        private = self.path.startswith("/private")
        self.send_header("Cache-Control", "no-store" if private else "public, max-age=60")
        if not private:
            self.send_header("Surrogate-Key", f"all p:{self.path.strip('/').split('/')[0]}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests read `asked` instead."""


class Server(ThreadingHTTPServer):
    """Says nothing of clients that hang up: they are killed in tests, and a traceback is parsed in a thread."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Tell of everything else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Origin:
    """A real HTTP server on a free port of 127.0.0.1; `asked` lists the paths it was asked for."""

    def __init__(self) -> None:
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.asked = []  # type: ignore[attr-defined]
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def asked(self) -> list[str]:
        """Paths asked for, probes left out."""
        return [path for path in self.server.asked if path != "/health"]  # type: ignore[attr-defined]

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()
