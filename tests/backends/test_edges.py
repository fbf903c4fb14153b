"""Varnish and the Python edge, both real, before a real origin: contract, figures, purge and proof."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, ClassVar

import pytest

from perftui.backends.pyedge import PyEdge, PyEdgeOptions
from perftui.backends.varnish import Varnish, VarnishOptions
from perftui.engines.cdn.purge import PurgeEdge
from perftui.lab.edge.pyserver import PyEdgeServer
from perftui.lab.edge.varnish import VarnishServer, program
from perftui.lab.folders import Folder, server_owner
from perftui.model.backend import Backend
from perftui.model.cdn import CacheState, PurgeRequest
from perftui.model.errors import Lost, PartlyDone, PlanRejected, Refused
from perftui.model.ports import EdgeContent, EdgeVerifier, Purger
from tests.backends.contract import BackendContract
from tests.backends.edges import Origin
from tests.needs import needs

Make = Callable[[], Any]


@pytest.fixture(scope="session")
def origin() -> Iterator[Origin]:
    made = Origin()
    yield made
    made.close()


@pytest.fixture(scope="session")
def folder() -> Iterator[Folder]:
    made = Folder.create(server_owner())
    yield made
    made.remove()


@pytest.fixture(scope="session")
async def varnish(folder: Folder, origin: Origin) -> AsyncIterator[VarnishServer]:
    needs("varnish", program() is not None)
    server = VarnishServer(folder, origin.port, "varnish")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def python_edge(folder: Folder, origin: Origin) -> AsyncIterator[PyEdgeServer]:
    server = PyEdgeServer(folder, origin.port, "python")
    await server.start()
    yield server
    await server.stop()


def varnish_backend(server: VarnishServer, **changes: str) -> Varnish:
    options = {
        "url": server.url,
        "dir": str(server.workdir),
        "purge_url": server.purge_url,
        "token": server.token,
    }
    return Varnish("edge", VarnishOptions(**{**options, **changes}))


def silent(_progress: object) -> None:
    """Nobody looks at the progress here."""


class Counted:
    """Adds up rates over looks, since an edge's threads hand in their counters when they find time."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.at = 0.0
        self.total: dict[str, float] = {}
        self.unsure: dict[str, float] = {}  # readings are timed to the microsecond

    async def look(self) -> Any:
        reading = await self.backend.read()
        gap, self.at = reading.at - self.at, reading.at
        for state, rate in reading.facts.by_state:
            self.total[state] = self.total.get(state, 0.0) + rate * gap
            self.unsure[state] = self.unsure.get(state, 0.0005) + rate * 1e-6
        return reading.facts

    async def settle(self) -> None:
        """Look until nothing older comes in any more."""
        quiet = 0
        while quiet < 5:
            before = dict(self.total)
            await self.look()
            quiet = quiet + 1 if before == self.total else 0
        self.total.clear()
        self.unsure.clear()

    async def until(self, **wanted: int) -> Any:
        limit = time.monotonic() + 10
        while True:
            facts = await self.look()
            seen = {state: self.total.get(state, 0.0) for state in wanted}
            if all(abs(seen[state] - n) <= self.unsure.get(state, 0.0005) for state, n in wanted.items()):
                return facts
            assert time.monotonic() < limit, f"{seen}, wanted {wanted}"


