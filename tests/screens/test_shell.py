"""The console as a whole: pictures without a terminal, switches, crashes, what was left unfinished."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from perftui.app import Options, PerftuiApp, render
from perftui.model.finding import Finding, Severity
from perftui.model.frame import Frame
from perftui.screens.tables import csv_text, json_text
from tests.screens.conftest import cache_frame
from tests.screens.shell import ShellSession, shown
from tests.waiting import until


async def test_render_gives_svg_and_text_of_a_tab(session: ShellSession) -> None:
    svg, text = await render(session, "cache.sample", (120, 40), "light")  # type: ignore[arg-type]
    assert "user:2" in text
    assert len(text.splitlines()) == 40
    assert svg.startswith("<svg")
    assert "@font-face" not in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "").replace("https://textualize.io", "")
    assert session.closed


async def test_render_of_mono_has_no_colour_but_its_paper(session: ShellSession) -> None:
    _, text = await render(session, "cache.sample", (80, 24), "mono")  # type: ignore[arg-type]
    assert "user:2" in text


async def test_render_waits_no_longer_than_its_deadline(sample: None) -> None:
    from perftui.model.health import Link

    waiting = ShellSession({"cache": cache_frame(None, Link.WAITING)})
    _, text = await render(waiting, "cache.sample", (80, 24), deadline=0.2)  # type: ignore[arg-type]
    assert "waiting for the first read of main" in text


async def test_findings_are_counted_in_header_and_title(session: ShellSession) -> None:
    bad = Finding("cache.full", Severity.CRITICAL, "main", "full", ("used 99 %",))
    fine = Finding("cache.idle", Severity.INFO, "main", "idle", ("0 ops/s",))
    session.publish("findings", Frame("findings", 1.0, SimpleNamespace(findings=(bad, fine)), {}))
    async with shown("cache", session) as (app, pilot):
        await until(lambda: app.findings is not None)
        app.tick()
        app.base.tick()
        await pilot.pause()
        assert "■ 1 finding" in app.text().splitlines()[0]
        assert app.title == "perftui lab (1)"


async def test_unfinished_actions_of_an_earlier_console_are_told(session: ShellSession) -> None:
    entry = SimpleNamespace(action="scaling.set", target="web", user="kim")
    session.conductor.left_over = (entry,)
    async with shown("cache", session) as (app, _):
        await until(lambda: "unfinished: scaling.set on web" in app.text())


async def test_theme_changes_at_once_and_unknown_ones_are_told(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        app.verbs.say("theme light")
        assert app.palette.name == "light"
        assert app.theme == "perftui-light"
        app.verbs.say("theme pink")
        await until(lambda: "themes: dark, light" in app.text())
        assert app.palette.name == "light"
        await pilot.pause()


async def test_leaving_read_only_needs_the_name_typed(session: ShellSession) -> None:
    async with shown("cache", session, size=(120, 40)) as (app, pilot):
        app.verbs.say("readonly")
        assert session.read_only
        await until(lambda: "read-only" in app.text().splitlines()[0])
        app.verbs.say("readonly off")
        await pilot.pause()
        await pilot.press(*"nope", "enter")
        await pilot.pause()
        assert session.read_only
        await pilot.press(*["backspace"] * 4, *"lab", "enter")
        await until(lambda: not session.read_only)


async def test_another_environment_drops_every_selection(session: ShellSession) -> None:
    other = ShellSession({"cache": cache_frame(({"name": "other:1", "size": 1},))}, env="stage")
    sessions = {"": session, "stage": other}
    options = Options(screen="cache", environments=("lab", "stage"))
    app = PerftuiApp(lambda env: sessions[env], options, environment={"TERM": "xterm"})  # type: ignore[arg-type, return-value]
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.started)
        await pilot.press("j", "3", "2", "ctrl+e")
        await pilot.pause()
        assert "lab (this one)" in app.text()
        await pilot.press("s", "enter")
        await until(lambda: session.closed and app.session is other and app.started)
        await until(lambda: "other:1" in app.text())
        assert app.text().startswith(" stage ")
        assert app.base.query_one("#keys").cursor_key == "other:1"  # type: ignore[attr-defined]


async def test_reload_says_what_changed_or_keeps_the_old(session: ShellSession) -> None:
    from perftui.model.errors import ConfigError

    answers: list[Any] = [["ui.theme: dark → light"], ConfigError("config.toml:3: no key 'thme'"), []]

    def again() -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    async with shown("cache", session, reload=again) as (app, _):
        for text in ("configuration changed: ui.theme", "the old configuration stays: config.toml:3"):
            app.verbs.say("reload")
            await until(lambda text=text: text in app.text())  # type: ignore[misc]
        await until(lambda: app.started)
        app.verbs.say("reload")
        await until(lambda: "nothing changed" in app.text())
        assert "Cancelled" not in app.text()


async def test_wrong_keys_of_the_configuration_are_told_and_good_ones_work(session: ShellSession) -> None:
    async with shown("cache", session, keys={"hlp": "F", "palette": "F"}, config_name="config.toml:7") as (
        app,
        pilot,
    ):
        assert "config.toml:7: no command is called 'hlp'" in app.text()
        assert " F Command" in app.text().splitlines()[-1]
        await pilot.press("F")
        await pilot.pause()
        assert "Command" in app.text()


async def test_export_writes_the_focused_table(session: ShellSession, tmp_path: Path) -> None:
    async with shown("cache", session, export_dir=str(tmp_path)) as (app, pilot):
        await pilot.press("e")
        await pilot.pause()
        await pilot.press("j", "enter")
        await until(lambda: list(tmp_path.glob("*.json")))
        await until(lambda: "3 rows written to" in app.text())
    [path] = tmp_path.glob("*.json")
    assert json.loads(path.read_text())[1] == {"name": "user:2", "size": 30}
    assert path.stat().st_mode & 0o777 == 0o600


def test_csv_guards_against_formulas() -> None:
    assert csv_text(("name", "n"), [("=1+1", 2), ("a,b", None), ("-x", -3)]) == (
        "name,n\r\n'=1+1,2\r\n\"a,b\",\r\n'-x,-3\r\n"
    )
    assert csv_text(("name",), [("\x1b[2J\u202e" + "n" * 9000,), (b"\xff\n",)]) == (
        "name\r\n\\x1b[2J\\u202e" + "n" * 9000 + "\r\n\\xff\\n\r\n"
    )
    assert json.loads(json_text(("a", "b"), [(1, "é")])) == [{"a": 1, "b": "é"}]


def test_a_crash_is_told_without_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path))
    app = PerftuiApp(lambda env: ShellSession(), environment={})  # type: ignore[arg-type, return-value]
    told = app.crashed(ValueError("secret hunter2"), "Traceback: line 3")
    assert "ValueError" in told
    assert "hunter2" not in told
    assert str(tmp_path / "crash.log") in told
    assert (tmp_path / "crash.log").read_text() == "Traceback: line 3"
    assert (tmp_path / "crash.log").stat().st_mode & 0o777 == 0o600


async def test_g_and_the_number_after_it_go_together_though_the_screen_changes_between(
    session: ShellSession,
) -> None:
    async with shown("cache", session) as (app, pilot):
        await pilot.press("g")
        app.go("database")
        await until(lambda: app.base.name != "cache")
        database = app.base
        await pilot.press("1")  # its first tab, if it had any here: not screen 1
        await pilot.pause()
        assert app.base is database
        await pilot.press("1")
        await until(lambda: app.base is not database)
