"""Summary and optimization on the whole lab: figures that an independent client confirms."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from perftui.lab import Lab
from tests.console import console, state_dir

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48), (200, 60)])
async def test_summary_shows_every_layer(lab: Lab, size: Any) -> None:
    async with console(lab, "overview.summary", size) as seen:
        for name in ("hosts", "service", "cache", "cdn", "database", "scaling"):
            await seen.sees(rf"(?i)\b{name}\b")
        await seen.sees(r"(?i)scaling.*\b3\b|● ok +3 ready|3 ready")
        text = await seen.text()
        assert len(text.splitlines()) <= size[1]
        await seen.sees(r"memory +\d")


async def test_enter_on_a_layer_opens_its_screen(lab: Lab) -> None:
    async with console(lab, "overview.summary", (80, 24)) as seen:
        await seen.sees(r"(?i)cache .*hit ratio")
        await seen.press("j", "j", "enter")
        await seen.sees("▸2 Cache|2 Cache")
        assert seen.app.base.tab is not None
        assert seen.app.base.tab.id_ == "cache.tiers"


async def test_memory_agrees_with_proc(lab: Lab) -> None:
    async with console(lab, "overview.summary") as seen:
        found = await seen.sees(r"memory +[\d.]+% [\d.]+ GiB of ([\d.]+) GiB")
        total = re.search(r"MemTotal: +(\d+) kB", Path("/proc/meminfo").read_text("utf-8"))
        assert total is not None
        assert float(found[1]) == pytest.approx(int(total[1]) / 2**20, rel=0.01)


async def test_optimization_scores_and_ranks(lab: Lab) -> None:
    async with console(lab, "optimization.overview") as seen:
        await seen.sees(r"\d+ of 100 +judged on \d+ of \d+ checks", 30)
        await seen.sees("Cache hit ratio")
        await seen.sees(r"points of a check = 100")
        await seen.press("]")
        await seen.sees("Recommendations")