class EdgeContract(BackendContract):
    powers: ClassVar[tuple[type, ...]] = (Purger, EdgeVerifier, EdgeContent)

    async def test_hit_after_miss_and_pass(self, backend: Any, path: str) -> None:
        first, second = await backend.look_at(path), await backend.look_at(path)
        assert (first.state, second.state) == (CacheState.MISS, CacheState.HIT)
        assert second.status == 200
        private = await backend.look_at(f"/private{path}")
        again = await backend.look_at(f"/private{path}")
        assert again.state in (CacheState.PASS, CacheState.MISS)
        assert private.state is not CacheState.HIT

    @pytest.mark.slow
    async def test_figures_agree_with_what_was_asked(self, backend: Any, origin: Origin, path: str) -> None:
        counted = Counted(backend)
        await counted.settle()
        before = len(origin.asked)
        for _ in range(10):
            await backend.look_at(path)
        assert len(origin.asked) - before == 1
        facts = await counted.until(hit=9, miss=1)
        assert facts.objects >= 1

    async def test_purge_of_a_url_makes_the_next_get_a_miss(self, backend: Any, path: str) -> None:
        for target in (path, f"{path}/other"):
            await backend.look_at(target)
        await backend.purge_edge(PurgeRequest("url", (path,)))
        assert (await backend.look_at(path)).state is CacheState.MISS
        assert (await backend.look_at(f"{path}/other")).state is CacheState.HIT

    async def test_purge_of_a_tag_reaches_every_object_with_it(self, backend: Any, path: str) -> None:
        tag = f"p:{path.strip('/')}"
        for target in (path, f"{path}/1", f"{path}/2", "/elsewhere"):
            await backend.look_at(target)
        assert await backend.purge_edge(PurgeRequest("tag", (tag,))) == 3
        for target in (path, f"{path}/1", f"{path}/2"):
            assert (await backend.look_at(target)).state is CacheState.MISS
        assert (await backend.look_at("/elsewhere")).state is CacheState.HIT

    async def test_recent_urls(self, backend: Any, path: str) -> None:
        for _ in range(4):
            await backend.look_at(path)
        use = next(u for u in await backend.recent_urls(1000) if u.url == path)
        assert (use.requests, use.hits) == (4, 3)
        assert f"p:{path.strip('/')}" in use.tags

    async def test_purge_action_is_verified(self, backend: Any, path: str) -> None:
        await backend.look_at(path)
        action = PurgeEdge(backend, "edge", targets=[path])
        plan = await action.plan()
        assert plan.count == 1
        assert not plan.reversible
        assert "HIT now" in plan.affects[0]
        receipt = await action.run(silent)
        assert receipt.done == 1
        assert receipt.facts["checks"][0]["before"] == "HIT"
        assert receipt.facts["checks"][0]["after"] == "MISS"
        assert "1 verified gone" in receipt.summary

    async def test_purge_action_by_tag_verifies_the_urls_it_saw(self, backend: Any, path: str) -> None:
        for target in (path, f"{path}/1"):
            await backend.look_at(target)
        action = PurgeEdge(backend, "edge", kind="tag", targets=[f"p:{path.strip('/')}"])
        await action.plan()
        receipt = await action.run(silent)
        assert receipt.facts["dropped"] == 2
        assert {c["url"] for c in receipt.facts["checks"]} == {path, f"{path}/1"}

    async def test_a_copy_another_visitor_fetched_since_is_proof_too(self, backend: Any, path: str) -> None:
        class Busy:
            """The edge with a visitor who comes between the purge and our GET."""

            def __getattr__(self, name: str) -> Any:
                return getattr(backend, name)

            async def purge_edge(self, request: PurgeRequest) -> int | None:
                dropped: int | None = await backend.purge_edge(request)
                await backend.look_at(path)
                return dropped

            async def look_at(self, url: str) -> Any:
                return await backend.look_at(url)

        action = PurgeEdge(Busy(), "edge", targets=[path])
        await action.plan()
        receipt = await action.run(silent)
        assert receipt.facts["checks"][0]["after"] == "HIT"
        assert receipt.facts["checks"][0]["verified"]

    async def test_an_edge_that_only_says_yes_is_not_believed(self, backend: Any, path: str) -> None:
        class Deaf:
            """Accepts and forgets nothing, as a vendor's 200 may."""

            async def purge_edge(self, request: PurgeRequest) -> int | None:
                return None

            async def look_at(self, url: str) -> Any:
                return await backend.look_at(url)

        action = PurgeEdge(Deaf(), "edge", targets=[path])
        await action.plan()
        with pytest.raises(PartlyDone, match="still cached"):
            await action.run(silent)

    async def test_a_tag_nobody_has_is_not_called_verified(self, backend: Any) -> None:
        action = PurgeEdge(backend, "edge", kind="tag", targets=["nobody-has-it"])
        plan = await action.plan()
        assert "cannot be verified" in plan.warnings[0]
        with pytest.raises(PartlyDone, match="not verified"):
            await action.run(silent)

    @pytest.mark.parametrize("target", ["", "no-slash", "/with space", "/line\nbreak", "/" + "x" * 3000])
    async def test_targets_that_cannot_be_meant_are_rejected(self, backend: Any, target: str) -> None:
        with pytest.raises(PlanRejected):
            await PurgeEdge(backend, "edge", targets=[target]).plan()

    @pytest.fixture
    def path(self, request: pytest.FixtureRequest) -> str:
        """A path of this test's own."""
        return f"/{type(self).__name__}-{request.node.originalname}".lower()


