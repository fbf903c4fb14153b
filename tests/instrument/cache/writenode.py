"""A node that writes behind, to be killed: says on stdout which numbers were acknowledged, until stdin ends.

python -m tests.instrument.cache.writenode '{"dsn": …, "journal": "file", …}'
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import asyncpg

from perftui.instrument.cache.journal import FileJournal
from perftui.instrument.cache.streamjournal import StreamJournal
from perftui.instrument.cache.writebehind import WriteBehind
from perftui.lab.valkey import ValkeyServer
from perftui.model.errors import PerftuiError
from tests.instrument.cache.redisstore import RedisStore
from tests.waiting import auntil

INSERT = """
INSERT INTO written (key, sequence, n) SELECT $1, $2, $3
 WHERE NOT EXISTS (SELECT 1 FROM written WHERE key = $1 AND sequence >= $2) ON CONFLICT DO NOTHING
"""
AT_ONCE = 16


class Table:
    """The database: a row for each write, unless the key has a later one."""

    def __init__(self, pool):
        self.pool = pool

    async def write(self, items):
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.executemany(INSERT, [(w.key, w.sequence, w.value) for w in items])


def server(facts):
    """A server that only this node's parent may start and stop."""
    return SimpleNamespace(client=lambda timeout: ValkeyServer.client(SimpleNamespace(**facts), timeout))


def journal(told):
    if told["journal"] == "file":
        return FileJournal(Path(told["path"]))
    store = RedisStore(*map(server, told["servers"]))
    return StreamJournal(store, told["namespace"], told["node"])


async def begin(behind):
    """A primary that has just died is found again after some tries."""

    async def begun():
        try:
            await behind.start()
        except PerftuiError:
            return False
        return True

    await auntil(begun, 20)


async def main(told):
    pool = await asyncpg.create_pool(told["dsn"], min_size=1, max_size=2)
    behind = WriteBehind(Table(pool), journal(told), coalesce=False)
    await begin(behind)
    print("begun", flush=True)
    numbers = itertools.count(told["first"])
    chance = random.Random(told["seed"])
    ending = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    async def write_some(lane):
        """One key's writes, one after the other, as its order is that of the calls."""
        for n in numbers:
            try:
                await behind.put(f"k{lane}", n)
            except (PerftuiError, OSError) as error:
                print(f"failed {n} {error}", flush=True)
            else:
                print(f"ack {n}", flush=True)
            await asyncio.wait({ending}, timeout=chance.choice((0, 0, 0, 0, 0.005)))
            if ending.done():
                return

    await asyncio.gather(*(write_some(lane) for lane in range(AT_ONCE)))
    while await behind.flush(2.0):
        pass
    await behind.close()
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
