"""The audit: nothing edited, deleted or cut goes unnoticed, whoever writes and however often."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perftui.model.action import Outcome
from perftui.model.auditlog import AuditEntry
from perftui.model.errors import StoreError
from perftui.runtime import chain
from perftui.runtime.audit import MASK, Audit, masked, who

ENTRY = AuditEntry(
    at=1_700_000_000.25,
    run="r1",
    user="",
    origin="",
    env="lab",
    action="cache.purge",
    target="valkey session:*",
    outcome=Outcome.STARTED,
    params={"pattern": "session:*", "count": 3},
    plan="delete 3 keys",
)


@pytest.fixture
def audit(tmp_path):
    return Audit(tmp_path / "state" / "audit.jsonl")


def fill(audit, n):
    for number in range(n):
        audit.write(replace(ENTRY, run=f"r{number}", at=ENTRY.at + number))


def test_a_line_comes_back_with_who_and_where(audit):
    written = audit.write(ENTRY)
    assert audit.entries() == (written,)
    assert (written.user, written.origin, written.host) == who()
    assert written.pid == os.getpid()
    assert (written.at, written.params, written.seq) == (ENTRY.at, ENTRY.params, 1)


def test_files_are_for_the_owner_only(audit):
    audit.write(ENTRY)
    for path in audit.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(audit.path.parent.stat().st_mode) == 0o700


def test_an_untouched_chain_holds(audit):
    assert audit.verify().ok
    fill(audit, 20)
    assert audit.verify() == chain.Verdict(True, 20, audit.path)


@pytest.mark.parametrize("line", [0, 7, 19])
def test_an_edited_line_is_named(audit, line):
    fill(audit, 20)
    lines = audit.path.read_text().splitlines(keepends=True)
    lines[line] = lines[line].replace("session:*", "session:1")
    audit.path.write_text("".join(lines))
    verdict = audit.verify()
    assert (verdict.ok, verdict.line) == (False, line + 1)
    assert str(verdict) == f"audit.jsonl line {line + 1}: was changed after it was written"


def test_an_edit_with_a_new_hash_breaks_at_the_next_line(audit):
    fill(audit, 5)
    lines = audit.path.read_text().splitlines()
    fields = json.loads(lines[2])
    fields.pop("hash")
    fields["user"] = "nobody"
    fields["hash"] = chain.link(fields["prev"], fields)
    lines[2] = chain.canonical(fields)
    audit.path.write_text("\n".join(lines) + "\n")
    assert audit.verify().line == 4


@pytest.mark.parametrize("line", [0, 7, 18])
def test_a_deleted_line_is_named(audit, line):
    fill(audit, 20)
    lines = audit.path.read_text().splitlines(keepends=True)
    del lines[line]
    audit.path.write_text("".join(lines))
    verdict = audit.verify()
    assert (verdict.ok, verdict.line) == (False, line + 1)
    assert "something is missing" in verdict.what


def test_swapped_lines_are_named(audit):
    fill(audit, 5)
    lines = audit.path.read_text().splitlines(keepends=True)
    lines[1], lines[2] = lines[2], lines[1]
    audit.path.write_text("".join(lines))
    assert audit.verify().line == 2


def test_a_tail_cut_off_at_a_line_is_noticed(audit):
    fill(audit, 20)
    lines = audit.path.read_text().splitlines(keepends=True)
    audit.path.write_text("".join(lines[:15]))
    verdict = audit.verify()
    assert not verdict.ok
    assert "20 were written" in verdict.what


def test_a_line_cut_in_its_middle_is_named_and_writing_goes_on(audit):
    fill(audit, 3)
    data = audit.path.read_bytes()
    audit.path.write_bytes(data[:-20])
    assert (audit.verify().line, audit.verify().what) == (3, "cut short")
    again = audit.write(ENTRY)
    assert again.seq == 3
    assert len(audit.path.read_text().splitlines()) == 4
    assert audit.verify().line == 3


def test_a_removed_log_is_noticed(audit):
    fill(audit, 3)
    audit.path.unlink()
    assert not audit.verify().ok


def test_rotation_keeps_the_chain(tmp_path):
    audit = Audit(tmp_path / "audit.jsonl", max_bytes=2000)
    fill(audit, 40)
    assert len(chain.parts(audit.path)) > 3
    assert audit.verify().ok
    assert [e.seq for e in audit.entries()] == list(range(40, 0, -1))
    chain.parts(audit.path)[1].unlink()
    assert "something is missing" in audit.verify().what


WRITER = """
import sys
from pathlib import Path
from perftui.runtime.audit import Audit
from tests.runtime.test_audit import fill
fill(Audit(Path(sys.argv[1]), max_bytes=20000), 60)
"""


def test_processes_append_together(tmp_path):
    path = tmp_path / "audit.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) for _ in range(2)]
    assert [writer.wait(30) for writer in writers] == [0, 0]
    audit = Audit(path)
    assert audit.verify() == chain.Verdict(True, 120, path)
    assert len({entry.pid for entry in audit.entries()}) == 2


def test_a_killed_writer_leaves_a_whole_chain(tmp_path):
    path = tmp_path / "audit.jsonl"
    writer = subprocess.Popen([sys.executable, "-c", WRITER.replace("60", "100000"), str(path)])
    limit = time.monotonic() + 20
    while not (path.exists() and path.stat().st_size > 3000):
        assert time.monotonic() < limit
    writer.kill()
    writer.wait()
    audit = Audit(path)
    assert audit.verify().ok
    audit.write(ENTRY)
    assert audit.verify().ok


def test_an_unwritable_log_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    audit = Audit(tmp_path / "file" / "audit.jsonl")
    with pytest.raises(StoreError, match=r"cannot write .*audit\.jsonl: "):
        audit.write(ENTRY)
    assert audit.problem().startswith("cannot write")


def test_a_disk_that_fills_up_leaves_no_half_line(audit):
    fill(audit, 3)
    size = audit.path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, before[1]))
    try:
        with pytest.raises(StoreError, match="No space left on device"):
            audit.write(ENTRY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert audit.verify() == chain.Verdict(True, 3, audit.path)
    assert audit.write(ENTRY).seq == 4


def test_entries_by_time_text_and_number(audit):
    fill(audit, 10)
    audit.write(replace(ENTRY, at=ENTRY.at + 99, target="web", action="scaling.scale"))
    assert [e.seq for e in audit.entries(limit=2)] == [11, 10]
    assert [e.seq for e in audit.entries(since=ENTRY.at + 8)] == [11, 10, 9]
    assert [e.seq for e in audit.entries(text="SCALE web")] == [11]


def test_runs_whose_process_is_gone_are_unfinished(audit):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lost = audit.write(replace(ENTRY, run="lost", pid=ended.pid))
    audit.write(replace(ENTRY, run="done", pid=ended.pid))
    audit.write(replace(ENTRY, run="done", pid=ended.pid, outcome=Outcome.DONE))
    audit.write(replace(ENTRY, run="other", pid=os.getppid()))
    audit.write(replace(ENTRY, run="mine"))
    assert audit.unfinished(running=["mine"]) == (lost,)
    audit.write(replace(lost, outcome=Outcome.CANCELLED))
    assert audit.unfinished(running=["mine"]) == ()


def test_secrets_never_reach_the_log(audit):
    params = {
        "password": "hunter2",
        "api_key": "hunter2",
        "url": "redis://default:hunter2@127.0.0.1/0",
        "nested": {"Authorization": "hunter2", "list": ["postgresql://u:hunter2@db/x"]},
        "key": "session:1",
    }
    audit.write(replace(ENTRY, params=params, detail="dsn postgres://u:hunter2@h failed"))
    assert "hunter2" not in audit.path.read_text()
    assert audit.entries()[0].params["key"] == "session:1"
    assert masked({"token": ""}) == {"token": ""}
    assert masked("x", "secret") == MASK


hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, max_examples=40)
@given(st.text(), st.dictionaries(st.text(), hostile, max_size=4))
def test_hostile_text_stays_inert_and_the_chain_whole(tmp_path_factory, target, params):
    audit = Audit(tmp_path_factory.mktemp("audit") / "audit.jsonl")
    audit.write(replace(ENTRY, target=target, params=params))
    audit.write(replace(ENTRY, detail="x" * 1_000_000, params={str(n): "y" * 5000 for n in range(100)}))
    audit.write(ENTRY)
    assert audit.verify().ok
    data = audit.path.read_bytes()
    assert all(32 <= byte < 127 or byte == 10 for byte in data)
    assert max(map(len, data.splitlines())) < chain.TAIL
    assert len(audit.entries()) == 3