class TestVarnish(EdgeContract):
    @pytest.fixture
    def live(self, varnish: VarnishServer) -> Make:
        return lambda: varnish_backend(varnish)

    @pytest.fixture
    def secret(self, varnish: VarnishServer) -> str:
        return varnish.token

    async def test_wrong_token_is_refused(self, varnish: VarnishServer) -> None:
        backend = varnish_backend(varnish, token="wrong")
        await backend.open()
        with pytest.raises(Refused, match="token"):
            await backend.purge_edge(PurgeRequest("url", ("/",)))
        await backend.close()

    async def test_purge_is_no_business_of_visitors(self, varnish: VarnishServer) -> None:
        backend = varnish_backend(varnish, purge_url=varnish.url)
        await backend.open()
        with pytest.raises(Refused):
            await backend.purge_edge(PurgeRequest("url", ("/",)))
        await backend.close()

    async def test_no_varnishd_is_lost(self, varnish: VarnishServer, tmp_path: Any) -> None:
        backend = varnish_backend(varnish, dir=str(tmp_path))
        await backend.open()
        with pytest.raises(Lost):
            await backend.read()
        await backend.close()


class TestPyEdge(EdgeContract):
    @pytest.fixture
    def live(self, python_edge: PyEdgeServer) -> Make:
        return lambda: PyEdge("edge", PyEdgeOptions(python_edge.url, python_edge.token))

    @pytest.fixture
    def at(self) -> Callable[[int], Backend]:
        return lambda port: PyEdge("edge", PyEdgeOptions(f"http://127.0.0.1:{port}", "t"))

    @pytest.fixture
    def wrong_login(self, python_edge: PyEdgeServer) -> Make:
        return lambda: PyEdge("edge", PyEdgeOptions(python_edge.url, "wrong"))

    @pytest.fixture
    def secret(self, python_edge: PyEdgeServer) -> str:
        return python_edge.token


async def lost(backend: Any) -> None:
    """Read until it is Lost; a killed manager's worker may answer once more."""

    async def reads() -> None:
        limit = time.monotonic() + 6
        while time.monotonic() < limit:
            await backend.read()

    with pytest.raises(Lost):
        await reads()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["varnish", "python"])
async def test_killed_paused_restarted(kind: str, folder: Folder, origin: Origin) -> None:
    if kind == "varnish":
        needs("varnish", program() is not None)
    server: Any = (VarnishServer if kind == "varnish" else PyEdgeServer)(
        folder, origin.port, f"{kind}-faults"
    )
    await server.start()
    backend: Any = (
        varnish_backend(server)
        if kind == "varnish"
        else PyEdge("edge", PyEdgeOptions(server.url, server.token))
    )
    try:
        await backend.open()
        assert (await backend.read()).facts.objects == 0
        await server.pause()
        with pytest.raises(Lost):
            await backend.look_at("/x")
        await server.resume()
        assert (await backend.look_at("/x")).status == 200
        await server.kill()
        await lost(backend)
        await server.start()
        await backend.open()
        assert (await backend.look_at("/x")).state is CacheState.MISS
        assert (await backend.read()).facts.product
    finally:
        await backend.close()
        await server.stop()


def test_a_full_bitmap_of_good_probes_is_healthy() -> None:
    """64 ones do not fit a float: read as one, they would be 64 noughts."""
    from perftui.backends.varnish import _counters, _origins

    out = b'{"version": 1, "counters": {"VBE.boot.origin.happy": {"value": 18446744073709551615}}}'
    (origin,) = _origins(_counters(out))
    assert origin.healthy
    assert origin.detail.startswith("8 of the newest 8 probes good")
