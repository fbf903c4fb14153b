"""Processes that come and go leave the store of a running one whole."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

from perftui.runtime.store import Store

VISIT = """
import asyncio, sys
from perftui.runtime.store import Store
async def main():
    store = Store.open(sys.argv[1], "x")
    assert await store.ready()
    await asyncio.wrap_future(store.read(lambda d: d.query("SELECT count(*) FROM perftui_figure")))
    await store.close()
asyncio.run(main())
"""


async def test_a_visitor_does_not_take_the_log_away(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = Store.open(str(path), "x")
    assert await store.ready()
    sql = "SELECT count(*) FROM perftui_figure"
    await asyncio.wrap_future(store.read(lambda driver: driver.query(sql)))  # the second connection
    other = Store.open(str(path), "y")  # as when the environment is changed
    assert await other.ready()
    log = path.with_name("store.sqlite-wal")
    put = "INSERT INTO perftui_figure (name, value) VALUES (?, 1)"
    for number in range(5):
        await asyncio.wrap_future(store.write(lambda driver, n=number: driver.execute(put, (f"n{n}",))))
        before = log.stat().st_ino
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", VISIT, str(path)], check=True)
        assert log.stat().st_ino == before, "the log was deleted under a running process"
    await store.close()
    await other.close()
    with sqlite3.connect(path) as kept:
        assert kept.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert kept.execute("SELECT count(*) FROM perftui_figure WHERE name LIKE 'n_'").fetchone() == (5,)
