"""Scaling by key on the lab's pool: plan, confirm, effect on screen, undo, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from perftui.lab import Lab
from tests.console import console, state_dir
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


def outcomes(state_dir: Path) -> list[tuple[str, str]]:
    lines = (state_dir / "audit.jsonl").read_text("utf-8").splitlines()
    return [(row["action"], row["outcome"]) for row in map(json.loads, lines)]


async def test_scale_by_key_and_undo(lab: Lab, state_dir: Any) -> None:
    async with console(lab, "scaling.overview") as seen:
        await seen.sees(r"pool .*● 3/3")
        await seen.press("=")
        await seen.sees("instances wanted")
        await seen.press("backspace")
        await seen.types("4")
        await seen.sees(r"from 3 to 4")
        await seen.sees("back to 3", 3)
        await seen.press("y")
        await seen.sees(r"pool .*● 4/4", 20)
        await seen.sees("scaled +asked over")
        await seen.press("u")
        await seen.sees(r"│ undo: ")
        await seen.press("y")
        await seen.sees(r"pool .*● 3/3", 20)
        await until(lambda: len(outcomes(state_dir)) == 4, 20)  # the ending comes after the last worker's
    assert outcomes(state_dir) == [
        ("scaling.set", "started"),
        ("scaling.set", "done"),
        ("scaling.set", "started"),
        ("scaling.set", "undone"),
    ]


async def test_declined_leaves_a_line_and_no_change(lab: Lab, state_dir: Any) -> None:
    async with console(lab, "scaling.overview") as seen:
        await seen.sees(r"pool .*● 3/3")
        await seen.press("=")
        await seen.sees("instances wanted")
        await seen.press("backspace")
        await seen.types("5")
        await seen.sees(r"from 3 to 5")
        await seen.press("escape")
        await seen.sees("declined")
        await seen.sees(r"pool .*● 3/3")
    assert outcomes(state_dir) == [("scaling.set", "declined")]


async def test_bad_numbers_are_told_in_the_dialog_and_by_the_plan(lab: Lab) -> None:
    async with console(lab, "scaling.overview") as seen:
        await seen.sees(r"pool .*● 3/3")
        await seen.press("=")
        await seen.sees("instances wanted")
        await seen.types("x")
        await seen.sees("a whole number")
        await seen.press("backspace", "9", "9")
        await seen.press("enter")
        await seen.sees("outside its bounds 1 to 16")


async def test_read_only_greys_the_key_and_refuses(lab: Lab) -> None:
    async with console(lab, "scaling.overview", read_only=True) as seen:
        await seen.sees(r"pool .*● 3/3")
        await seen.press("=")
        await seen.sees("read-only")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_fits(lab: Lab, size: tuple[int, int]) -> None:
    async with console(lab, "scaling.overview", size) as seen:
        await seen.sees(r"pool .*● 3/3")
        lines = (await seen.text()).splitlines()
        assert len(lines) <= size[1]
        await seen.sees("Workers of pool")
        await seen.press("]")
        await seen.sees("Scale events")
