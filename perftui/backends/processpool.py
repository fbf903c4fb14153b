"""A pool of worker processes under a supervisor, spoken to over its control socket.

Protocol: one JSON object a line over a unix stream socket, `{"op": …}` → one object; an answer
with `error` is a refusal. The supervisor's own module documents the operations.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any, ClassVar

from perftui.model.action import Receipt
from perftui.model.autoscaling import Instance, PoolFacts, Scale
from perftui.model.errors import Lost, PlanRejected, Protocol, Refused
from perftui.model.event import Event
from perftui.model.options import PoolOptions
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey

LIMIT = 1 << 20
WAIT = 3.0


class ProcessPool:
    """The workload `pool` of one supervisor; power `Scalable`."""

    kind: ClassVar[str] = "processpool"
    layer: ClassVar[str] = "scaling"
    Options: ClassVar[type] = PoolOptions
    period: ClassVar[float] = 1.0
    idle_period: ClassVar[float] = 5.0
    deadline: ClassVar[float] = 3.0

    def __init__(self, name: str, options: PoolOptions) -> None:
        self.name = name
        self._path = options.socket
        self._before: dict[str, tuple[float, float, int]] = {}  # worker → at, CPU seconds, requests

    async def open(self) -> None:
        """Check that the supervisor answers."""
        await self._ask({"op": "status"})

    async def close(self) -> None:
        """Nothing is held open: each question is a connection of its own."""

    async def read(self) -> Reading:
        """Workers, their usage and the newest events."""
        at, began = time.time(), time.monotonic()
        facts = self._facts(at, await self._ask({"op": "status"}))
        return Reading(self.name, at, time.monotonic() - began, self._measures(facts), facts)

    async def scale(self, ref: str) -> Scale:
        """Wanted, running and ready workers now."""
        return _scale(ref, await self._ask({"op": "status"}))

    async def set_replicas(self, ref: str, n: int, *, revision: int) -> Receipt:
        """Want `n` workers; PlanRejected when `revision` is stale or `n` is out of bounds."""
        answer = await self._ask({"op": "scale", "n": n, "revision": revision})
        after = _scale(ref, answer if "workers" in answer else await self._ask({"op": "status"}))
        return Receipt(f"{self.name}: {after.desired} wanted", done=1, facts={"revision": after.revision})

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(WAIT):
                return await self._exchange(question)
        except TimeoutError as error:
            raise Lost(f"{self.name}: no answer from {self._path} in {WAIT:g} s") from error
        except PermissionError as error:
            raise Refused(f"{self.name}: may not open {self._path}: run as its owner") from error
        except OSError as error:
            raise Lost(f"{self.name}: cannot reach {self._path}: {error.strerror or error}") from error

    async def _exchange(self, question: dict[str, Any]) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=LIMIT)
        try:
            writer.write(json.dumps(question).encode() + b"\n")
            await writer.drain()
            line = await reader.readline()
        except ValueError as error:
            raise Protocol(f"{self.name}: an answer of over {LIMIT} bytes") from error
        finally:
            writer.close()
        return self._answer(line)

    def _answer(self, line: bytes) -> dict[str, Any]:
        if not line:
            raise Lost(f"{self.name}: the supervisor closed the connection")
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise Protocol(f"{self.name}: the answer is no JSON") from error
        if not isinstance(answer, dict):
            raise Protocol(f"{self.name}: the answer is no object")
        if "error" in answer:
            raise PlanRejected(f"{self.name}: {_reason(answer['error'])}")
        return answer

    def _facts(self, at: float, status: dict[str, Any]) -> PoolFacts:
        try:
            scale = _scale("pool", status)
            seen = [self._instance(at, worker) for worker in status["workers"]]
            events = tuple(_event(self.name, row) for row in status.get("events", ()))
        except (KeyError, TypeError, ValueError) as error:
            raise Protocol(f"{self.name}: a status that cannot be read: {error!r}") from error
        self._before = {i.id: self._before[i.id] for i in seen if i.id in self._before}
        return PoolFacts(scale, tuple(seen), events)

    def _instance(self, at: float, worker: dict[str, Any]) -> Instance:
        id_, cpu, requests = str(worker["id"]), float(worker["cpu_seconds"]), int(worker["requests"])
        instance = Instance(
            id_,
            int(worker["pid"]),
            str(worker["state"]),
            float(worker["since"]),
            requests,
            int(worker["inflight"]),
            int(worker["rss_bytes"]),
        )
        before = self._before.get(id_)
        self._before[id_] = (at, cpu, requests)
        if before is None or at <= before[0]:
            return instance
        gap = at - before[0]
        return replace(
            instance,
            cpu_ratio=max(0.0, cpu - before[1]) / gap,
            requests_per_s=max(0, requests - before[2]) / gap,
        )

    def _measures(self, facts: PoolFacts) -> tuple[Measure, ...]:
        def measure(name: str, value: float, unit: str) -> Measure:
            return Measure(SeriesKey(self.name, name), value, unit)

        scale = facts.scale
        rows = [
            measure("desired", scale.desired, "1"),
            measure("running", scale.running, "1"),
            measure("ready", scale.ready, "1"),
        ]
        cpu = [i.cpu_ratio for i in facts.instances if i.cpu_ratio is not None]
        rate = [i.requests_per_s for i in facts.instances if i.requests_per_s is not None]
        if cpu:
            rows.append(measure("cpu_ratio", sum(cpu), "ratio"))
        if rate:
            rows.append(measure("requests_per_s", sum(rate), "1/s"))
        return tuple(rows)


def _reason(error: Any) -> str:
    return str(error.get("message", error) if isinstance(error, dict) else error)[:300]


def _scale(ref: str, status: dict[str, Any]) -> Scale:
    states = [str(worker["state"]) for worker in status["workers"]]
    return Scale(
        ref,
        int(status["desired"]),
        sum(state != "dead" for state in states),
        states.count("ready"),
        int(status["minimum"]),
        int(status["maximum"]),
        int(status["revision"]),
    )


def _event(source: str, row: dict[str, Any]) -> Event:
    kind, reason = str(row["kind"])[:80], str(row.get("reason", ""))[:300]
    detail = str(row.get("detail", ""))[:300]
    return Event(float(row["at"]), "scale", source, kind, f"{reason} {detail}".strip())
