"""Write-behind with its journals: acknowledged means kept, failed means tried again, full means straight through."""

import asyncio
import resource
import shutil
import sqlite3
import stat

import pytest

from perftui.instrument.cache import writebehind, writequeue
from perftui.instrument.cache.journal import FileJournal, MemoryJournal
from perftui.instrument.cache.stamp import Stamps
from perftui.instrument.cache.writebehind import WriteBehind
from perftui.model.errors import Lost, StoreError
from tests.waiting import until


class Book:
    """A writer that keeps what it is told, and fails as it is told."""

    def __init__(self):
        self.writes, self.batches, self.fail = [], [], None
        self.gate = asyncio.Event()
        self.gate.set()

    async def write(self, items):
        await self.gate.wait()
        self.batches.append(len(items))
        if self.fail is not None and (error := self.fail(items)):
            raise error
        self.writes += [(w.key, w.value) for w in items]


class Failing(MemoryJournal):
    """A journal that does not work while `broken`."""

    broken = True

    async def commit(self, added, done):
        if self.broken:
            raise StoreError("disk full")


@pytest.fixture
def book():
    return Book()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(writequeue, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(writequeue, "GROWTH", 1.2)


@pytest.fixture
async def begun():
    """Starts write-behinds, and closes them at the end."""
    alive = []

    async def begin(*args, **more):
        behind = WriteBehind(*args, **more)
        await behind.start()
        alive.append(behind)
        return behind

    yield begin
    for behind in alive:
        await behind.close(1.0)


async def test_it_is_written_soon_in_batches_and_the_last_of_a_key_wins(begun, book):
    behind = await begun(book)
    book.gate.clear()
    sequences = await asyncio.gather(*(behind.put(f"k{n % 3}", n) for n in range(30)))
    assert sequences == sorted(set(sequences))
    assert behind.pending("k1")
    assert behind.value("k1") == 28
    await behind.remove("k2")
    assert behind.value("k2") is None
    book.gate.set()
    await until(lambda: behind.waiting == 0)
    assert dict(book.writes) == {"k0": 27, "k1": 28, "k2": None}
    assert len(book.batches) <= 2
    assert not behind.pending("k1")
    with pytest.raises(KeyError):
        behind.value("k1")


async def test_without_coalescing_every_write_arrives_in_order(begun, book):
    behind = await begun(book, coalesce=False)
    await asyncio.gather(*(behind.put(f"k{n % 3}", n) for n in range(1200)))
    assert await behind.flush() == 0
    for key in range(3):
        assert [v for k, v in book.writes if k == f"k{key}"] == list(range(key, 1200, 3))
    assert max(book.batches) == 500


async def test_a_file_keeps_what_was_acknowledged(begun, book, tmp_path):
    path = tmp_path / "new" / "writes.db"
    behind = await begun(book, FileJournal(path))
    book.gate.clear()
    await asyncio.gather(*(behind.put(f"k{n}", n) for n in range(100)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.with_name("writes.db-wal").stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with pytest.raises(StoreError, match="locked"):
        await WriteBehind(book, FileJournal(path)).start()
    assert await behind.close(0.05) == 100  # the writer hangs: nothing could be flushed

    second = Book()
    again = await begun(second, FileJournal(path))
    assert again.counts.replayed == 100
    assert again.value("k7") == 7
    assert await again.put("k7", 700) > 0
    await again.flush()
    assert dict(second.writes) == {**{f"k{n}": n for n in range(100)}, "k7": 700}
    assert await again.close() == 0
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM item").fetchone() == (0,)
    db.close()


async def test_sequences_never_go_back_even_when_the_clock_does(begun, book, tmp_path):
    path = tmp_path / "writes.db"
    first = await begun(book, FileJournal(path), now=lambda: 2_000_000_000.0)
    high = await first.put("a", 1)
    await first.close()
    second = await begun(book, FileJournal(path), now=lambda: 1_000_000_000.0)
    assert await second.put("a", 2) > high


async def test_a_file_that_is_no_journal_is_refused(book, tmp_path):
    path = tmp_path / "writes.db"
    path.write_bytes(b"something else" * 100)
    with pytest.raises(StoreError, match="not a database"):
        await WriteBehind(book, FileJournal(path)).start()


async def test_a_journal_with_a_row_that_is_none_of_ours_is_refused(begun, book, tmp_path):
    path = tmp_path / "writes.db"
    await (await begun(book, FileJournal(path))).close()
    for key in (b"\xff", "text"):
        with sqlite3.connect(path) as db:
            db.execute("INSERT OR REPLACE INTO item VALUES (1, ?, NULL)", (key,))
        db.close()
        with pytest.raises(StoreError, match="cannot be used"):
            await FileJournal(path).open()


async def test_five_failures_make_a_dead_letter_that_can_be_tried_again(begun, book, quick, tmp_path):
    told = []
    behind = await begun(book, FileJournal(tmp_path / "w.db"), told=lambda event, text: told.append(event))
    book.fail = lambda items: ValueError("no such column") if any(w.key == "bad" for w in items) else None
    await asyncio.gather(*(behind.put(key, key) for key in ("good", "bad", "fine")))
    await until(lambda: behind.counts.buried == 1)
    await until(lambda: behind.waiting == 0)
    assert dict(book.writes) == {"good": "good", "fine": "fine"}
    (dead,) = await behind.dead()
    assert (dead.item.key, dead.error) == ("bad", "ValueError: no such column")
    assert told == ["buried"]
    assert behind.counts.failed == 5
    await behind.close()

    healed = Book()
    again = await begun(healed, FileJournal(tmp_path / "w.db"))
    assert again.counts.replayed == 0
    assert await again.retry_dead() == 1
    assert await again.flush() == 0
    assert healed.writes == [("bad", "bad")]
    assert await again.dead() == []


async def test_a_database_that_comes_back_in_time_costs_nothing(begun, book, quick):
    behind = await begun(book)
    failures = iter([Lost("away"), ConnectionRefusedError(), TimeoutError()])
    book.fail = lambda items: next(failures, None)
    await asyncio.gather(*(behind.put(f"k{n}", n) for n in range(50)))
    assert await behind.flush() == 0
    assert len(book.writes) == 50
    assert book.batches == [50] * 4  # away as a whole: it is not cut into parts
    assert await behind.dead() == []


async def test_past_the_bound_writes_go_straight_through_and_it_is_said(begun, book, monkeypatch):
    monkeypatch.setattr(writequeue, "FIRST_PAUSE", 2.0)  # they still wait when the next one comes
    told = []
    behind = await begun(book, bound=20, told=lambda event, text: told.append((event, text)))
    book.fail = lambda items: Lost("away")
    await asyncio.gather(*(behind.put(f"k{n}", n) for n in range(20)))
    await until(lambda: behind.counts.failed)
    with pytest.raises(Lost):
        await behind.put("more", 1)
    assert not behind.pending("more")
    assert told[0] == ("through", "20 writes wait already")
    book.fail = None
    await behind.put("k3", "newer")  # what waits of the key must not come after it
    await until(lambda: behind.waiting == 0)
    assert behind.counts.through == 1
    assert dict(book.writes) == {**{f"k{n}": n for n in range(20)}, "k3": "newer"}
    await behind.put("later", 1)
    assert told[-1] == ("through", "writes are journaled again")


async def test_a_write_can_go_straight_through_and_keeps_its_place(begun, book, monkeypatch):
    monkeypatch.setattr(writequeue, "WAIT_S", 30.0)
    behind = await begun(book, coalesce=False)
    before = await behind.put("a", 1)
    await behind.put("b", 1)
    assert await behind.through("a", 2) > before
    assert book.writes == [("a", 1), ("a", 2)]
    await behind.through("a", None)
    assert not behind.pending("a")
    book.fail = lambda items: Lost("away")
    with pytest.raises(Lost):
        await behind.through("b", 2)
    assert behind.value("b") == 1
    book.fail = None
    assert await behind.flush() == 0
    assert book.writes[2:] == [("a", None), ("b", 1)]


async def test_sequences_are_of_the_scale_of_stamps(begun, book):
    at = 1_800_000_000.5
    behind = await begun(book, now=lambda: at)
    assert await behind.put("a", 1) == int.from_bytes(Stamps(lambda: at).next()[:8])


async def test_a_journal_that_fails_makes_it_write_through(begun, book):
    journal = Failing()
    behind = await begun(book, journal)
    await behind.put("a", 1)
    assert book.writes == [("a", 1)]
    assert behind.counts.through == 1
    journal.broken = False
    await behind.put("b", 2)
    assert behind.pending("b")


async def test_a_disk_that_fills_up_loses_nothing_that_was_acknowledged(begun, book, tmp_path):
    journal = FileJournal(tmp_path / "w.db")
    behind = await begun(book, journal)
    book.gate.clear()
    kept = {f"k{n}": n for n in range(20)}
    await asyncio.gather(*(behind.put(key, n) for key, n in kept.items()))
    largest = max(file.stat().st_size for file in tmp_path.iterdir())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 4096, before[1]))
    try:
        told = asyncio.ensure_future(behind.put("big", "x" * 100_000))
        await until(lambda: behind._commits._rest)
        copy = tmp_path / "after a crash.db"
        for ending in ("", "-wal"):
            if (tmp_path / f"w.db{ending}").exists():
                shutil.copy(tmp_path / f"w.db{ending}", f"{copy}{ending}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    crashed = FileJournal(copy)
    assert [item.key for item in await crashed.open()] == list(kept)
    await crashed.close()
    book.gate.set()
    await told
    await behind.put("later", 1)
    assert await behind.flush() == 0
    assert dict(book.writes) == {**kept, "big": "x" * 100_000, "later": 1}


async def test_a_second_journal_takes_over_and_hands_back(begun, book, tmp_path, monkeypatch):
    monkeypatch.setattr("perftui.instrument.cache.groupcommit.REST_S", 0.05)
    told, first = [], Failing()
    behind = await begun(
        book, first, fallback=FileJournal(tmp_path / "w.db"), told=lambda event, text: told.append(text)
    )
    book.gate.clear()
    await asyncio.gather(*(behind.put(f"k{n}", n) for n in range(10)))
    assert told == ["the second serves: disk full"]
    first.broken = False
    await until(lambda: not told[1:] and behind._commits._rest[first] < asyncio.get_running_loop().time())
    await behind.put("after", 1)
    assert told[1:] == ["the first journal is back"]
    book.gate.set()
    assert await behind.flush() == 0
    await behind.close()
    assert await FileJournal(tmp_path / "w.db").open() == []  # what it had was forgotten there


async def test_a_caller_that_is_cancelled_leaves_nothing_half_done(begun, book, tmp_path):
    behind = await begun(book, FileJournal(tmp_path / "w.db"))
    task = asyncio.create_task(behind.put("a", 1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert behind.pending("a")
    await until(lambda: book.writes == [("a", 1)])
    assert await behind.flush() == 0


async def test_a_writer_that_hangs_is_a_failure(begun, book, quick, monkeypatch):
    monkeypatch.setattr(writebehind, "WRITE_S", 0.05)
    behind = await begun(book)
    book.gate.clear()
    await behind.put("a", 1)
    await until(lambda: behind.counts.failed >= 2)
    assert behind.oldest_s > 0
    assert "TimeoutError" in behind.counts.last_error
    book.gate.set()
    assert await behind.flush() == 0


async def test_what_cannot_be_written_is_told_at_once(begun, book):
    behind = await begun(book)
    with pytest.raises(TypeError):
        await behind.put("a", object())
    assert not behind.pending("a")


async def test_before_its_start_and_after_its_end_a_write_goes_to_the_database_at_once(book):
    told = []
    behind = WriteBehind(book, told=lambda event, text: told.append(text))
    await asyncio.wait_for(behind.put("early", 1), 5)
    await behind.start()
    await behind.close()
    await asyncio.wait_for(behind.put("late", 2), 5)
    assert book.writes == [("early", 1), ("late", 2)]
    assert any("`await writes.start()` opens it" in text for text in told)
