"""Removal by a tag that 10 to 1,000,000 keys have: what the call takes.

    python -m benchmarks.cache_tags [--peers PYTHON] [--rounds 5] [--most 1000000]

All keys are stored anew before each removal, and a hundred of them are looked at after it. Between the two
the contestant rests for 50 ms, whatever the keys: right after 500 stores at once their tasks and deadlines
are still being let go of, and right after 10 the code is still in the processor's caches; neither is of the
tag. Figures: milliseconds of the call, and microseconds that the server says its commands took, medians over
rounds in which all contestants come in turn. From 100,000 keys on the others come once, of a million there
are three rounds, and of ours alone.
"""

from __future__ import annotations

import statistics
from typing import Any, Final

from benchmarks.cache_tags_peer import CONTESTANTS
from benchmarks.contest import Contestant, Target, chosen, client, table, verdict, with_server, words

PEER = "benchmarks.cache_tags_peer"
SIZES: Final = (10, 1_000, 20_000, 100_000, 1_000_000)
ONCE: Final = 100_000  # keys from which the others come once
SELDOM: Final = 1_000_000  # the same for ours: three rounds, and nobody else
PART: Final = 100_000  # keys stored by one question

Took = dict[str, dict[int, list[tuple[float, float]]]]  # (ms of the call, µs of the server)


def spent(server: Any) -> float:
    """Microseconds of the server's commands until now, but for those of this question."""
    with client(server) as redis:
        return float(sum(c["usec"] for name, c in redis.info("commandstats").items() if "info" not in name))


def comes(name: str, keys: int, n: int) -> bool:
    """Whether a contestant has its turn in round `n`."""
    if name == "ours":
        return keys < SELDOM or n < 3
    return keys < ONCE or (keys < SELDOM and not n)


def removal(one: Contestant, server: Any, size: int, keys: int) -> tuple[float, float]:
    """Store, remove, look."""
    for first in range(0, keys, PART):
        one.ask(do="store", size=size, first=first, keys=min(keys, first + PART))
    before = one.ask(do="look", size=size, keys=keys)["there"]
    assert before == 1, f"{one.name} kept {before:.0%} of {keys}"
    began = spent(server)
    ms = one.ask(do="remove", size=size)["ms"]
    used = spent(server) - began
    left = one.ask(do="look", size=size, keys=keys)["there"]
    assert not left, f"{one.name} left {left:.0%} of {keys}"
    return ms, used


def race(said: Any, server: Any) -> None:
    """All contestants in turn, round by round."""
    crowd = [
        Contestant(python, PEER, name, server) for name, python in chosen(CONTESTANTS, said.peers).items()
    ]
    sizes = [keys for keys in SIZES if keys <= said.most]
    took: Took = {one.name: {keys: [] for keys in sizes} for one in crowd}
    try:
        for one in crowd:
            removal(one, server, 0, sizes[0])
        for n in range(said.rounds):
            for size, keys in enumerate(sizes):
                for one in crowd:
                    if comes(one.name, keys, n):
                        took[one.name][keys].append(removal(one, server, size, keys))
    finally:
        for one in crowd:
            one.close()
    show(took, sizes)


def show(took: Took, sizes: list[int]) -> None:
    """The table and the targets."""
    rows, middle = [], {}
    for name, by in took.items():
        ms, used = ([statistics.median(t[n] for t in by[keys]) for keys in sizes if by[keys]] for n in (0, 1))
        middle[name] = ms
        rows.append((f"{name}, ms", *(f"{one:,.2f}" for one in ms)))
        rows.append((f"{name}, µs of the server", *(f"{one:,.0f}" for one in used)))
    rows = [(*row, *[""] * (len(sizes) + 1 - len(row))) for row in rows]
    table(("by keys of the tag", *(f"{keys:,}" for keys in sizes)), rows)
    most, flat = max(middle["ours"]), middle["ours"][-1] / middle["ours"][0]
    verdict(
        (
            Target("the call, at its slowest size", f"{most:.2f} ms", "1 ms", most <= 1),
            Target(f"{sizes[-1]:,} keys beside 10", f"{flat:.1f} times", "flat (2 times at most)", flat <= 2),
        )
    )


def main() -> None:
    """Print the table."""
    parser = words(__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="keys of the largest tag")
    said = parser.parse_args()
    with_server(lambda server: race(said, server), memory="2gb")


if __name__ == "__main__":
    main()
