"""What a console that looks each second costs the server it looks at.

    python -m benchmarks.cache_observe [--rounds 5] [--seconds 5] [--keys 200000]

The server holds `--keys` and has no other client. Each round has a window without a console, and one for
each tab with the whole console open on it, after it had time to start. Figures: CPU of the server's process
with its threads (schedstat) as a share of a core, medians over the rounds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.console.terminal import Terminal
from benchmarks.contest import Target, client, table, verdict, with_server, words

SIZE = (160, 45)
SETTLE = 4.0
MOST = 0.001
TABS = {"Tiers": "cache.tiers", "Memory": "cache.memory", "Keys": "cache.keys"}


def spent(pid: int) -> float:
    """CPU seconds of a process so far, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def share(pid: int, seconds: float) -> float:
    """Of a core, over some seconds from now."""
    began, before = time.monotonic(), spent(pid)
    time.sleep(seconds)
    return (spent(pid) - before) / (time.monotonic() - began)


def watched(server: Any, tab: str, folder: str, seconds: float) -> float:
    """The same with a console on a tab."""
    command = [sys.executable, "-m", "perftui", "run", "--config", f"{folder}/config.toml", "--screen"]
    env = {"PERFTUI_STATE_DIR": folder, "BENCH_PASSWORD": server.password}
    terminal = Terminal([*command, TABS[tab]], SIZE, env)
    try:
        terminal.wait(tab, 30)
        time.sleep(SETTLE)
        return share(server.pid, seconds)
    finally:
        terminal.end("q", within=0.5)
        terminal.close()


def race(said: Any, server: Any) -> None:
    """The windows in turn, round by round."""
    with client(server) as redis:
        for first in range(0, said.keys, 1000):
            redis.mset({f"product:{n}": b"v" * 100 for n in range(first, min(said.keys, first + 1000))})
    took: dict[str, list[float]] = {name: [] for name in ("no console", *TABS)}
    with tempfile.TemporaryDirectory(prefix="perftui-bench-") as folder:
        config = Path(folder, "config.toml")
        config.touch(0o600)
        where = f'kind = "valkey"\nurl = "{server.bare_url}"\npassword = "env:BENCH_PASSWORD"\n'
        config.write_text(f"[env.bench.backends.cache]\n{where}")
        for _ in range(said.rounds):
            took["no console"].append(share(server.pid, said.seconds))
            for tab in TABS:
                took[tab].append(watched(server, tab, folder, said.seconds))
    middle = {name: statistics.median(shares) for name, shares in took.items()}
    alone = middle["no console"]
    rows = [
        (name, f"{part:.3%}", "" if name == "no console" else f"{part - alone:.3%}")
        for name, part in middle.items()
    ]
    table(("console on", "server, of a core", "because of it"), rows)
    worst = max(TABS, key=lambda tab: middle[tab])
    cost = middle[worst] - alone
    verdict([Target(f"of a core of the server, {worst}", f"{cost:.3%}", f"{MOST:.1%}", cost <= MOST)])


def main() -> None:
    """Print the table."""
    parser = words(__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--keys", type=int, default=200_000)
    said = parser.parse_args()
    with_server(lambda server: race(said, server))


if __name__ == "__main__":
    main()
