"""What was sampled comes back: at once, after a restart, after a day, and never more than it may take."""

from __future__ import annotations

import asyncio
import math
import random
import time
from array import array

import pytest

from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime import archive
from perftui.runtime import history as module
from perftui.runtime.archive import DAY, HOUR, LEVELS
from perftui.runtime.clock import Clock
from perftui.runtime.history import ROWS, History, step_for
from perftui.runtime.rings import Rings
from perftui.runtime.store import Store
from tests.runtime.test_chunks import typical

T0 = 1_700_000_000.0 // (30 * DAY) * (30 * DAY)  # a window of every level begins here
A = SeriesKey("v", "a")
B = SeriesKey("v", "b", (("core", "0"), ("x", 'y"')))


def reading(at, source="v", **values):
    measures = [Measure(SeriesKey(source, name), value, "1/s") for name, value in values.items()]
    return Reading(source, at, 0.0, tuple(measures), None)


def pairs(series):
    return [(sample.at, sample.value) for sample in series]


def fed(history, start, seconds, every=1.0):
    """Feed a ramp with gaps; what was fed."""
    fed = []
    for n in range(int(seconds / every)):
        at = start + n * every
        values = {"a": float(n % 1000)} if n % 7 else {"b": 0.5}
        history.record(reading(at, **values))
        fed += [(at, float(n % 1000))] if n % 7 else []
    return fed


async def aged(history, now):
    """Fold everything that is due at `now`."""
    work = lambda driver: history._archive.expire(driver, now, history.max_bytes)  # noqa: E731
    while await asyncio.wrap_future(history.store.write(work)):
        pass


async def steps_in(store):
    sql = "SELECT step, count(*) FROM perftui_chunk GROUP BY step ORDER BY step"
    return dict(await asyncio.wrap_future(store.read(lambda driver: driver.query(sql))))


@pytest.fixture
def history(store):
    return History(store, Clock())


