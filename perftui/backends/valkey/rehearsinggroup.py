"""The primary of a lab's group killed, while its sentinels say on their channels what they make of it.

Source: https://valkey.io/topics/sentinel (the events that sentinels publish).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from perftui.backends.valkey.beats import Beats
from perftui.backends.valkey.labnodes import LabNodes
from perftui.backends.valkey.link import Address, Link
from perftui.backends.valkey.rehearsing import PATIENCE, LabServers, Tell, Watch
from perftui.model.cachecluster import SLOTS, ClusterMember
from perftui.model.errors import BackendError, Lost

WHOLE = ((0, SLOTS - 1),)
SWITCHED = "+switch-master"
EVENTS = {
    "+sdown": ("suspected", "gets no answer from it"),
    "+odown": ("failed", "as many as the quorum agree"),
    "+try-failover": ("election", "asks the others for their votes"),
}
"""What a sentinel publishes of a primary, as which step of a failover, and what it means."""

ASKED_EVERY = 0.1  # seconds between questions, for whoever's connection broke while it was listened to


class LabGroup(LabServers):
    """A group that sentinels watch: they tell; servers are known by the id of their run.

    `watcher` tells how to reach one of `sentinels`, which are those known now; `group` is its name with them.
    """

    def __init__(
        self,
        nodes: LabNodes,
        address: Callable[[str], Address],
        watcher: Callable[[str], Address],
        sentinels: Callable[[], Sequence[str]],
        group: str,
    ) -> None:
        super().__init__(nodes, address)
        self._watcher = watcher
        self._sentinels = sentinels
        self._group = group

    async def node_timeout(self, member: ClusterMember) -> float:
        """Seconds of silence after which a sentinel thinks a server of the group down."""
        del member
        for place in self._sentinels():
            link = self._asks(place)
            try:
                row = await link.one("SENTINEL", "MASTER", self._group, deadline=1.0)
                told = dict(zip(row[::2], row[1::2], strict=True))
                return float(told[b"down-after-milliseconds"]) / 1000
            except (BackendError, KeyError, ValueError):
                continue  # another one will say
            finally:
                await link.close()
        raise Lost(f"no sentinel says after how long a server of {self._group} is down")

    async def _identity(self, member: ClusterMember) -> str:
        link = Link(self._address(member.address))
        try:
            said: bytes = await link.one("INFO", "server", deadline=1.0)
        finally:
            await link.close()
        head = b"run_id:"
        return next((line[len(head) :] for line in said.splitlines() if line.startswith(head)), b"").decode()

    def _begin(self, victim: ClusterMember, members: Sequence[ClusterMember], tell: Tell) -> Watch:
        watching = tuple(m for m in members if m.role == "sentinel" and m.state == "ok")
        return Watch(replace(victim, slots=WHOLE), watching, tell, "sentinels")

    def _asks(self, place: str) -> Link:
        return Link(self._watcher(place))

    def _written(self, members: Sequence[ClusterMember]) -> Sequence[ClusterMember]:
        return [replace(m, slots=WHOLE) for m in members if m.role == "primary"]

    async def _prepare(self, watch: Watch, links: dict[str, Link], beats: Beats) -> None:
        command = ("SUBSCRIBE", *EVENTS, SWITCHED)
        for place in links:
            told = partial(self._heard, watch, beats, place)
            watch.tasks.append(asyncio.create_task(self._asks(place).listen(command, told, 1.0)))

    async def _attend(self, watch: Watch, links: dict[str, Link], beats: Beats) -> None:
        while not watch.agreed:
            for place, link in links.items():
                try:
                    said = await link.one(
                        "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._group, deadline=PATIENCE
                    )
                    self._named(watch, beats, place, f"{said[0].decode()}:{int(said[1])}")
                except (BackendError, TypeError, ValueError):
                    continue  # one that is busy is asked again
            await asyncio.sleep(ASKED_EVERY)

    def _heard(self, watch: Watch, beats: Beats, by: str, message: Any) -> None:
        """What one sentinel publishes, of whatever group."""
        if not isinstance(message, list) or len(message) != 3 or message[0] != b"message" or not watch.began:
            return
        event, text = (bytes(part).decode("utf-8", "replace") for part in message[1:])
        if event == SWITCHED and text.startswith(f"{self._group} "):
            words = text.removeprefix(f"{self._group} ").split()
            if len(words) == 4:
                self._named(watch, beats, by, f"{words[2]}:{words[3]}")
        elif event in EVENTS and text.startswith(f"master {self._group} "):
            kind, meaning = EVENTS[event]
            watch.step(kind, by, f"{event}: {meaning}")

    def _named(self, watch: Watch, beats: Beats, by: str, place: str) -> None:
        """A sentinel's word for who the primary is: clients go there from then on, and so do our writes."""
        if place == watch.victim.address:
            return
        beats.follow([ClusterMember(place, place, "primary", slots=WHOLE)])
        watch.named(by, place, SWITCHED)
