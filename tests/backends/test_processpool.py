"""The process pool backend against the lab's own supervisor and its workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from perftui.backends.processpool import PoolOptions, ProcessPool
from perftui.lab import Lab
from perftui.model.errors import Lost, PlanRejected, Protocol
from perftui.model.ports import Scalable
from tests.backends.contract import BackendContract
from tests.waiting import until


class TestProcessPool(BackendContract):
    powers: ClassVar[tuple[type, ...]] = (Scalable,)

    @pytest.fixture
    def live(self, lab: Lab) -> Callable[[], ProcessPool]:
        return lambda: ProcessPool("pool", PoolOptions(lab.endpoints["shop"]["admin_socket"]))

    async def test_figures_agree_with_proc(self, backend: Any) -> None:
        facts = (await backend.read()).facts
        assert facts.scale.desired == facts.scale.ready == len(facts.instances) >= 1
        for worker in facts.instances:
            status = Path(f"/proc/{worker.pid}/status").read_text("utf-8")
            kib = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
            assert worker.rss_bytes == pytest.approx(kib * 1024, rel=0.2)
        again = (await backend.read()).facts
        assert all(i.cpu_ratio is not None and i.cpu_ratio >= 0 for i in again.instances)

    async def test_scale_up_and_down(self, backend: Any) -> None:
        before = await backend.scale("pool")
        await backend.set_replicas("pool", before.desired + 1, revision=before.revision)
        grown = await settled(backend, before.desired + 1)
        assert grown.revision != before.revision
        with pytest.raises(PlanRejected):
            await backend.set_replicas("pool", 1, revision=before.revision)
        with pytest.raises(PlanRejected):
            await backend.set_replicas("pool", 10_000, revision=grown.revision)
        await backend.set_replicas("pool", before.desired, revision=grown.revision)
        await settled(backend, before.desired)
        kinds = [event.title for event in (await backend.read()).facts.events]
        assert any("drain" in kind for kind in kinds)


async def settled(backend: ProcessPool, n: int) -> Any:
    async with asyncio.timeout(20):
        while True:
            scale = await backend.scale("pool")
            if scale.ready == scale.running == n:
                return scale


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Callable[[bytes], Any]]:
    """A supervisor that answers with the bytes it is told, on a socket of this test's own."""
    servers: list[asyncio.Server] = []

    async def serve(answer: bytes) -> ProcessPool:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(answer)
            await writer.drain()
            writer.close()

        path = tmp_path / f"{len(servers)}.sock"
        servers.append(await asyncio.start_unix_server(talk, str(path)))
        return ProcessPool("pool", PoolOptions(str(path)))

    yield serve
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", Lost),
        (b"nonsense\n", Protocol),
        (b"[1]\n", Protocol),
        (b'{"desired": 3}\n', Protocol),
        (b'{"desired": "x", "workers": [], "minimum": 1, "maximum": 2, "revision": 1}\n', Protocol),
        (b'{"error": {"message": "no"}}\n', PlanRejected),
        (b'{"pad": "' + b"x" * (2 << 20) + b'"}\n', Protocol),
    ],
)
async def test_bad_answers(supervisor: Any, answer: bytes, error: type[Exception]) -> None:
    backend = await supervisor(answer)
    with pytest.raises(error) as caught:
        await backend.read()
    assert len(str(caught.value)) < 500


async def test_no_supervisor_is_lost(tmp_path: Path) -> None:
    with pytest.raises(Lost, match="cannot reach"):
        await ProcessPool("pool", PoolOptions(str(tmp_path / "none.sock"))).open()


async def test_a_supervisor_that_says_nothing_is_lost(tmp_path: Path) -> None:
    held: list[asyncio.StreamWriter] = []
    path = tmp_path / "silent.sock"
    server = await asyncio.start_unix_server(lambda _r, w: held.append(w), str(path))
    backend = ProcessPool("pool", PoolOptions(str(path)))
    with pytest.raises(Lost, match="no answer"):
        await backend.open()
    await until(lambda: held)
    for writer in held:
        writer.transport.abort()
    server.close()
