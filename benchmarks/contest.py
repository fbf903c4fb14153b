"""Contestants: processes that answer one line a question; tables, and targets beside what was measured."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import select
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

HERE = str(Path(__file__).resolve().parent.parent)
PATIENCE = 120.0  # seconds for an answer

Question = dict[str, Any]


class Contestant:
    """A process of `module` that plays `name` against a server; further words are handed on to it."""

    def __init__(self, python: str, module: str, name: str, server: ValkeyServer, *words: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [python, "-m", module, name, str(server.port), *words],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"CACHE_PASSWORD": server.password, "PYTHONPATH": HERE, "PATH": "/usr/bin:/bin"},
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def begin(self, **question: Any) -> None:
        """Ask, and let it work."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """What it says to the oldest question; the benchmark ends when it says nothing."""
        assert self._process.stdout is not None
        heard, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        line = self._process.stdout.readline() if heard else ""
        if not line:
            self.kill()
            raise SystemExit(f"{self.name} ended, or said nothing for {PATIENCE:g} s")
        return json.loads(line)

    def ask(self, **question: Any) -> Any:
        """Ask and wait."""
        self.begin(**question)
        return self.answer()

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Let it end; one that does not is killed."""
        if self._process.poll() is None:
            try:
                self._process.communicate("", timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()


async def answers(answer: Callable[[Question], Awaitable[Any]]) -> None:
    """The other side of `Contestant`: answer until there are no more questions."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await answer(json.loads(line))), flush=True)


def url() -> str:
    """The server's, as a contestant was told."""
    return f"redis://:{os.environ['CACHE_PASSWORD']}@127.0.0.1:{sys.argv[2]}"


def words(about: str | None, rounds: int = 5) -> argparse.ArgumentParser:
    """The options that all have."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="", metavar="PYTHON", help="one that has the peers' packages")
    parser.add_argument("--rounds", type=int, default=rounds)
    return parser


def chosen(names: Iterable[str], peers: str) -> dict[str, str]:
    """Which Python plays which contestant: ours this one, the others that of the peers, if there is one."""
    return {
        name: sys.executable if name.startswith("ours") else peers
        for name in names
        if peers or name.startswith("ours")
    }


def with_server(work: Callable[[ValkeyServer], None], memory: str = "256mb") -> None:
    """Do blocking work beside a server of its own, which ends with it."""
    from perftui.lab.folders import Folder, server_owner
    from perftui.lab.valkey import ValkeyServer

    async def run() -> None:
        folder = Folder.create(server_owner())
        server = ValkeyServer(folder, "bench", memory=memory)
        try:
            await server.start()
            await asyncio.to_thread(work, server)
        finally:
            await server.resume()
            await server.stop()
            folder.remove()

    asyncio.run(run())


def client(server: ValkeyServer) -> Any:
    """A blocking client of the benchmark itself."""
    import redis

    return redis.Redis(port=server.port, password=server.password, socket_timeout=60)


class Target(NamedTuple):
    """A figure beside what the specification wants of it."""

    what: str
    measured: str
    target: str
    met: bool


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print Markdown."""
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")


def verdict(targets: Iterable[Target]) -> None:
    """Print what was met and what was missed."""
    rows = [(t.what, t.measured, t.target, "met" if t.met else "missed") for t in targets]
    table(("what", "measured", "target", ""), rows)


def quantile(values: Iterable[float], share: float) -> float:
    """The value that `share` of them do not pass, by rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]
