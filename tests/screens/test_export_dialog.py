"""`e`: format, range and file in one box, the last choice again the next time."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from textual.widgets import Input

from perftui.draw.format import stamp
from perftui.screens.dialogs.export import ExportDialog
from perftui.screens.leaving import Choice, grafana_link, remember, remembered
from tests.console import state_dir
from tests.screens.test_alerts_flow import RULES, console_at
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(RULES)
    path.chmod(0o600)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return path


async def rows_in(seen: Any) -> None:
    """The host was read a few times, at the pace of a tab that shows it, and its processes are listed."""
    seen.app.go("overview.hosts")
    await seen.sees("CPU of")
    await until(lambda: bool(seen.app.base.tab.export_rows()[1]), 20)
    await until(lambda: len(seen.app.session.history.keys("host")) > 3, 20)


async def test_the_past_is_written_and_the_choice_remembered(config: Path, tmp_path: Path) -> None:
    async with console_at(config, "here", (120, 40)) as seen:
        await rows_in(seen)
        await seen.press("e")
        await seen.sees("range +as shown now")
        while "samples as CSV, a row each" not in marked(await seen.text()):
            await seen.press("j")
        await seen.sees("last 1 h")
        await seen.press("right", "right", "left")
        await seen.sees("last 6 h")
        await write_to(seen, tmp_path / "out.csv")
        await seen.sees(r"rows of \d+ series written to")
        await seen.press("e")
        await seen.sees("last 6 h")
        assert "samples as CSV, a row each" in marked(await seen.text())
        await seen.press("escape")
        await seen.press("e")
        await write_to(seen, tmp_path / "out.csv")
        await seen.sees("there is such")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["source"] for row in rows} == {"host"}
    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o600
    assert remembered() == Choice("samples.csv", 21600.0)


async def write_to(seen: Any, path: Path) -> None:
    """Edit the name (its end, a long one would be typed for seconds) and write."""
    await until(lambda: isinstance(seen.app.screen, ExportDialog))
    seen.app.screen.query_one(Input).value = str(path)[:-1]
    await seen.press("tab", "end", str(path)[-1], "enter")


async def test_what_stands_still_is_exported_up_to_there(config: Path, tmp_path: Path) -> None:
    config.write_text(f'{RULES}\n[grafana]\nurl = "http://127.0.0.1:9"\n')
    async with console_at(config, "here", (120, 40)) as seen:
        await rows_in(seen)
        at = seen.app.session.clock.wall()
        seen.app.session.clock.travel(at)
        seen.app.takeaway.last_choice = Choice("samples.csv", 3600.0)
        await seen.press("e")
        await seen.sees(rf"1 h to {stamp(at, seen.app.look.tz)}")
        await write_to(seen, tmp_path / "then.csv")
        await seen.sees(r"rows of \d+ series written to")
        assert f"to={at * 1000:.0f}" in grafana_link(seen.app.base)
    with (tmp_path / "then.csv").open(encoding="utf-8", newline="") as file:
        times = [datetime.fromisoformat(row["time"]).timestamp() for row in csv.DictReader(file)]
    assert max(times) <= at


def marked(text: str) -> str:
    return next((line for line in text.splitlines() if "▸" in line and "│" in line), "")


async def test_a_report_and_a_post_mortem_from_the_console(config: Path, tmp_path: Path) -> None:
    async with console_at(config, "here", (120, 40)) as seen:
        await rows_in(seen)
        for form, name in (("pdf", "r.pdf"), ("post-mortem.md", "p.md")):
            seen.app.takeaway.last_choice = Choice(form, 900.0)
            await seen.press("e")
            await write_to(seen, tmp_path / name)
            await until(lambda n=name: (tmp_path / n).exists() and (tmp_path / n).stat().st_size > 0, 20)
        await seen.sees("post-mortem and .* charts written")
    text = "".join(page.extract_text() for page in PdfReader(tmp_path / "r.pdf").pages)
    assert "Layer: hosts" in text
    assert "# Post-mortem: here" in (tmp_path / "p.md").read_text()
    assert list(tmp_path.glob("p-*.svg"))


def test_a_broken_memory_is_no_harm(state_dir: Path) -> None:
    assert remembered() == Choice()
    remember(Choice("pdf", 900.0))
    assert remembered() == Choice("pdf", 900.0)
    for broken in ("", "[]", '{"form": 1}', json.dumps({"form": "x", "seconds": "y"})):
        (state_dir / "export.json").write_text(broken)
        assert remembered() == Choice()


async def test_a_link_to_grafana_is_copied_or_the_line_that_connects_one(config: Path) -> None:
    async with console_at(config, "here", (120, 40)) as seen:
        await rows_in(seen)
        await seen.press(":")
        await seen.types("grafana")
        await seen.sees("no Grafana is configured")
    config.write_text(f'{RULES}\n[grafana]\nurl = "http://127.0.0.1:9"\n')
    async with console_at(config, "here", (120, 40)) as seen:
        await rows_in(seen)
        assert grafana_link(seen.app.base).startswith("http://127.0.0.1:9/d/perftui-overview?from=1")


@pytest.mark.slow
async def test_the_targets_are_pinned_by_a_key(config: Path) -> None:
    text = RULES + '[targets."cpu"]\nseries = "host/cpu.busy_ratio"\nbelow = 1.1\n'
    config.write_text(text)
    async with console_at(config, "here", (160, 60)) as seen:
        seen.app.go("overview.summary")
        await seen.sees(r"cpu +[\d.]+%")
        await seen.press("b")
        await seen.sees("baseline: 1 target as it is now")
        await seen.sees(r"since \d{4}-")
        await seen.sees(r"[\d.]+% → [\d.]+%")
        await seen.press("b")
        await seen.sees("no baseline any more")
