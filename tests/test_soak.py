"""A short soak: hours of a real lab, played fast to a whole session whose rings are full all the while."""

from __future__ import annotations

import asyncio
import pickle
import shutil
from pathlib import Path

import pytest

from benchmarks import growth, mon_soak
from benchmarks.fastforward import record
from perftui.config import load
from perftui.lab import Lab

RING = 120.0  # seconds in memory: what is played fills that in two seconds and turns it over ten times
WARM, MINUTES = 0.3, 0.75
SHORT = {
    **mon_soak.PLAYED,
    "anonymous, MB": growth.Bound(1.5),
    "RSS, MB": growth.Bound(1.5),
    "tasks": growth.Bound(8.0),
    "descriptors": growth.Bound(3.0),
    "lag, ms": growth.Bound(250.0),
}
"""Caches of what is seldom asked fill for hours, and others have the processor too."""


@pytest.fixture
async def tape(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten seconds of what the lab's systems answer."""
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "recording"))
    shutil.copy(lab.config_path(), tmp_path / "lab.toml")
    made = await record(load(tmp_path / "lab.toml", "lab"), 10.0)
    assert {"valkey", "postgres", "shop", "host"} <= made.readings.keys()
    assert min(map(len, made.readings.values())) >= 3
    (tmp_path / "tape").write_bytes(pickle.dumps(made))
    return tmp_path / "tape"


@pytest.mark.slow
async def test_hours_of_a_lab_leave_memory_tasks_and_descriptors_flat(tape: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    words = ["--speed", "60", "--minutes", f"{MINUTES}", "--every", "1", "--ring-seconds", f"{RING}"]
    args = mon_soak.parsed(words)
    played = await asyncio.to_thread(lambda: list(mon_soak.played(args, tmp_path / "lab.toml", tape, state)))
    looks = [look for look in played if look["at"] >= WARM * 60]
    assert len(looks) >= 10
    seen = {figure: [(look["at"], look[figure]) for look in looks] for figure in looks[0]}
    assert min(value for _, value in seen["rings, MB"]) > 0.0
    assert looks[-1]["store, MB"] > 1.0  # history and frames were written all the while
    told = growth.rows("session", seen, SHORT, looks[-1]["at"] - looks[0]["at"])
    assert [line for line, fine in told if not fine] == []


def test_a_figure_that_grows_is_told() -> None:
    looks = [(float(n), 40.0 + 8 * (n % 2)) for n in range(30)]
    leaking = [(at, value + at / 4) for at, value in looks]
    told = growth.rows(
        "s", {"even": looks, "leak": leaking}, dict.fromkeys(("even", "leak"), growth.Bound(1.0)), 29.0
    )
    assert [fine for _, fine in told] == [True, False]


def test_a_part_of_the_level_is_allowed_and_a_passing_peak_is_no_growth() -> None:
    rising = [(float(n), 100.0 + n / 20) for n in range(40)]
    peak = [(float(n), 500.0 if n == 30 else 100.0) for n in range(40)]
    bounds = {"rising": growth.Bound(part=0.03), "peak": growth.Bound(part=0.03)}
    assert [fine for _, fine in growth.rows("s", {"rising": rising, "peak": peak}, bounds, 39.0)] == [
        True,
        True,
    ]
    assert [fine for _, fine in growth.rows("s", {"rising": rising, "peak": peak}, bounds, 100.0)] == [
        False,
        True,
    ]
