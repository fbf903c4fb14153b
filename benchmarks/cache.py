"""All benchmarks of the cache library, one after another, each with its targets: `make bench-cache`.

    python -m benchmarks.cache --peers PYTHON [--only NAME ...]

PYTHON has requirements/cache-peers.txt. Contestants are side by side in one run; each benchmark says what its
figures are, and every target that is missed. What needs no peer runs without one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

MEMORY = ("l1_hit", "hit_ratio", "codec")  # contestants in one process: run by the peers' Python
SERVERS = ("l2", "l1_await", "stampede", "staleness", "hung_l2", "tags")
ALONE = (
    *("cluster", "region", "takeover", "purge", "observe", "slots", "shares", "curve", "sampling"),
    "writebehind",
)
ALL = (*MEMORY, *SERVERS, *ALONE)


def command(name: str, peers: str) -> list[str]:
    """What runs it."""
    run = [peers if name in MEMORY else sys.executable, "-m", f"benchmarks.cache_{name}"]
    return [*run, "--peers", peers] if name in SERVERS else run


def main() -> int:
    """Run them; the exit code of the last that failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", required=True, metavar="PYTHON")
    parser.add_argument("--only", nargs="+", choices=ALL, default=ALL, metavar="NAME", help=", ".join(ALL))
    said = parser.parse_args()
    code = 0
    for name in said.only:
        print(f"\n## {name}, load {os.getloadavg()[0]:.1f}", flush=True)
        code = subprocess.run(command(name, said.peers), check=False).returncode or code
    return code


if __name__ == "__main__":
    sys.exit(main())
