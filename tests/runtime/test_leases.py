"""One holder at a time, a higher counter each time, and nobody acts on a lease that has passed on."""

from __future__ import annotations

import asyncio

import pytest

from perftui.runtime.leases import TTL, Leases
from perftui.runtime.store import Store


class LeaseLaws:
    async def test_one_of_many_becomes_the_holder(self, url):
        stores = [Store.open(url) for _ in range(4)]
        assert await asyncio.gather(*(store.ready() for store in stores)) == [True] * 4
        taken = await asyncio.gather(*(Leases(store).take("loop") for store in stores))
        (lease,) = [lease for lease in taken if lease is not None]
        assert lease.counter == 1
        assert TTL - 5 < lease.left <= TTL
        for store in stores:
            await store.close()

    async def test_a_live_lease_is_renewed_and_not_taken(self, store):
        mine, other = Leases(store, "me"), Leases(store, "other")
        lease = await mine.take("loop")
        assert await other.take("loop") is None
        again = await mine.renew(lease)
        assert (again.holder, again.counter) == ("me", 1)
        assert await other.held("loop") == (await mine.held("loop"))._replace(left=pytest.approx(TTL, abs=5))

    async def test_an_expired_lease_moves_on_and_its_sleeper_is_told(self, store):
        sleeper, other = Leases(store, "sleeper"), Leases(store, "other")
        old = await sleeper.take("loop", ttl=0.0)
        assert await other.held("loop") is None
        new = await other.take("loop")
        assert (new.holder, new.counter) == ("other", 2)
        assert await sleeper.renew(old) is None
        await sleeper.drop(old)
        assert (await sleeper.held("loop")).counter == 2 != old.counter

    async def test_a_dropped_lease_can_be_taken_at_once(self, store):
        mine, other = Leases(store, "me"), Leases(store, "other")
        await mine.drop(await mine.take("loop"))
        assert (await other.take("loop")).counter == 2
        assert (await mine.take("another")).counter == 1


class TestSqlite(LeaseLaws):
    @pytest.fixture
    def url(self, sqlite_url):
        return sqlite_url


class TestPostgres(LeaseLaws):
    @pytest.fixture
    def url(self, postgres_url):
        return postgres_url


async def test_holders_are_told_apart(tmp_path):
    store = Store.open(str(tmp_path / "store.db"))
    assert Leases(store).holder != Leases(store).holder
    await store.close()
