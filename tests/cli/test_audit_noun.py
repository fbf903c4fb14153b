"""`perftui audit`: what was done, and whether the record is whole."""

import json
import time

import pytest

from perftui.cli import main
from perftui.config.paths import audit_file
from perftui.model.action import Outcome
from perftui.model.auditlog import AuditEntry
from perftui.runtime.audit import Audit


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    audit = Audit(audit_file())
    now = time.time()
    for n, env in enumerate(("lab", "shop", "lab")):
        entry = AuditEntry(
            at=now - 3600 * (2 - n), run=f"r{n}", user="ada", origin="", env=env, action="cache.purge",
            target=f"session:{n}\x1b[31m", outcome=Outcome.DONE, detail=f"{n} keys",
        )  # fmt: skip
        audit.write(entry)
    return audit_file()


def test_list_is_newest_first_and_inert(record, capsys):
    assert main(["audit", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("session:")[1][0] for line in lines] == ["2", "1", "0"]
    assert "\x1b" not in "".join(lines)


def test_list_can_be_narrowed(record, capsys):
    for words, count in (
        (["--env", "lab"], 2),
        (["--since", "90m"], 2),
        (["--limit", "1"], 1),
        (["session:1", "keys"], 1),
    ):
        assert main(["audit", "list", "--json", *words]) == 0
        assert len(json.loads(capsys.readouterr().out)) == count, words


def test_verify_finds_a_changed_line(record, capsys):
    assert main(["audit", "verify"]) == 0
    assert "chain intact" in capsys.readouterr().out
    record.write_text(record.read_text().replace("1 keys", "9 keys"))
    assert main(["audit", "verify", "--json"]) == 1
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["ok"], verdict["line"]) == (False, 2)


def test_a_span_that_is_none_is_usage(capsys):
    assert main(["audit", "list", "--since", "yesterday"]) == 2
    assert "no span" in capsys.readouterr().err
