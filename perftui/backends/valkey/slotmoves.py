"""Hash slots from one primary to another while both serve: at once where the server can, else one by one.

Sources: https://valkey.io/topics/atomic-slot-migration (Valkey 9.0); https://valkey.io/commands/cluster-setslot
(the sequence of before, which every cluster knows).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from perftui.backends.valkey.link import Address, Link, verify
from perftui.model.cachecluster import ClusterMember, Range
from perftui.model.errors import BackendError, Lost, Refused

POLL = 0.05
BATCH = 100  # keys a MIGRATE
COUNTED = 512  # slots whose keys are counted in one round trip
PATIENCE = 5.0  # seconds for one step
OVER = {b"success", b"failed", b"canceled", b"cancelled"}

Tell = Callable[[int, str], None]
"""Told how many slots are there, and a word about the rest."""


def each(slots: Sequence[Range]) -> Iterator[int]:
    """Every slot of these ranges."""
    for first, last in slots:
        yield from range(first, last + 1)


async def count_keys(link: Link, slots: Sequence[Range]) -> int:
    """Keys in these slots, as their primary counts them."""
    total, wanted = 0, list(each(slots))
    for begin in range(0, len(wanted), COUNTED):
        asked = [("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in wanted[begin : begin + COUNTED]]
        replies = await link.ask(asked, PATIENCE)
        total += sum(int(verify(reply, "CLUSTER COUNTKEYSINSLOT", link.where)) for reply in replies)
    return total


async def move_whole(link: Link, target: ClusterMember, slots: Sequence[Range], tell: Tell) -> None:
    """All slots at once: the target has all or, after any failure, none of them.

    Cancelled, it takes the order back, unless others' moves are under way at that node.

    Raises:
        Unsupported: the server cannot (before Valkey 9.0); nothing was changed.
        Lost: it failed, with the server's reason; nothing was changed.
    """
    ranges = [str(edge) for pair in slots for edge in pair]
    text = b" ".join(b"%d-%d" % pair if pair[1] > pair[0] else b"%d" % pair[0] for pair in slots)
    before = {job[b"name"] for job in await _jobs(link)}
    await link.one("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", *ranges, "NODE", target.id, deadline=PATIENCE)
    try:
        while True:
            jobs = await _jobs(link)
            mine = next((job for job in jobs if job[b"name"] not in before), None)
            if mine is None:
                raise Lost(f"{link.where} has forgotten the move of slots {text.decode()}")
            state = mine[b"state"]
            if state == b"success":
                return
            if state in OVER:
                reason = mine.get(b"message", b"").decode("utf-8", "replace")
                raise Lost(f"the move was {state.decode()}: {reason or 'the server gives no reason'}")
            left = int(mine.get(b"remaining_repl_size", 0))
            tell(0, f"{state.decode('utf-8', 'replace')}, {left} bytes to go")
            await asyncio.sleep(POLL)
    except asyncio.CancelledError:
        running = [job for job in await _jobs(link) if job[b"state"] not in OVER]
        if len(running) == 1 and running[0][b"name"] not in before:
            await link.one("CLUSTER", "CANCELSLOTMIGRATIONS", deadline=PATIENCE)
        raise


async def _jobs(link: Link) -> list[dict[bytes, Any]]:
    said = await link.one("CLUSTER", "GETSLOTMIGRATIONS", deadline=PATIENCE)
    return [dict(zip(job[::2], job[1::2], strict=True)) for job in said]


async def move_one(
    slot: int, source: tuple[ClusterMember, Link], target: tuple[ClusterMember, Link], others: Sequence[Link]
) -> None:
    """One slot key by key; each key is at one of the two at any time, and who asks at the other is sent on.

    After a failure it is run again for the same slot: every step may be repeated.

    Raises:
        Refused, Lost: a step was refused or not answered; the slot may be left open (`moving`).
    """
    (giver, out), (taker, into) = source, target
    await into.one("CLUSTER", "SETSLOT", slot, "IMPORTING", giver.id, deadline=PATIENCE)
    await out.one("CLUSTER", "SETSLOT", slot, "MIGRATING", taker.id, deadline=PATIENCE)
    while keys := await out.one("CLUSTER", "GETKEYSINSLOT", slot, BATCH, deadline=PATIENCE):
        await out.one(*_migrate(into.address, keys), deadline=PATIENCE * 2)
    for link in (into, out):
        await link.one("CLUSTER", "SETSLOT", slot, "NODE", taker.id, deadline=PATIENCE)
    for link in others:  # they would hear of it by themselves, later
        try:
            await link.one("CLUSTER", "SETSLOT", slot, "NODE", taker.id, deadline=PATIENCE)
        except BackendError as error:
            if isinstance(error, Refused):
                raise


def _migrate(to: Address, keys: Sequence[bytes]) -> list[bytes | str | int]:
    login: list[bytes | str | int] = []
    if to.password:
        login = ["AUTH2", to.username, to.password] if to.username else ["AUTH", to.password]
    wait = int(PATIENCE * 1000)
    return ["MIGRATE", to.host, to.port, "", 0, wait, "REPLACE", *login, "KEYS", *keys]
