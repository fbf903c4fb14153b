"""The CDN screen on the lab's edge: figures, content, and a purge proven by what follows."""

from __future__ import annotations

from typing import Any

import pytest

from perftui.lab import Lab
from tests.console import console, state_dir

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


async def test_traffic_shows_live_figures(lab: Lab) -> None:
    async with console(lab, "cdn.traffic") as seen:
        await seen.sees(r"edge +(Varnish|python edge).* \d")
        await seen.sees(r"● 1 well|■ .* sick")
        await seen.sees(r"Requests/s by state")


async def test_purge_of_a_url_by_key(lab: Lab) -> None:
    async with console(lab, "cdn.traffic") as seen:
        await seen.sees(r"edge +(Varnish|python edge)")
        await seen.press("p")
        await seen.sees("path to purge")
        await seen.types("")
        await seen.sees(r"Purge url / at edge")
        await seen.sees(r"/: \w+ now")
        await seen.press("y")
        await seen.sees("verified gone")
        await seen.press("]", "]")
        await seen.sees(r"● done .*verified gone")


async def test_a_tag_is_purged_with_its_objects(lab: Lab) -> None:
    async with console(lab, "cdn.content") as seen:
        await seen.sees(r"/products/\d+")
        await seen.press(":")
        await seen.types("purge tag:page")
        await seen.sees(r"Purge tag page at edge")
        await seen.press("y")
        await seen.sees(r"objects dropped", 20)


async def test_content_lists_urls_and_looks_at_one(lab: Lab) -> None:
    async with console(lab, "cdn.content") as seen:
        await seen.sees(r"/products/\d+ .*%")
        await seen.press("w")
        await seen.sees("Look at a URL")
        await seen.press("enter")
        await seen.sees(r": \d{3} (HIT|MISS|PASS)")


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_fits(lab: Lab, size: Any) -> None:
    async with console(lab, "cdn.traffic", size) as seen:
        await seen.sees(r"edge ")
        assert len((await seen.text()).splitlines()) <= size[1]
