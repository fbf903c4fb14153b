"""Applying a recommendation does its own action, on the backend it means."""

from __future__ import annotations

import pytest

from perftui.lab import Lab
from perftui.model.finding import Offer
from tests.console import console, session_on, state_dir

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


async def test_an_offer_without_a_backend_means_the_first_that_can(lab: Lab) -> None:
    session = session_on(lab)
    await session.start()
    assert session.target_of(Offer("scaling.set", "", "Scale")) == "pool"
    assert session.target_of(Offer("scaling.set", "other", "Scale")) == "other"
    await session.close()


@pytest.mark.slow
async def test_a_on_a_finding_shows_its_plan_or_says_why_there_is_none(lab: Lab) -> None:
    async with console(lab, "optimization.recommendations") as seen:
        await seen.sees(r"(▲|■|●) (warning|critical|info)", 40)
        await seen.press("A")
        await seen.sees("no key applies this one|esc")
