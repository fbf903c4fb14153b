"""What fifty hosts cost a headless session that remembers them: processor, loop lag, longest turn.

    python -m benchmarks.mon_hosts [--hosts 50] [--seconds 60] [--entries]

A real node_exporter is asked once a second by a small server, which tells the same to everybody under as
many addresses of 127.0.0.1 as there are hosts; `--entries` gives each a backend of its own instead of one
list. A turn is what the loop runs without a pause: its processor time, so that other programs of the
machine do not count; lag is what a beat of 50 ms waited beyond that.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from perftui.config import load
from perftui.session import Session
from tests.nodes import Exporter

SETTLE, BEAT = 12.0, 0.05


async def serve(source: str, hosts: int) -> None:
    """Tell what `source` said last on `hosts` ports, which are printed."""
    said = b""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(said)}\r\n\r\n"
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(head.encode() + said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def ask() -> bytes:
        with urllib.request.urlopen(source, timeout=5) as found:
            return bytes(found.read())

    said = await asyncio.to_thread(ask)
    servers = [await asyncio.start_server(answer, "127.0.0.1", 0) for _ in range(hosts)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    while True:
        await asyncio.sleep(1)
        said = await asyncio.to_thread(ask)


def configured(folder: Path, ports: list[str], *, entries: bool) -> Path:
    """A configuration that watches every port."""
    urls = [f"http://127.0.0.1:{port}/metrics" for port in ports]
    if entries:
        rows = [f'[env.b.backends.h{n}]\nkind = "scrape"\nurl = "{url}"' for n, url in enumerate(urls)]
    else:
        rows = [f'[env.b.backends.many]\nkind = "targets"\ntargets = {urls!r}'.replace("'", '"')]
    path = folder / "perftui.toml"
    path.write_text("\n".join(["[env.b]", *rows]))
    path.chmod(0o600)
    return path


class Turns:
    """Processor time of every callback the loop runs."""

    def __init__(self) -> None:
        self.took: list[float] = []
        plain: Any = asyncio.Handle._run  # noqa: SLF001 (nothing else runs what a loop runs)

        def timed(handle: Any) -> None:
            began = time.thread_time()
            plain(handle)
            self.took.append(time.thread_time() - began)

        asyncio.Handle._run = timed  # type: ignore[method-assign, assignment]  # noqa: SLF001


async def watch(path: Path, seconds: float) -> None:
    """Run a session like an open Hosts tab, and print what that took."""
    config = load(path, "b", {})
    session = Session.open(config, config.environment, remember=True)
    turns = Turns()
    await session.start()
    follow = asyncio.create_task(follow_(session))
    await asyncio.sleep(SETTLE)
    turns.took.clear()
    late: list[float] = []
    began, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - began < seconds:
        before = time.monotonic()
        await asyncio.sleep(BEAT)
        late.append(time.monotonic() - before - BEAT)
    cpu = (time.process_time() - cpu) / (time.monotonic() - began)
    report = session.frame("resources").report
    follow.cancel()
    fresh = sum(time.time() - view.at < 15 for view in report.hosts)
    print(f"{len(report.hosts)} hosts, {fresh} read in the last 15 s: {cpu:.1%} of a core")
    worst = sorted(turns.took)[-3:]
    print(f"longest turns {', '.join(f'{1000 * t:.0f}' for t in reversed(worst))} ms of processor time")
    late.sort()
    usual, most = (1000 * late[int(len(late) * share)] for share in (0.5, 0.99))
    print(f"lag median {usual:.1f} ms, 99 % {most:.1f} ms, longest {1000 * late[-1]:.0f} ms")
    await session.close()


async def follow_(session: Session) -> None:
    """Take every frame, as a screen does."""
    async for _frame in session.watch("resources"):
        pass


def main() -> None:
    """Start the exporter and the server, watch, end both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--entries", action="store_true")
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.serve, args.hosts))
        return
    gc.collect()
    gc.freeze()  # as the console does with what its imports made
    exporter = Exporter()
    command = [
        sys.executable,
        "-m",
        "benchmarks.mon_hosts",
        "--serve",
        exporter.url,
        "--hosts",
        str(args.hosts),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        ports = server.stdout.readline().split()
        with tempfile.TemporaryDirectory() as folder:
            os.environ["PERFTUI_STATE_DIR"] = f"{folder}/state"
            asyncio.run(watch(configured(Path(folder), ports, entries=args.entries), args.seconds))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        exporter.stop()


if __name__ == "__main__":
    main()
