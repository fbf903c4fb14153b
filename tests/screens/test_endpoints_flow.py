"""Endpoints of one service that several backends tell of, on the API tab of the real console."""

from __future__ import annotations

from pathlib import Path

import pytest

from perftui.lab import Lab
from perftui.lab.shoppart import ShopPart
from tests.console import state_dir
from tests.screens.test_alerts_flow import console_at
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


@pytest.fixture
def twice(lab: Lab, tmp_path: Path) -> Path:
    """The lab's shop, scraped under two names, and as a part of a list."""
    url = lab.part(ShopPart).url
    path = tmp_path / "config.toml"
    path.write_text(
        "[env.here]\n"
        + "".join(
            f'[env.here.backends.{name}]\nkind = "scrape"\nurl = "{url}/metrics"\nservice = "shop"\n'
            for name in ("one", "two")
        )
        + f'[env.bare.backends.fleet]\nkind = "targets"\ntargets = ["{url}/metrics"]\n'
    )
    path.chmod(0o600)
    return path


async def test_pictures_of_all_backends_and_whose_the_rest_are(twice: Path) -> None:
    async with console_at(twice, "here", (160, 48)) as seen:
        seen.app.go("overview.api")
        await seen.sees(r"/products/\{", within=60)
        await seen.press("enter")
        await seen.sees(r"p95 of \S+ \S+, each backend")
        await seen.sees("requests/s, each backend")
        await seen.sees("errors/s by status at one")
        await seen.sees("Latency at one")
        await seen.press("w")
        await until(lambda: any("from what one, two counted" in t.text for t in seen.app.toasts.items))


async def test_what_stands_in_a_list_is_not_asked_for_what_it_does_not_keep(twice: Path) -> None:
    async with console_at(twice, "bare", (160, 48)) as seen:
        seen.app.go("overview.api")
        await seen.sees(r"/products/\{", within=60)
        await seen.press("enter")
        await seen.sees("p50 p95 p99 of")
        await seen.sees(r"requests/s")
        assert "no EndpointSource" not in await seen.text()
        assert not seen.app.toasts.items
