"""How often the console's samples of keys and commands tell the truth.

    python -m benchmarks.cache_shares [--rounds 60] [--keys 200000]

The server holds `--keys` of four prefixes of unlike size, and a client asks for them: half of its reads are
of 20 hot keys. Each round takes one sample of memory (256 random pages) and one burst of the command stream
(5,000 commands or 0.5 s at most). Figures: how many intervals of 95 % hold the share of bytes that counting
every key gives, and how many of the hot keys are the first 20 of the burst.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.contest import (
    Contestant,
    Question,
    Target,
    answers,
    client,
    table,
    url,
    verdict,
    with_server,
    words,
)
from perftui.backends.valkey.standalone import Valkey
from perftui.model.cache import CommandSample, Keyspace
from perftui.model.options import ValkeyOptions

PREFIXES = {"page": (0.1, 4000), "product": (0.3, 600), "session": (0.5, 120), "cart": (0.1, 1500)}
HOT = [f"session:{n}" for n in range(20)]
PAGES = 256
COMMANDS, LONGEST = 5000, 0.5


def names(keys: int) -> dict[str, list[str]]:
    """All keys by prefix."""
    return {name: [f"{name}:{n}" for n in range(round(keys * part))] for name, (part, _) in PREFIXES.items()}


def fill(server: Any, keys: int) -> None:
    """Store them, each of a size around its prefix' mean."""
    chance = random.Random(5)
    with client(server) as redis:
        for name, group in names(keys).items():
            mean = PREFIXES[name][1]
            for first in range(0, len(group), 1000):
                part = group[first : first + 1000]
                redis.mset({key: b"v" * round(chance.lognormvariate(0, 0.5) * mean) for key in part})


async def traffic(question: Question) -> None:
    """Reads until the process is killed."""
    from redis.asyncio import Redis

    chance, redis = random.Random(6), Redis.from_url(url())
    every = [key for group in names(question["keys"]).values() for key in group]
    print("{}", flush=True)
    while True:
        pipe = redis.pipeline(transaction=False)
        for _ in range(50):
            pipe.get(chance.choice(HOT if chance.random() < 0.5 else every))
        await pipe.execute()
        await asyncio.sleep(0.002)


def counted(server: Any, keys: int) -> dict[bytes, float]:
    """Each prefix' share of all bytes, every key asked for its own."""
    took: dict[bytes, int] = {}
    with client(server) as redis:
        for name, group in names(keys).items():
            sizes: list[int] = []
            for first in range(0, len(group), 1000):
                pipe = redis.pipeline(transaction=False)
                for key in group[first : first + 1000]:
                    pipe.memory_usage(key)
                sizes += pipe.execute()
            took[f"{name}:".encode()] = sum(sizes)
    return {prefix: bytes_ / sum(took.values()) for prefix, bytes_ in took.items()}


def covered(shares: Mapping[bytes, float], seen: Keyspace) -> list[bool]:
    """For each prefix whether its interval holds the true share of bytes."""
    found = {row.prefix: row for row in seen.prefixes}
    return [
        p in found and abs(found[p].byte_share - share) <= found[p].byte_error for p, share in shares.items()
    ]


def hot(sample: CommandSample) -> int:
    """How many of the 20 are the first 20."""
    return len({row.key.decode() for row in sample.keys[: len(HOT)]} & set(HOT))


async def look(server: Any, said: Any) -> tuple[list[list[bool]], list[int], list[int]]:
    """Intervals that hold, hot keys found and commands seen, of each round."""
    power = Valkey("bench", ValkeyOptions(url=server.bare_url, password=server.password))
    await power.open()
    try:
        truth = await asyncio.to_thread(counted, server, said.keys)
        spaces = [await power.sample_keyspace(b"", PAGES) for _ in range(said.rounds)]
        bursts = [await power.sample_commands(COMMANDS, LONGEST) for _ in range(said.rounds)]
    finally:
        await power.close()
    return [covered(truth, seen) for seen in spaces], list(map(hot, bursts)), [b.commands for b in bursts]


def show(inside: Sequence[Sequence[bool]], found: Sequence[int], commands: Sequence[int]) -> None:
    """The table and the targets."""
    held = sum(map(sum, inside)) / sum(map(len, inside))
    whole = sum(all(one) for one in inside) / len(inside)
    worst, middle = min(found), statistics.median(found)
    rows = (
        ("intervals of byte shares that hold", f"{held:.1%}"),
        ("samples of which all prefixes hold", f"{whole:.1%}"),
        ("hot keys of 20 found, median and fewest", f"{middle:.0f}, {worst}"),
        ("commands of a burst, median", f"{statistics.median(commands):,.0f}"),
    )
    table(("what", f"over {len(inside)} samples"), rows)
    verdict(
        (
            Target("intervals that hold", f"{held:.1%}", "95%", held >= 0.95),
            Target("hot keys of 20, median", f"{middle:.0f}", "19", middle >= 19),
        )
    )


def race(said: Any, server: Any) -> None:
    """Fill, ask, look."""
    fill(server, said.keys)
    crowd = Contestant(sys.executable, "benchmarks.cache_shares", "traffic", server)
    try:
        crowd.ask(keys=said.keys)
        show(*asyncio.run(look(server, said)))
    finally:
        crowd.kill()


def main() -> None:
    """Print the table."""
    parser = words(__doc__, rounds=60)
    parser.add_argument("--keys", type=int, default=200_000)
    said = parser.parse_args()
    with_server(lambda server: race(said, server), memory="1gb")


if __name__ == "__main__":
    if sys.argv[1:2] == ["traffic"]:
        asyncio.run(answers(traffic))
    else:
        main()
