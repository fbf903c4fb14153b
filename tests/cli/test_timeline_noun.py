"""`perftui timeline`: what the store holds of what happened."""

import asyncio
import json
import time

import pytest

from perftui.cli import main
from perftui.config import load, paths
from perftui.model.event import Event
from perftui.runtime.eventstore import EventStore
from perftui.runtime.store import Store


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "config.toml"
    path.write_text("[env.bare]\n")
    path.chmod(0o600)
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))
    return load(path)


@pytest.fixture
def happened(config):
    now = time.time()
    events = [
        Event(now - 7200, "scale", "pool", "ready"),
        Event(now - 60, "finding", "shop", "slow", "p95 | 120 ms"),
        Event(now - 30, "note", "bare", "deploy <b>\x1b[31m`x`", actor="ada"),
    ]

    async def put():
        store = Store.open(str(paths.private_dir(paths.state_dir()) / "store.sqlite"), "bare")
        await EventStore(store).put(events)
        await store.close()

    asyncio.run(put())
    return events


def test_lines_are_oldest_first_and_inert(happened, capsys):
    assert main(["timeline"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1].strip() for line in lines] == ["scale", "finding", "note"]
    assert "(open)" in lines[1]
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--since", "1h"], 2),
        (["--to", "1h"], 1),
        (["--since", "3h", "--to", "45s"], 2),
        (["--since", "30m", "--to", "20m"], 0),
        (["--kind", "note"], 1),
        (["pool", "READY"], 1),
        (["nowhere"], 0),
    ],
)
def test_it_can_be_narrowed(happened, capsys, words, count):
    assert main(["timeline", *words]) == 0
    assert len(capsys.readouterr().out.splitlines()) == count


def test_a_range_that_ends_before_it_begins_is_refused(happened, capsys):
    assert main(["timeline", "--since", "1h", "--to", "2h"]) == 2
    assert "--to must come after --since" in capsys.readouterr().err


def test_a_post_mortem_of_another_night_ends_with_it(happened, capsys):
    assert main(["timeline", "--md", "--since", "3h", "--to", "1h"]) == 0
    text = capsys.readouterr().out
    assert "ready" in text
    assert "deploy" not in text


def test_json_is_the_events_themselves(happened, capsys):
    assert main(["timeline", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [e["title"] for e in found] == [e.title for e in happened]
    assert found[1]["until"] is None


def test_markdown_cells_hold_whatever_they_are_given(happened, capsys):
    assert main(["timeline", "--md"]) == 0
    text = capsys.readouterr().out
    rows = [line for line in text.splitlines() if line.startswith("| 2")]
    assert len(rows) == 3
    assert all(line.replace("\\|", "").count("|") == 8 for line in rows)
    assert "p95 \\| 120 ms" in text
    assert "&lt;b>" in text
    assert "\x1b" not in text


def test_no_store_is_no_error_and_makes_none(config, capsys):
    assert main(["timeline"]) == 0
    assert "nothing was written down" in capsys.readouterr().err
    assert not (paths.state_dir() / "store.sqlite").exists()


def test_what_commands_did_is_told_once_from_the_audit(happened, capsys):
    from perftui.config.paths import audit_file
    from perftui.model.action import Outcome
    from perftui.model.auditlog import AuditEntry
    from perftui.runtime.audit import Audit

    now = time.time()
    for outcome, env in ((Outcome.STARTED, "bare"), (Outcome.DONE, "bare"), (Outcome.DONE, "other")):
        entry = AuditEntry(now, "r1", "ada", "", env, "cache.purge", "cache", outcome, plan="purge 3 keys")
        Audit(audit_file()).write(entry)
    assert main(["timeline", "--since", "1h", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (deed,) = [e for e in found if e["kind"] == "action"]
    assert (deed["title"], deed["actor"], deed["detail"]) == ("purge 3 keys", "ada", "done")
    assert found == sorted(found, key=lambda e: e["at"])
