"""The agent as a process: its log, signals, supervisor, and who takes over when one dies or sleeps."""

from __future__ import annotations

import asyncio
import signal
import socket
import time

import pytest

from perftui.agent import Agent
from perftui.config import load
from perftui.model.alerts import AlertState
from perftui.model.event import Event
from perftui.runtime.alertbook import Book
from perftui.runtime.events import CAPACITY
from perftui.runtime.leases import Leases
from perftui.runtime.store import Store
from perftui.serving import Serving
from tests.agents import agent, written
from tests.runtime.storelaws import postgres_url, sqlite_url
from tests.waiting import auntil, until

__all__ = ["postgres_url", "sqlite_url"]

HOST = """
[store]
url = "{url}"
[env.lab]
kind = "lab"
[env.lab.backends.host]
[alerts.rules.always]
series = "host/memory.used_ratio"
above = -1
lasting = 600
"""


async def test_it_tells_what_it_does_reads_again_on_sighup_and_leaves_on_sigterm(tmp_path):
    config = written(tmp_path / "c.toml", HOST.format(url=f"sqlite://{tmp_path}/store.db"))
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.setblocking(False)
    messages: list[str] = []  # read as they come: the socket holds ten
    asyncio.get_running_loop().add_reader(heard, lambda: messages.append(heard.recv(4096).decode()))
    async with agent(config, tmp_path / "state", NOTIFY_SOCKET=str(tmp_path / "notify")) as one:
        assert "watching host" in await one.says("environment lab")
        await one.says("records samples and evaluates rules")
        config.write_text(config.read_text() + "[history]\nmax_bytes = 1000000\n")
        one.send(signal.SIGHUP)
        assert "history.max_bytes" in await one.says("configuration: ")
        config.write_text("[nonsense]\n")
        one.send(signal.SIGHUP)
        assert "unknown key nonsense" in await one.says("the old configuration stays")
        assert await one.end() == 0
        assert all(line.partition(" ")[2].split()[0] in {"info", "error"} for line in one.lines)
    await until(lambda: messages[-1:] == ["STOPPING=1"])
    asyncio.get_running_loop().remove_reader(heard)
    heard.close()
    assert "READY=1" in messages
    assert "WATCHDOG=1" in messages
    assert any(m.startswith("RELOADING=1\nMONOTONIC_USEC=") for m in messages)


async def test_what_it_told_is_remembered_as_long_as_the_log_does(tmp_path):
    config = load(written(tmp_path / "c.toml", HOST.format(url=f"sqlite://{tmp_path}/store.db")), "lab")
    one, session = Agent(config), Serving.open(config, config.environment)
    telling = asyncio.create_task(one._tell(session))
    now = time.time()
    for number in range(3):
        await until(lambda: session.topic("events").demand > 0)
        batch = [Event(now + 1 + n / 1000, "note", "here", f"{number} {n}") for n in range(1500)]
        session.events.add(*batch)
        await until(lambda newest=batch[-1].identity: newest in one._told)
        assert len(one._told) <= CAPACITY
    telling.cancel()


async def test_a_wrong_configuration_ends_with_two(tmp_path):
    config = written(tmp_path / "c.toml", "[agent\n")
    async with agent(config, tmp_path / "state") as one:
        assert await one.process.wait() == 2
        await one.reader
        assert "not valid TOML" in "\n".join(one.lines)


@pytest.mark.slow
async def test_another_takes_over_from_one_that_is_killed_and_from_one_that_sleeps(
    postgres_url, sqlite_url, tmp_path
):
    """Both at once: each is mostly waiting for a lease to run out."""
    (tmp_path / "killed").mkdir()
    (tmp_path / "stopped").mkdir()
    await asyncio.gather(
        killed_and_pending_time_is_kept(postgres_url, tmp_path / "killed"),
        stopped_and_cannot_act_when_it_wakes(sqlite_url, tmp_path / "stopped"),
    )


