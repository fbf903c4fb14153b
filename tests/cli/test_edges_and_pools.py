"""`perftui cdn` and `perftui scaling` on the lab: data, plans, receipts and exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from perftui.lab import Lab


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


async def perftui(lab: Lab, state: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command without a terminal."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "perftui",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PERFTUI_CONFIG": str(lab.config_path()), "PERFTUI_STATE_DIR": str(state)},
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def audit(state: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (state / "audit.jsonl").read_text("utf-8").splitlines()]


async def test_cdn_status_top_and_look(lab: Lab, state: Path) -> None:
    code, out, _ = await perftui(lab, state, "cdn", "status", "--json")
    assert code == 0
    assert json.loads(out)["edges"][0]["source"] == "edge"
    code, out, _ = await perftui(lab, state, "cdn", "look", "/", "--json")
    assert (code, json.loads(out)["status"]) == (0, 200)
    code, out, _ = await perftui(lab, state, "cdn", "top", "--limit", "5", "--json")
    assert code == 0
    assert 1 <= len(json.loads(out)) <= 5


async def test_a_purge_is_planned_refused_without_yes_and_proven_with_it(lab: Lab, state: Path) -> None:
    code, out, _ = await perftui(lab, state, "cdn", "purge", "/", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["plan"]["reversible"] is False
    assert not (state / "audit.jsonl").exists()
    code, _, err = await perftui(lab, state, "cdn", "purge", "/")
    assert code == 4
    assert "--yes" in err
    code, out, _ = await perftui(lab, state, "cdn", "purge", "/", "--yes", "--json")
    assert code == 0
    receipt = json.loads(out)
    assert receipt["facts"]["checks"][0]["verified"] is True
    assert [row["outcome"] for row in audit(state)][-2:] == ["started", "done"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("cdn", "purge", "--yes"), 2),
        (("cdn", "purge", "/", "--tag", "x", "--yes"), 2),
        (("cdn", "purge", "no-slash", "--yes"), 4),
        (("cdn", "purge", "--tag", "nobody-has-this", "--yes"), 5),
        (("cdn", "look", "/", "--cdn", "nobody"), 2),
        (("scaling", "set", "pool", "999", "--yes"), 4),
        (("scaling", "set", "nobody", "2", "--yes"), 2),
        (("scaling", "set", "pool", "many"), 2),
    ],
)
async def test_exit_codes(lab: Lab, state: Path, words: tuple[str, ...], code: int) -> None:
    got, _, err = await perftui(lab, state, *words)
    assert got == code, err
    assert err
    assert "Traceback" not in err


async def test_scaling_up_and_back_with_an_audit_that_verifies(lab: Lab, state: Path) -> None:
    code, out, _ = await perftui(lab, state, "scaling", "status", "--json")
    assert code == 0
    before = json.loads(out)["workloads"][0]["scale"]["desired"]
    for n in (before + 1, before):
        code, out, _ = await perftui(lab, state, "scaling", "set", "pool", str(n), "--yes", "--json")
        assert code == 0
        assert json.loads(out)["facts"]["after"] == n
    code, out, _ = await perftui(lab, state, "audit", "verify")
    assert code == 0
    lines = (state / "audit.jsonl").read_text("utf-8")
    (state / "audit.jsonl").write_text(lines.replace('"target":"pool"', '"target":"else"', 1), "utf-8")
    code, out, err = await perftui(lab, state, "audit", "verify")
    assert code == 1
    assert "line" in out + err
