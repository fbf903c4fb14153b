"""The lab's warm job: entered once, in a store that was not there before, and in the audit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perftui.cli import labjob
from perftui.config import load
from perftui.runtime.store import Store
from perftui.runtime.warmtable import WarmTable
from tests.agents import written


async def test_it_is_entered_once_and_audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    config = written(tmp_path / "c.toml", '[env.lab]\nkind = "lab"\n[env.lab.backends.host]\n')
    for _ in range(2):
        await labjob.enter(str(config))
    store = Store.open(str(load(str(config), "lab").store_place()), "lab")
    (row,) = (await WarmTable(store).page()).rows
    await store.close()
    assert (row.job.name, row.job.namespace, row.job.every) == ("bestsellers", "shop:product", 60.0)
    audit = [json.loads(line) for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert [e["outcome"] for e in audit if e.get("action") == "cache.warm-add"] == ["started", "done"]


async def test_a_store_that_cannot_be_written_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    text = f'[store]\nurl = "{tmp_path}"\n[env.lab]\nkind = "lab"\n[env.lab.backends.host]\n'
    await labjob.enter(str(written(tmp_path / "c.toml", text)))
    assert "the lab's warm job is not there" in capsys.readouterr().err