class HistoryLaws:
    """Held on every kind of store."""

    async def test_samples_come_back_from_memory_and_store_alike(self, history):
        want = fed(history, T0, 1000)
        for _ in range(3):
            assert pairs(history.series(A, T0, T0 + 2000)) == want
            assert pairs(history.series(A, T0 + 290.0, T0 + 310.0)) == [
                p for p in want if T0 + 290 <= p[0] <= T0 + 310
            ]
            assert await history.flush()
        assert not history._full

    async def test_another_console_reads_what_this_one_wrote(self, history, url):
        want = fed(history, T0, 700)
        history.record(Reading("v", T0 + 800, 0.0, (Measure(B, 0.25, "ratio"),), None))
        await history.flush()
        store = Store.open(url, env="lab")
        again = History(store, Clock())
        assert pairs(again.series(A, T0, T0 + 750)) == want
        assert pairs(again.series(B, T0, T0 + 900)) == [(T0 + 800, 0.25)]
        assert again.series(B, T0, T0 + 900).unit == "ratio"
        assert set(again.keys("v")) == {A, B, SeriesKey("v", "b")}
        assert again.keys(name="a") == (A,)
        await store.close()

    async def test_environments_do_not_mix(self, history, url):
        fed(history, T0, 10)
        await history.flush()
        store = Store.open(url, env="production")
        other = History(store, Clock())
        assert pairs(other.series(A, T0, T0 + 100)) == []
        other.record(reading(T0, a=7.0))
        await other.flush()
        assert pairs(other.series(A, T0, T0 + 100)) == [(T0, 7.0)]
        assert len(history.series(A, T0, T0 + 100)) == 8
        await store.close()

    async def test_a_saved_block_grows_without_doubling(self, history, url):
        want = []
        for part in range(4):
            want += fed(history, T0 + part * 50, 50)
            await history.flush()
        store = Store.open(url, env="lab")
        assert pairs(History(store, Clock()).series(A, T0, T0 + 900)) == want
        assert await steps_in(store) == {0: 3}
        await store.close()

    async def test_what_grows_old_is_folded_and_keeps_extremes_and_sums(self, history):
        want = fed(history, T0, 3 * HOUR)
        await history.flush()
        raw = await history.rollup(A, T0, T0 + 4 * HOUR, 3600.0)
        now = T0 + 3 * HOUR + DAY
        await aged(history, now)
        assert 10 in await steps_in(history.store)
        for later in (7 * DAY, 90 * DAY):
            folded = await history.rollup(A, T0, T0 + 4 * HOUR, 3600.0)
            for mine, theirs in zip(folded.columns, raw.columns, strict=True):
                assert all(math.isclose(x, y, rel_tol=1e-5) for x, y in zip(mine, theirs, strict=True))
            await aged(history, now + later)
        assert sum(raw.count) == len(want)
        assert await steps_in(history.store) == {60: 3} or 3600 in await steps_in(history.store)
        await aged(history, now + 800 * DAY)
        assert await steps_in(history.store) == {}
        assert pairs(history.series(A, T0, T0 + 4 * HOUR)) == []

    async def test_young_samples_stay_as_they_were(self, history):
        want = fed(history, T0, 3 * HOUR)
        await history.flush()
        await aged(history, T0 + DAY)
        assert pairs(history.series(A, T0, T0 + DAY)) == want

    async def test_a_range_over_several_levels_has_no_seam(self, history):
        fed(history, T0, 5 * HOUR)
        await history.flush()
        await aged(history, T0 + 2 * HOUR + DAY)
        assert set(await steps_in(history.store)) == {0, 10}
        rows = await history.rollup(A, T0, T0 + 5 * HOUR, 10.0)
        assert [b - a for a, b in zip(rows.at, rows.at[1:], strict=False)] == [10.0] * (len(rows) - 1)
        assert len(rows) == 1800
        mixed = history.series(A, T0, T0 + 5 * HOUR)
        assert [s.at for s in mixed] == sorted({s.at for s in mixed})

    async def test_over_its_size_the_oldest_finest_goes_first(self, history):
        rng = random.Random(3)
        for n in range(int(6 * HOUR)):
            history.record(reading(T0 + n, a=rng.random(), b=rng.random()))
        await history.flush()
        size = await asyncio.wrap_future(history.store.read(history._archive.size))
        assert history.pressed is None
        history.max_bytes = size * 2 // 3
        await aged(history, T0 + 6 * HOUR)
        assert history.pressed.at == T0 + 6 * HOUR
        assert T0 <= history.pressed.start < T0 + 3 * HOUR
        assert await asyncio.wrap_future(history.store.read(history._archive.size)) <= history.max_bytes
        assert len(history.series(A, T0, T0 + 2 * HOUR - 1)) == 720
        assert len(history.series(A, T0 + 4 * HOUR, T0 + 6 * HOUR)) == 7200
        history.max_bytes = 0
        await aged(history, T0 + 6 * HOUR)
        assert len(history.series(A, T0 + 4 * HOUR + 1, T0 + 6 * HOUR)) == 7199
        await aged(history, T0 + 100 * DAY)
        assert await steps_in(history.store) == {}
        assert await asyncio.wrap_future(history.store.read(history._archive.size)) == 0

    async def test_two_writers_of_one_source_are_merged(self, history, url):
        store = Store.open(url, env="lab")
        other = History(store, Clock())
        for n in range(100):
            history.record(reading(T0 + n, a=float(n)))
            other.record(reading(T0 + n + 0.5, a=n + 0.5))
        await history.flush()
        await other.flush()
        await store.close()
        store = Store.open(url, env="lab")
        merged = pairs(History(store, Clock()).series(A, T0, T0 + 100))
        assert merged == [(T0 + n / 2, n / 2) for n in range(200)]
        await store.close()

    async def test_long_ranges_are_read_coarser(self, history):
        fed(history, T0, 2 * HOUR, every=5)
        rows = history.series(A, T0 - 2 * DAY, T0 + DAY)
        assert {sample.at % 10 for sample in rows} == {0}

    async def test_pictures_ride_along(self, history):
        await history.store.put_last("cache", "{}")
        await history.tick()
        assert history.store.last_all(within=5)["cache"][1] == "{}"

    async def test_rings_reach_back_into_history(self, history):
        want = fed(history, T0, 400)
        await history.flush()
        rings = Rings(past=history)
        more = [(T0 + 500 + n, 1.0) for n in range(10)]
        for at, value in more:
            rings.record(reading(at, a=value))
        assert pairs(rings.series(A, T0, T0 + 600)) == want + more


