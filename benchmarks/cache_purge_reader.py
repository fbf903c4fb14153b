"""The reader beside a purge: fetches keys as quickly as it can, and says how long the longest took."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from benchmarks.contest import Question, answers, url

STOP = "reader:stop"


def read(until: float) -> dict[str, Any]:
    """Until somebody sets the stop key, or that instant."""
    from redis import Redis

    took = []
    with Redis.from_url(url(), socket_timeout=60) as redis:
        redis.ping()
        print("{}", flush=True)
        n = 0
        while time.monotonic() < until:
            began = time.perf_counter()
            found = redis.get(f"kept:{n % 1000}" if n % 10 else STOP)
            took.append(time.perf_counter() - began)
            if found == b"1":
                break
            n += 1
    ranked = sorted(took)
    return {"most": ranked[-1], "p99": ranked[int(len(ranked) * 0.99)], "reads": len(ranked)}


async def answer(question: Question) -> dict[str, Any]:
    """Read."""
    return await asyncio.to_thread(read, time.monotonic() + question["most"])


if __name__ == "__main__":
    assert sys.argv[1] == "reader"
    asyncio.run(answers(answer))
