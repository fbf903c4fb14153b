"""The process that learns: a series a line comes in, what was learned goes out; bounded by the system."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from typing import Any

MEMORY = 1 << 30  # bytes of addresses
PROCESSOR = 300  # seconds in all


def main() -> int:
    """Until the input ends; 3 when numpy is missing."""
    _bound()
    if importlib.util.find_spec("numpy") is None:
        return 3
    from perftui.analysis.neighbours import train

    for line in sys.stdin:
        told = json.loads(line)
        said: dict[str, Any]
        try:
            said = {"model": train(told["at"], told["value"], told["seed"]).told()}
        except (ValueError, MemoryError) as error:
            said = {"problem": str(error) or "there is not enough memory"}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
    return 0


def _bound() -> None:
    """One thread, the lowest priority, and limits that the system keeps where it can."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    if hasattr(os, "nice"):
        os.nice(19)
    try:
        import resource
    except ImportError:  # no such limits there
        return
    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, PROCESSOR)):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    sys.exit(main())