class TestSqlite(HistoryLaws):
    @pytest.fixture
    def url(self, sqlite_url):
        return sqlite_url

    async def test_a_damaged_chunk_is_left_out(self, history):
        want = fed(history, T0, 3 * ROWS)
        await history.flush()
        sql = "UPDATE perftui_chunk SET data = ? WHERE start = ?"
        second = round((T0 + ROWS) * 1e6)
        await asyncio.wrap_future(history.store.write(lambda driver: driver.execute(sql, (b"junk", second))))
        kept = [p for p in want if not T0 + ROWS <= p[0] < T0 + 2 * ROWS]
        assert pairs(history.series(A, T0, T0 + 9 * ROWS)) == kept
        await aged(history, T0 + 2 * DAY)
        assert sum((await history.rollup(A, T0, T0 + DAY, 10.0)).count) == len(kept)

    async def test_a_store_that_cannot_be_written_costs_memory_only_so_far(self, tmp_path, monkeypatch):
        monkeypatch.setattr(module, "PENDING", 1 << 20)
        (tmp_path / "file").write_text("")
        store = Store.open(str(tmp_path / "file" / "store.db"), env="lab")
        history = History(store, Clock())
        names = {f"m{n}": 1.0 for n in range(40)}
        for n in range(12 * ROWS):
            history.record(reading(T0 + n, **names))
        await history.tick()
        assert store.problem
        assert history.dropped > 0
        assert sum(len(block.sheet.at) for block in history._full) * 41 * 8 <= 1 << 20
        assert len(history.series(SeriesKey("v", "m1"), T0 + 11 * ROWS, T0 + 12 * ROWS)) == ROWS
        await store.close()

    async def test_a_block_is_saved_before_it_is_full(self, store):
        now = [0.0]
        history = History(store, Clock(wall=lambda: T0 + 100, monotonic=lambda: now[0]))
        fed(history, T0, 50)
        await history.tick()
        assert await steps_in(store) == {}
        now[0] = 61.0
        await history.tick()
        assert await steps_in(store) == {0: 3}

    async def test_ids_of_a_transaction_that_failed_are_forgotten(self, history):
        fed(history, T0, 10)
        real = history.store.write_last
        history.store.write_last = lambda driver, pictures: driver.execute("nonsense")
        assert not await history.flush()
        history.store.write_last = real
        assert history._archive.ids == {}
        assert await history.flush()
        assert len(history._archive.ids) == 3

    async def test_series_that_ended_first_go_when_there_are_too_many(self, history, url, monkeypatch):
        monkeypatch.setattr(archive, "MOST_KNOWN", 50)
        for n in range(120):  # one lasts, the others live for a reading
            history.record(reading(T0 + n, a=float(n), **{f"process{n}": 1.0}))
            if n % 30 == 29:
                await history.flush()
                for block in [history._open.take("v")]:
                    assert len(block.columns) == 31
        await aged(history, T0 + 120)
        known = {key.name for key in history.keys()} - {""}  # noqa: SIM118
        assert {"a", "process119", "process95"} <= known
        assert len(known) == len(history._archive.ids) - 1 <= 50
        assert known == {key.name for key in history._archive.units} - {""}
        assert not {"process0", "process50"} & known
        assert len(history.series(A, T0, T0 + 200)) == 120
        assert len(history.series(SeriesKey("v", "process0"), T0, T0 + 200)) == 0
        sql = "SELECT sum(length(data) + 24) FROM perftui_chunk"
        there = (await asyncio.wrap_future(history.store.read(lambda driver: driver.query(sql))))[0][0]
        assert await asyncio.wrap_future(history.store.read(history._archive.size)) == there
        other = History(Store.open(url, env="lab"), Clock())
        assert await other.ready()
        assert {key.name for key in other._archive.ids} - {""} == known
        await other.store.close()
        history.record(reading(T0 + 130, process0=2.0))  # the same again is a series of its own
        assert await history.flush()
        assert len(history.series(SeriesKey("v", "process0"), T0, T0 + 200)) == 1

    async def test_bytes_on_disk_and_time_to_seek(self, tmp_path):
        """A day of 7 typical series: at most 1.6 B a sample in the file; a day is read in 100 ms."""
        store = Store.open(str(tmp_path / "store.db"), env="lab")
        history = History(store, Clock())
        columns = [array("d", column) for column in typical(random.Random(1), int(6 * HOUR))]
        for n in range(int(6 * HOUR)):
            history.record(reading(T0 + n, **{f"m{m}": column[n] for m, column in enumerate(columns)}))
        await history.flush()
        samples = len(columns) * 6 * HOUR
        size = await asyncio.wrap_future(history.store.read(history._archive.size))
        assert size / samples <= 1.6
        best = min(elapsed(lambda: history.series(SeriesKey("v", "m0"), T0, T0 + DAY)) for _ in range(5))
        assert best < 0.1
        assert len(history.series(SeriesKey("v", "m0"), T0, T0 + DAY)) == 6 * HOUR
        await store.close()


def elapsed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class TestPostgres(HistoryLaws):
    @pytest.fixture
    def url(self, postgres_url):
        return postgres_url


def test_resolution_suits_the_range():
    assert [step_for(seconds) for seconds in (900, DAY, 7 * DAY, 30 * DAY, 365 * DAY)] == [0, 0, 10, 60, 3600]
    assert [level.step for level in LEVELS] == [0, 10, 60, 3600]


@pytest.mark.parametrize("back", [2 * DAY, 20 * DAY])
async def test_the_last_values_alone_are_those_of_the_whole_rows(sqlite_url, back):
    """From memory, as read, and from folded levels, with gaps and a second writer's rows between."""
    store, now = Store.open(sqlite_url), [T0]
    history = History(store, Clock(lambda: now[0], lambda: now[0]))
    other = History(store, Clock(lambda: now[0], lambda: now[0]))
    for days in (12.0, 3.0, 0.5, 0.01):
        start = T0 + 20 * DAY - days * DAY
        fed(history, start, 3000, every=2.5)
        assert await history.flush()
        fed(other, start + 1.2, 900, every=3.0)
        assert await other.flush()
        await aged(history, start + 4000)
    await aged(history, T0 + 20 * DAY)
    fed(history, T0 + 20 * DAY, 400)
    end = T0 + 20 * DAY + 500
    for key in (A, SeriesKey("v", "b"), SeriesKey("v", "none"), SeriesKey("w", "a")):
        rows = await history.rollup(key, end - back, end)
        there = [(at, value) for at, value in zip(rows.at, rows.last, strict=True) if not math.isnan(value)]
        at, values = await history.lasts(key, end - back, end)
        assert list(zip(at, values, strict=True)) == there
        assert bool(there) == (key.source == "v" and key.name != "none")
    assert await store.close(within=10)