async def killed_and_pending_time_is_kept(url, tmp_path):
    config = written(tmp_path / "c.toml", HOST.format(url=store_setting(url, tmp_path)))
    store = Store.open(url, "lab")
    assert await store.ready()
    book, leases = Book(store), Leases(store)
    async with agent(config, tmp_path / "one", STORE_URL=url) as one:
        await one.says("records samples and evaluates rules")
        pending = await auntil(lambda: find_pending(book), 30)
        began = pending.began
        async with agent(config, tmp_path / "two", STORE_URL=url) as two:
            await two.says("stands by")
            before = {name: await leases.held(f"{name}/lab") for name in ("alerts", "recorder")}
            watched = (await book.page()).evaluated
            killed = time.monotonic()
            await one.end(signal.SIGKILL)

            async def moved():
                now = {name: await leases.held(f"{name}/lab") for name in before}
                return all(now[n] is not None and now[n].counter > before[n].counter for n in now)

            await auntil(moved, 60)
            assert time.monotonic() - killed <= 21.0  # 20, and a second for the look itself
            await two.says("records samples and evaluates rules")
            after = await auntil(lambda: evaluated_after(book, watched), 30)
            blind = after.evaluated - watched
            kept = next(a for a in after.alerts.values() if a.rule == "always")
            assert kept.state is AlertState.PENDING
            # What was pending before goes on: only the time nobody watched is not counted.
            assert 0 <= kept.began - began <= blind + 1
    await store.close()


async def stopped_and_cannot_act_when_it_wakes(url, tmp_path):
    config = written(tmp_path / "c.toml", HOST.format(url=store_setting(url, tmp_path)))
    store = Store.open(url, "lab")
    assert await store.ready()
    book, leases = Book(store), Leases(store)
    async with agent(config, tmp_path / "one", STORE_URL=url) as one:
        await one.says("records samples and evaluates rules")
        async with agent(config, tmp_path / "two", STORE_URL=url) as two:
            await two.says("stands by")
            old = await leases.held("alerts/lab")
            one.send(signal.SIGSTOP)
            await two.says("records samples and evaluates rules", 60)
            new = await leases.held("alerts/lab")
            assert new.counter == old.counter + 1
            one.send(signal.SIGCONT)
            await one.says("stands by")
            for _ in range(2):  # through two more evaluations the new one stays the only writer
                page = await book.page()
                await auntil(lambda at=page.evaluated: evaluated_after(book, at), 30)
                assert (await book.page()).holder == new.holder
            assert (await leases.held("alerts/lab")).counter == new.counter
    await store.close()


def store_setting(url, tmp_path):
    """A URL with a password may only stand in the configuration as a reference."""
    return "env:STORE_URL" if url.startswith("postgresql") else url


async def find_pending(book):
    return next((a for a in (await book.page()).alerts.values() if a.rule == "always"), None)


async def evaluated_after(book, at):
    page = await book.page()
    return page if page.evaluated > at else None


def test_lines_of_the_log_are_inert():
    import logging

    from perftui.agent import Lines

    record = logging.LogRecord("perftui.agent", logging.INFO, "f", 1, "a\x1b[31mb\nc", (), None)
    text = Lines(stamped=True).format(record)
    assert "\x1b" not in text
    assert "\n" not in text
    assert Lines(stamped=False).format(record).startswith("info agent: a")


def test_an_agent_says_what_it_does_and_when_nobody_does_it():
    from types import SimpleNamespace as Some

    from perftui.agent import duties
    from perftui.model.schedule import Mode

    def agent_(writes, evaluates, holder="", mode=Mode.ON, problem=""):
        tuning = Some(mode=lambda _name: mode, holder=lambda _name: holder)
        ruler = Some(holder=evaluates)
        return Some(memory=Some(writes=writes), alerts=Some(ruler=ruler), tuning=tuning, problem=problem)

    assert duties(agent_(True, True)) == "records samples and evaluates rules"
    assert duties(agent_(False, False, "box:1")) == "stands by: another holds the leases"
    assert duties(agent_(False, False)) == "nobody evaluates the rules"
    assert "switched off" in duties(agent_(False, False, mode=Mode.OFF))
    assert duties(agent_(True, False, problem="the store is full")).endswith("; the store is full")
