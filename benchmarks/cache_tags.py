"""Removal by a tag that 10 to 100,000 keys have: what the call takes.

    python -m benchmarks.cache_tags [--peers PYTHON] [--rounds 5]

All keys are stored anew before each removal, and a hundred of them are looked at after it. Figures:
milliseconds of the call, medians over rounds in which all contestants come in turn; with 100,000 keys the
others come once.
"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.cache_tags_peer import CONTESTANTS
from benchmarks.contest import Contestant, Target, chosen, table, verdict, with_server, words

PEER = "benchmarks.cache_tags_peer"
SIZES = (10, 1_000, 20_000, 100_000)


def race(said: Any, server: Any) -> None:
    """All contestants in turn, round by round."""
    crowd = [
        Contestant(python, PEER, name, server) for name, python in chosen(CONTESTANTS, said.peers).items()
    ]
    took: dict[str, dict[int, list[float]]] = {one.name: {keys: [] for keys in SIZES} for one in crowd}
    try:
        for one in crowd:
            one.ask(size=0, keys=SIZES[0])
        for n in range(said.rounds):
            for size, keys in enumerate(SIZES):
                for one in crowd:
                    if keys == SIZES[-1] and one.name != "ours" and n:
                        continue
                    answer = one.ask(size=size, keys=keys)
                    assert answer["before"] == 1, f"{one.name} kept {answer['before']:.0%} of {keys}"
                    assert not answer["left"], f"{one.name} left {answer['left']} of {keys}"
                    took[one.name][keys].append(answer["ms"])
    finally:
        for one in crowd:
            one.close()
    middle = {
        name: {keys: statistics.median(ms) for keys, ms in sizes.items()} for name, sizes in took.items()
    }
    rows = [(name, *(f"{ms:,.2f}" for ms in sizes.values())) for name, sizes in middle.items()]
    table(("ms, by keys of the tag", *(f"{keys:,}" for keys in SIZES)), rows)
    most = max(middle["ours"].values())
    flat = middle["ours"][SIZES[-1]] / middle["ours"][SIZES[0]]
    verdict(
        (
            Target("the call, at its slowest size", f"{most:.2f} ms", "1 ms", most <= 1),
            Target("100,000 keys beside 10", f"{flat:.1f} times", "flat (2 times at most)", flat <= 2),
        )
    )


def main() -> None:
    """Print the table."""
    said = words(__doc__).parse_args()
    with_server(lambda server: race(said, server), memory="1gb")


if __name__ == "__main__":
    main()
