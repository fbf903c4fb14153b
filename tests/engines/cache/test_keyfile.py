"""The file of purged keys as bytes: whole, cut short, damaged, forged, somebody else's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.engines.cache import keyrecords
from perftui.engines.cache.keyfile import Contents, Full, KeyFile, contents
from perftui.engines.cache.keyrecords import ABOUT, HEAD, KEY, MAGIC, NOTE, About, Damaged, beginning, packed
from perftui.model.errors import PlanRejected
from perftui.model.keydumps import CAP, KeyDump

ABOUT_IT = About("abc1", "cache", "page:*", 1.7e9)
DUMPS = [KeyDump(b"page:%d" % n, -1 if n % 2 else 2_000_000_000_000 + n, bytes([n]) * n) for n in range(20)]
WHOLE = beginning(ABOUT_IT) + b"".join(packed(KEY, one.key, one.payload, one.dies) for one in DUMPS)


def saved(folder: Path, data: bytes = WHOLE) -> Path:
    file = folder / "keys"
    file.unlink(missing_ok=True)
    file.touch(0o600)
    file.write_bytes(data)
    return file


def read(found: Contents) -> list[KeyDump]:
    return [dump for group in found.groups() for dump in group]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    before = os.umask(0)
    try:
        file = KeyFile.create(path, ABOUT_IT, CAP)
    finally:
        os.umask(before)
    assert file.append(DUMPS[:7]) == 7
    assert file.append(DUMPS[7:]) == 13
    file.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == WHOLE
    found = contents(path)
    assert (found.about, found.keys, found.cut, found.damage, found.end) == (ABOUT_IT, 20, 0, "", len(WHOLE))
    assert read(found) == DUMPS


def test_no_file_is_written_over_and_an_empty_one_goes(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    KeyFile.create(path, ABOUT_IT, CAP).close()
    assert not path.exists()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(PlanRejected, match="exists: name a file that does not"):
        KeyFile.create(path, ABOUT_IT, CAP)
    with pytest.raises(PlanRejected, match="No such file"):
        KeyFile.create(tmp_path / "no" / "folder", ABOUT_IT, CAP)


def test_at_its_cap_it_takes_what_fits(tmp_path: Path) -> None:
    file = KeyFile.create(tmp_path / "keys", ABOUT_IT, len(beginning(ABOUT_IT)) + 10 * HEAD + 100)
    assert file.append(DUMPS) == 9
    assert "has reached its cap" in file.why
    file.close()
    assert read(contents(file.path)) == DUMPS[:9]


def test_a_disk_that_is_full_takes_nothing_by_halves(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    file = KeyFile.create(path, ABOUT_IT, CAP)
    assert file.append(DUMPS[:5]) == 5
    size = path.stat().st_size
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file._handle)
    os.close(full)
    assert file.append(DUMPS[5:]) == 0
    assert file.why.endswith("takes no more: No space left on device")
    with pytest.raises(Full, match="No space left"):
        file.note(b"x")
    file.close()
    assert path.stat().st_size == size
    assert read(contents(path)) == DUMPS[:5]


def test_the_last_of_one_name_counts(tmp_path: Path) -> None:
    newer = [
        KeyDump(b"page:3", 5, b"newer"),
        KeyDump(b"page:3", 6, b"newest"),
        KeyDump(b"page:0", -1, b"again"),
    ]
    more = b"".join(packed(KEY, one.key, one.payload, one.dies) for one in newer)
    found = contents(saved(tmp_path, WHOLE + more))
    assert found.keys == 20
    told = {dump.key: dump for dump in read(found)}
    assert len(told) == len(read(found)) == 20
    assert (told[b"page:3"], told[b"page:0"], told[b"page:7"]) == (newer[1], newer[2], DUMPS[7])


@pytest.mark.parametrize("gone", [1, HEAD, HEAD + 10, HEAD + 25])
def test_what_was_cut_short_at_the_end_is_left_out(tmp_path: Path, gone: int) -> None:
    found = contents(saved(tmp_path, WHOLE[:-gone]))
    assert (found.keys, found.damage) == (19, "")
    assert found.cut == HEAD + DUMPS[19].size - gone
    assert read(found) == DUMPS[:19]


@given(st.integers(0, len(WHOLE) - 1))
def test_wherever_it_is_cut_what_is_read_was_written(
    tmp_path_factory: pytest.TempPathFactory, at: int
) -> None:
    path = saved(tmp_path_factory.mktemp("cut"), WHOLE[:at])
    try:
        found = contents(path)
    except PlanRejected:
        assert at < len(beginning(ABOUT_IT))
        return
    assert found.damage == ""
    assert read(found) == DUMPS[: found.keys]
    assert found.end + found.cut == at


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_whatever_byte_is_changed_it_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, at: int, by: int
) -> None:
    data = bytearray(WHOLE)
    data[at] ^= by
    path = saved(tmp_path_factory.mktemp("changed"), bytes(data))
    try:
        found = contents(path)
    except PlanRejected:
        assert at < len(beginning(ABOUT_IT))
        return
    assert "is damaged" in found.damage
    assert found.end <= at
    assert read(found) == DUMPS[: found.keys]


def sound(first: bytes) -> bytes:
    """A head of a record as a forger makes it: its own sum is right."""
    return first + keyrecords._SUM.pack(keyrecords.crc32(first))


@pytest.mark.parametrize(
    "record",
    [
        sound(keyrecords._HEAD.pack(KEY, 1, 0xFFFF_FFFF, -1, 0)),
        sound(keyrecords._HEAD.pack(KEY, 0xFFFF_FFFF, 1, -1, 0)),
        sound(keyrecords._HEAD.pack(KEY, 1, 1, -2, 0)),
        sound(keyrecords._HEAD.pack(9, 1, 1, -1, 0)),
        sound(keyrecords._HEAD.pack(NOTE, 0, 1 << 23, -1, 0)),
        packed(ABOUT, b"", b"{}"),
        packed(KEY, b"perftui:quarantine:lease", b"x"),
        b"\0" * 4096,
    ],
)
def test_a_forged_record_ends_what_is_believed(tmp_path: Path, record: bytes) -> None:
    found = contents(saved(tmp_path, WHOLE + record + WHOLE[-HEAD:]))
    assert "is damaged" in found.damage
    assert read(found) == DUMPS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        MAGIC,
        MAGIC[:-2] + b"\x02\n" + WHOLE[len(MAGIC) :],
        MAGIC + packed(KEY, b"a", b"b"),
        MAGIC + packed(ABOUT, b"", b"[]"),
        MAGIC + packed(ABOUT, b"", b"\xff{"),
        MAGIC + packed(ABOUT, b"", b"[" * 50_000),
        MAGIC + packed(ABOUT, b"", b'{"id": "../x", "source": "a", "what": "b", "at": 1}'),
        MAGIC + packed(ABOUT, b"", b'{"id": "a", "source": "a", "what": "b", "at": NaN}'),
        MAGIC + packed(ABOUT, b"", b" " * 70_000),
    ],
)
def test_a_file_of_others_is_told(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(PlanRejected, match="keys: "):
        contents(saved(tmp_path, data))


def test_what_others_may_write_to_or_is_no_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.chmod(0o620)
    with pytest.raises(PlanRejected, match="chmod 600"):
        contents(path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, said in (("pipe", "no file"), (".", "no file"), ("gone", "No such file")):
        with pytest.raises(PlanRejected, match=said):
            contents(tmp_path / name)


def test_a_file_that_changes_after_the_look_is_not_gone_on_with(tmp_path: Path) -> None:
    path = saved(tmp_path)
    found = contents(path)
    path.write_bytes(WHOLE[:-40] + b"!" * 40)
    with pytest.raises(Damaged):
        read(found)
    path.write_bytes(WHOLE[:-40])
    with pytest.raises(Damaged, match=r"shorter|not as it was"):
        read(found)


def test_one_that_was_cut_short_is_gone_on_with(tmp_path: Path) -> None:
    path = saved(tmp_path, WHOLE[:-3])
    with pytest.raises(PlanRejected, match="is of purge abc1, not of abc2"):
        KeyFile.resume(path, "abc2", CAP)
    file = KeyFile.resume(path, "abc1", CAP)
    assert file.append(DUMPS[19:]) == 1
    file.close()
    assert read(contents(path)) == DUMPS
    KeyFile.resume(path, "abc1", CAP).close()
    assert path.read_bytes() == WHOLE
    path.write_bytes(WHOLE[:-3] + b"xxx")
    with pytest.raises(PlanRejected, match="another file"):
        KeyFile.resume(path, "abc1", CAP)
