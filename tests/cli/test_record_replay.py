"""What was recorded is shown again without a system, a socket or a difference."""

from __future__ import annotations

import argparse
import json
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from perftui.app import PerftuiApp
from perftui.cli import main, stage
from perftui.config import load
from perftui.export.json import jsonable
from perftui.lab import Lab
from perftui.model.moment import TimeState
from perftui.screens.pictures import svg_of
from tests.console import state_dir
from tests.screens.test_travel_flow import body, figures, read_on, remembering
from tests.waiting import until

__all__ = ["state_dir"]

TABS = ("cache.tiers", "overview.hosts", "overview.alerts")


@pytest.fixture
def no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects, binds or looks a name up fails."""

    def refused(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"a socket was used: {args}")

    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, refused)
    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refused)


def options(path: Path, at: float) -> argparse.Namespace:
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1e6):06d}+00:00"
    return argparse.Namespace(replay=str(path), at=stamp, size=(120, 40), within=5.0, seconds=0.0, say=())


def plain(text: str) -> list[str]:
    """The body, whatever panel has the keys and wherever its cursor is; where a curve is, not its dots.

    Samples are kept to seven digits: one that lies on the edge of two dots may fall to the other side.
    """
    dots = re.compile("[\u2801-\u28ff]")
    cursor = re.compile(r"▸|\b\d+(?=/\d+ ─)")
    return [cursor.sub(" ", dots.sub("⣿", line.replace("━", "─"))) for line in body(text)]


async def recorded(lab: Lab, path: Path) -> tuple[float, dict[str, Any]]:
    """A console that records, and what it showed of an instant before everything was gone."""
    async with remembering(lab, "cache.tiers") as console:
        app = console.app
        app.verbs.say(f"record {path}")
        await console.sees("recording into")
        await read_on(console, "cache", 2)
        await until(lambda: app.session.frame("resources").report is not None)
        at = time.time()
        await read_on(console, "cache", 1)
        await read_on(console, "autoscaling", 1)  # it tells what happened up to then
        app.toasts.prune(time.monotonic() + 60.0)
        shown = {}
        for tab in TABS:
            app.go(tab)
            app.travel.show(at)
            await console.pilot.pause()
            shown[tab] = (figures(app.base.frames), plain(await console.text()))
        app.verbs.say("record stop")
        await console.sees("recorded: perftui replay")
    return at, shown


@pytest.mark.slow
async def test_a_recording_shows_what_was_shown(
    lab: Lab, state_dir: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "one.session"
    at, shown = await recorded(lab, path)
    request.getfixturevalue("no_socket")
    config = load(lab.config_path(), "lab", {})
    for tab, (expected, cells) in shown.items():
        args = options(path, at)
        pictures = []
        for _ in range(2):
            async with stage.staged(config, tab, args) as app:
                await stage.settled(app, args)
                assert figures(app.base.frames) == expected, tab
                assert plain(app.text()) == cells, tab
                assert not stage.absent(app)
                pictures.append(svg_of(app, tab))
        assert pictures[0] == pictures[1]
    async with stage.staged(config, "cache.keys", options(path, at)) as app:
        await stage.settled(app, options(path, at))
        replayed(app)


def replayed(app: PerftuiApp) -> None:
    """Keys of a recording: it plays, stands, steps, and nothing can be done."""
    clock = app.session.clock
    command = {c.id: c for c in app.base.reader.commands()}
    assert clock.now().state is TimeState.REPLAY
    assert "recording" in app.base.reader.reason(command["cache.purge"])
    app.base.run_command(command["mark"])
    assert clock.playing
    app.base.run_command(command["mark"])
    assert not clock.playing
    stood = clock.now().at
    app.base.run_command(command["time.back"])
    assert clock.now().at < stood
    app.base.run_command(command["filter.next"])
    app.verbs.say("record")
    assert "REPLAY" in app.text() or app.toasts.items


def test_the_command_line_tells_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], state_dir: Any
) -> None:
    path = tmp_path / "x.session"
    path.write_bytes(b"PK\x03\x04" * 99)
    assert main(["snapshot", "cache.tiers", "--replay", str(path), "--text", "-"]) == 3
    assert "is no recording of perftui" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "none")]) == 3
    assert "there is no file" in capsys.readouterr().err
    assert main(["show", "cache.tiers", "--at", "14:02"]) in (2, 3)
    capsys.readouterr()


@pytest.mark.slow
async def test_record_and_look_from_a_shell(lab: Lab, state_dir: Any, tmp_path: Path) -> None:
    import asyncio
    import sys

    path = tmp_path / "two.session"

    async def perftui(*words: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "perftui",
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    where = ("--config", str(lab.config_path()), "--env", "lab")
    code, out, err = await perftui("record", *where, "--out", str(path), "--for", "8s", "--json")
    assert code == 0, err
    assert json.loads(out)["bytes"] > 100_000
    code, _, err = await perftui("record", *where, "--out", str(path), "--for", "1s")
    assert (code, "exists" in err) == (3, True)
    code, text, err = await perftui("show", "cache.tiers", "--replay", str(path), "--json")
    assert code == 0, err
    assert json.loads(text)["frames"]["cache"]["report"]["nodes"]
    code, text, err = await perftui(
        "snapshot", "database.overview", "--replay", str(path), "--at", "1s", "--text", "-"
    )
    assert code == 0, err
    assert re.search(r"REPLAY .*paused", text)
    code, text, err = await perftui("show", "cache.tiers", "--at", "4s", *where)
    assert code == 0, err
    assert "valkey" in text
    code, text, err = await perftui("show", "cache.tiers", "--at", "2h", *where)
    assert (code, "no data" in err) == (1, True)
    assert jsonable(path.name) == "two.session"
