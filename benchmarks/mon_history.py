"""What the samples of a store cost: how many were kept, in how many bytes, by level and by kind of backend.

    python -m benchmarks.mon_history STORE [--most 12]

STORE is the SQLite file of a console or an agent (`store.sqlite` in its state folder), such as the one
that `python -m benchmarks.mon_incidents --keep FOLDER` leaves. Times, which all series of a source share,
are counted among the bytes. A sample is one reading of one series; above the finest level one row is told,
which holds least, most, mean, last and count. Prints the dearest series too.
"""

from __future__ import annotations

import argparse
import math
import sqlite3
from collections import Counter
from pathlib import Path

from perftui.runtime import chunks

QUERY = """SELECT s.source, s.name, s.labels, c.step, c.data
FROM perftui_chunk c JOIN perftui_series s ON s.id = c.series"""


def main(store: Path, most: int) -> None:
    """Read it all and print."""
    samples, size, times = Counter[int](), Counter[int](), Counter[int]()
    dear, rows_of = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    with sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True) as there:
        for source, name, _, step, data in there.execute(QUERY):
            size[step] += len(data)
            if not name:
                times[step] += len(data)
                continue
            kept = sum(not math.isnan(value) for value in chunks.unpack(data)[0])
            samples[step] += kept
            rows_of[source, name] += kept
            dear[source, name] += len(data)
        series = there.execute("SELECT count(*) FROM perftui_series WHERE name <> ''").fetchone()[0]
    print(f"{series} series\n")
    print("| level, s | samples or rows | MB | of it times | bytes each |\n|---|---|---|---|---|")
    for step, number in sorted(samples.items()):
        each = size[step] / max(1, number)
        print(
            f"| {step / 1e6:g} | {number:,} | {size[step] / 1e6:.2f} | {times[step] / 1e6:.2f} | {each:.2f} |"
        )
    print("\n| dearest | bytes each | share |\n|---|---|---|")
    for (source, name), cost in dear.most_common(most):
        share = cost / max(1, sum(size.values()))
        print(f"| {source}/{name} | {cost / max(1, rows_of[source, name]):.2f} | {share:.1%} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--most", type=int, default=12, help="how many of the dearest series (default 12)")
    args = parser.parse_args()
    main(args.store, args.most)
