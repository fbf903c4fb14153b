"""Acting from a shell: nothing happens without a yes, a terminal's answer, or a plan that was only asked for."""

import argparse
import asyncio
import json
import os
import sys

import pytest

from perftui.cli import common
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import PartlyDone, PlanRejected
from perftui.runtime.audit import Audit
from perftui.runtime.clock import Clock
from perftui.runtime.conductor import Conductor


class Rename:
    """A real act on a real thing: it renames a file."""

    id = "test.rename"
    title = "Rename"
    risk = Risk.CHANGES
    deadline = 5.0

    def __init__(self, path, partly=False):
        self.path = path
        self.target = path.name
        self.partly = partly

    async def plan(self):
        return Plan(
            "rename to new", affects=("one\x1b[31m file",), count=1, reversible=True, challenge="rename it"
        )

    async def run(self, report):
        report(Progress(0, 1))
        self.path.rename(self.path.with_name("new"))
        if self.partly:
            raise PartlyDone(
                "only half", Receipt("renamed, not synced", done=1, failed=("sync",), untouched=1)
            )
        return Receipt("renamed", done=1)

    async def undo(self, receipt):
        self.path.with_name("new").rename(self.path)
        return Receipt("renamed back", done=1)


class Place:
    name = "lab"
    kind = "lab"


class Stage:
    def __init__(self, folder, read_only=False):
        self.conductor = Conductor(Place(), Audit(folder / "audit.jsonl"), Clock(), read_only)


def options(**more):
    return argparse.Namespace(**{"json": False, "yes": False, "dry_run": False, **more})


@pytest.fixture
def path(tmp_path):
    old = tmp_path / "old"
    old.write_text("x")
    return old


async def test_dry_run_prints_the_plan_and_does_nothing(path, tmp_path, capsys):
    assert await common.perform(Stage(tmp_path), Rename(path), options(dry_run=True)) == 0
    out = capsys.readouterr().out
    assert "Rename on old (changes): rename to new" in out
    assert "\x1b" not in out
    assert await common.perform(Stage(tmp_path), Rename(path), options(dry_run=True, json=True)) == 0
    assert json.loads(capsys.readouterr().out)["plan"]["count"] == 1
    assert path.exists()


async def test_yes_does_it_and_prints_the_receipt(path, tmp_path, capsys):
    assert await common.perform(Stage(tmp_path), Rename(path), options(yes=True)) == 0
    out, err = capsys.readouterr()
    assert out == "renamed\n"
    assert "can be undone" in err
    assert not path.exists()


async def test_without_a_terminal_and_a_yes_it_is_refused(path, tmp_path):
    with pytest.raises(PlanRejected, match="--yes"):
        await common.perform(Stage(tmp_path), Rename(path), options())
    assert path.exists()


async def test_read_only_refuses_a_yes(path, tmp_path):
    with pytest.raises(PlanRejected, match="read-only"):
        await common.perform(Stage(tmp_path, read_only=True), Rename(path), options(yes=True))
    assert path.exists()


async def test_partly_done_is_5_with_its_receipt(path, tmp_path, capsys):
    assert await common.perform(Stage(tmp_path), Rename(path, partly=True), options(yes=True)) == 5
    out, err = capsys.readouterr()
    assert out.splitlines() == ["renamed, not synced", "  failed: sync", "  untouched: 1"]
    assert "only half" in err


@pytest.mark.parametrize(("typed", "agreed"), [("rename it\n", True), ("y\n", False), ("\n", False)])
async def test_the_challenge_is_typed_on_the_terminal(path, typed, agreed, monkeypatch):
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        asked = asyncio.create_task(common.confirm(Rename(path), await Rename(path).plan(), yes=False))
        await asyncio.sleep(0)
        os.write(ours, typed.encode())
        assert await asyncio.wait_for(asked, 5) is agreed
    os.close(ours)
