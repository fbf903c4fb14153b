"""`monitor endpoints` of a real service that raises."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from perftui.instrument import wsgi
from perftui.instrument.metrics import Registry


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

    def get_stderr(self):
        import io

        return io.StringIO()


def served(environ, start):
    environ[wsgi.ROUTE] = route = environ["PATH_INFO"]
    if route == "/broken":
        raise KeyError("x")
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]


@pytest.fixture
def place():
    """A service that somebody asks all the time."""
    server = make_server("127.0.0.1", 0, wsgi.Measured(served, Registry()), handler_class=Quiet)
    server.handle_error = lambda *_: None
    over = threading.Event()
    address = f"127.0.0.1:{server.server_port}"

    def asks():
        while not over.wait(0.02):
            for path in ("/ok", "/broken"):
                with contextlib.suppress(urllib.error.HTTPError, OSError):
                    urllib.request.urlopen(f"http://{address}{path}", timeout=5).read()

    threads = [threading.Thread(target=server.serve_forever), threading.Thread(target=asks)]
    for thread in threads:
        thread.start()
    yield address
    over.set()
    threads[1].join()
    server.shutdown()
    threads[0].join()
    server.server_close()


def printed(tmp_path, address, *words):
    config = tmp_path / "perftui.toml"
    config.write_text(
        f'[env.here]\nkind = "lab"\n[env.here.backends.shop]\nkind = "scrape"\nurl = "http://{address}/metrics"\n'
    )
    command = [
        sys.executable,
        "-m",
        "perftui",
        "monitor",
        "endpoints",
        "--config",
        str(config),
        "--env",
        "here",
    ]
    return subprocess.run([*command, *words], capture_output=True, text=True, timeout=60, check=False)


def test_endpoints_are_printed_with_the_exceptions_that_leave_them(tmp_path, place):
    run = printed(tmp_path, place)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    broken = next(n for n, line in enumerate(lines) if " /broken " in line)
    assert lines[broken].split()[-1] == "100%"
    assert lines[broken + 1].startswith("  KeyError: ")
    assert sum("KeyError" in line for line in lines) == 1


def test_as_json(tmp_path, place):
    run = printed(tmp_path, place, "--json")
    rows = {row["endpoint"]["endpoint"]["route"]: row["exceptions"] for row in json.loads(run.stdout)}
    assert rows["/ok"] == {}
    assert rows["/broken"]["KeyError"] > 0


def test_a_service_that_is_away_is_told(tmp_path):
    run = printed(tmp_path, "127.0.0.1:1")
    assert (run.returncode, run.stdout) == (3, "no application told of a request\n")
    assert "shop: lost" in run.stderr
