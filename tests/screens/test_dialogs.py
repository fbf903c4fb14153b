"""Dialogs: plans are told in full, challenges are exact, keys never reach the screen below."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from textual import events
from textual._xterm_parser import XTermParser
from textual.widgets import Input

from perftui.draw.rows import Look, plain
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import PartlyDone
from perftui.screens.dialogs.ask import AskDialog
from perftui.screens.dialogs.confirm import plan_rows
from perftui.screens.dialogs.palette import PaletteDialog
from perftui.widgets.columnchooser import ColumnChooser
from perftui.widgets.livetable import LiveTable
from tests.screens.conftest import cache_frame
from tests.screens.shell import ShellSession, shown
from tests.waiting import until


class Act:
    """An action whose plan and outcome a test chooses."""

    id = "cache.purge"
    title = "Purge keys"
    target = "main"
    risk = Risk.CHANGES
    deadline = 5.0

    def __init__(self, plan: Plan, outcome: Receipt | Exception | None = None) -> None:
        self._plan = plan
        self.outcome = outcome or Receipt("purged 3 keys", done=3, undo={"q": 1})
        self.ran = 0

    def __call__(self, source: str, **params: Any) -> Act:
        self.params = params
        return self

    async def plan(self) -> Plan:
        return self._plan

    async def run(self, report: Any) -> Receipt:
        self.ran += 1
        report(Progress(1, 3))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


PLAN = Plan(
    "Delete 3 keys matching user:*",
    affects=("user:1", "user:2", "evil\x1b[31m\nkey"),
    count=3,
    bytes_=2048,
    reversible=True,
    warnings=("keys written meanwhile stay",),
)


async def perform(session: ShellSession, act: Act, pilot: Any, app: Any) -> None:
    session.actions["cache.purge"] = act
    app.base.tab.perform("cache.purge", "main", pattern="user:*")
    await until(lambda: len(app.screen_stack) == 2)
    await pilot.pause()


async def test_plan_is_told_and_y_runs_it(session: ShellSession) -> None:
    act = Act(PLAN)
    async with shown("cache", session) as (app, pilot):
        await perform(session, act, pilot, app)
        text = app.text()
        for part in (
            "Purge keys",
            "Delete 3 keys matching user:*",
            "3 things, 2.00 KiB",
            "user:1",
            "evil\\x1b[31m\\nkey",
            "keys written meanwhile stay",
            "u undoes it",
            "y go",
        ):
            assert part in text, part
        await pilot.press("y")
        await until(lambda: act.ran == 1)
        await until(lambda: "purged 3 keys · u undoes it" in app.text())
        await pilot.press("u")
        await until(lambda: session.conductor.undone == 1)
        assert act.params == {"pattern": "user:*"}


async def test_what_cannot_be_undone_says_so_and_why(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        plan = replace(PLAN, reversible=False, undo_note="its client has to run it again")
        await perform(session, Act(plan), pilot, app)
        assert "this cannot be undone: its client has to run it again" in app.text()


async def test_a_rule_in_a_plan_keeps_its_shape_and_one_thing_is_one(session: ShellSession) -> None:
    rule = ("- alert: Slow", "  labels:", "    severity: critical")
    async with shown("cache", session) as (app, pilot):
        await perform(session, Act(replace(PLAN, count=1, affects=rule)), pilot, app)
        lines = [line.strip("│ ").rstrip() for line in app.text().splitlines()]
        assert "1 thing, 2.00 KiB" in lines
        rows = app.text().splitlines()
        edges = [next(row.index(part.strip()) for row in rows if part.strip() in row) for part in rule]
        assert [edge - edges[0] for edge in edges] == [0, 2, 4]


async def test_escape_declines_and_nothing_runs(session: ShellSession) -> None:
    act = Act(PLAN)
    async with shown("cache", session) as (app, pilot):
        await perform(session, act, pilot, app)
        await pilot.press("escape")
        await until(lambda: "declined" in app.text())
        assert act.ran == 0


async def test_a_challenge_must_be_typed_exactly(session: ShellSession) -> None:
    act = Act(Plan("Drop it", challenge="prod user:*"))
    async with shown("cache", session) as (app, pilot):
        await perform(session, act, pilot, app)
        await pilot.press(*"y", "enter")
        await pilot.pause()
        assert act.ran == 0
        assert "that is not the text asked for" in app.text()
        await pilot.press("backspace", *"prod", "space", *"user:*", "enter")
        await until(lambda: act.ran == 1)


async def test_keys_in_a_dialog_never_reach_the_screen_below(session: ShellSession) -> None:
    act = Act(PLAN)
    async with shown("cache", session) as (app, pilot):
        await perform(session, act, pilot, app)
        await pilot.press("3", "]", "q", "space", "p", "v", "u", ":", "j")
        assert app.current_mode == "cache"
        assert app.base.index == 0
        assert app.base.frozen_at is None
        assert app.base.tab.did == []  # type: ignore[union-attr]
        assert len(app.screen_stack) == 2
        assert app.is_running


async def test_the_world_goes_on_behind_a_dialog(session: ShellSession) -> None:
    async with shown("cache", session, size=(120, 40)) as (app, pilot):
        await perform(session, Act(PLAN), pilot, app)
        session.publish("cache", cache_frame(({"name": "meanwhile", "size": 1},)))
        await until(lambda: "meanwhile" in app.text())


async def test_partly_done_lists_what_was_done_failed_and_left(session: ShellSession) -> None:
    receipt = Receipt("2 of 4 purged", done=2, failed=("user:3: moved",), untouched=1)
    act = Act(PLAN, PartlyDone("2 of 4 purged", receipt))
    async with shown("cache", session) as (app, pilot):
        await perform(session, act, pilot, app)
        await pilot.press("y")
        await until(lambda: "partly done" in app.text())
        text = app.text()
    assert "done 2" in text
    assert "user:3: moved" in text
    assert "untouched 1" in text


async def test_production_is_in_header_dialog_and_title(sample: None) -> None:
    session = ShellSession({"cache": cache_frame()}, env="shop-eu", kind="production")
    async with shown("cache", session, size=(120, 40)) as (app, pilot):
        await perform(session, Act(PLAN), pilot, app)
        app.tick()
        lines = app.text().splitlines()
        assert lines[0].startswith(" PRODUCTION shop-eu ")
        assert any("╔" in line and "PRODUCTION shop-eu · Purge keys" in line for line in lines)
        assert app.title == "perftui PRODUCTION shop-eu"


async def test_ask_checks_before_it_answers(session: ShellSession) -> None:
    answers: list[str] = []
    async with shown("cache", session) as (app, pilot):
        app.base.tab.ask(  # type: ignore[union-attr]
            "Scale", "instances", answers.append, "3", lambda t: "" if t.isdigit() else "a number"
        )
        await pilot.pause()
        await pilot.press("x", "enter")
        await pilot.pause()
        assert "a number" in app.text()
        await pilot.press("backspace", "1", "enter")
        await until(lambda: answers == ["31"])


async def test_choose_by_cursor_and_letter(session: ShellSession) -> None:
    answers: list[str] = []
    options = [("1", "alpha"), ("2", "beta"), ("3", "bravo")]
    async with shown("cache", session) as (app, pilot):
        app.base.tab.choose("Pick", options, answers.append)  # type: ignore[union-attr]
        await pilot.pause()
        await pilot.press("b", "b", "enter")
        await until(lambda: answers == ["3"])
        app.base.tab.choose("Pick", options, answers.append)  # type: ignore[union-attr]
        await pilot.pause()
        await pilot.press("j", "escape")
        await pilot.pause()
        assert answers == ["3"]


async def test_menu_lists_keys_with_risk_and_runs_one(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        await pilot.press("a")
        await pilot.pause()
        text = app.text()
        assert "Purge" in text
        assert "destroys" in text
        await pilot.press("enter")
        await until(lambda: app.base.tab.did == ["cache.purge"])  # type: ignore[union-attr]


async def test_a_refused_action_is_greyed_with_its_reason(sample: None) -> None:
    session = ShellSession(
        {"cache": cache_frame()},
        sources={"KeyPurger": ("main",)},
        refuse={"cache.purge": "lab is read-only"},
    )
    async with shown("cache", session) as (app, pilot):
        assert "(p Purge)" in app.text().splitlines()[-1]
        await pilot.press("p")
        await pilot.pause()
        assert "Purge: lab is read-only" in app.text()
        assert app.base.tab.did == []  # type: ignore[union-attr]


async def test_a_key_without_any_backend_of_its_power_is_hidden(sample: None) -> None:
    async with shown("cache", ShellSession({"cache": cache_frame()})) as (app, _):
        assert "Purge" not in app.text()


async def test_help_pages_fit_and_name_the_tab(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        await pilot.press("?")
        await pilot.pause()
        first = app.text()
        assert "Keys of cache.sample" in first
        assert "Purge keys by pattern. [destroys]" in first
        assert "page 1 of" in first
        seen = first
        while app.screen.page < app.screen.pages - 1:  # type: ignore[attr-defined]
            await pilot.press("space")
            await pilot.pause()
            seen += app.text()
        for word in ("Quit", "Freeze", "Environment", "Jump"):
            assert word in seen
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_palette_finds_commands_and_runs_verbs(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        await pilot.press(":", *"purge", "space", *"user:", "enter")
        await until(lambda: app.base.tab.did == ["purge user:"])  # type: ignore[union-attr]
        await pilot.press("ctrl+p", *"other", "enter")
        await until(lambda: app.base.tab_name == "cache.other")
        await pilot.press(":")
        await pilot.pause()
        assert ":purge user:" in app.text()
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_jump_goes_to_panels_and_tabs(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        await pilot.press(";")
        await pilot.pause()
        labels = dict(app.screen.targets)  # type: ignore[attr-defined]
        more = app.base.query_one("#more")
        letter = next(k for k, t in labels.items() if t.y == more.region.y)
        await pilot.press(letter)
        await until(lambda: app.focused is more)
        await pilot.press(";")
        await pilot.press(next(k for k, t in labels.items() if (t.y, t.x > 0) == (1, True)))
        await until(lambda: app.base.tab_name == "cache.other")


async def test_toasts_are_three_at_most_and_never_over_the_footer(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        for n in range(5):
            app.toast(f"notice {n}", "warn")
        await pilot.pause()
        text = app.text()
        assert "notice 1" not in text
        assert all(f"▲ notice {n}" in text for n in (2, 3, 4))
        assert "notice" not in text.splitlines()[-1]
        assert app.focused is app.base.query_one("#keys")
        app.toasts.prune(asyncio.get_running_loop().time() + 1e9)
        app.base.tick()
        await pilot.pause()
        assert "notice" not in app.text()


async def test_escape_and_a_letter_read_together_are_two_keys(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        await pilot.press("?")
        await pilot.pause()
        app.post_message(events.Key("alt+v", "v"))
        await until(lambda: app.base.tab.did == ["cache.view"])  # type: ignore[union-attr]
        assert len(app.screen_stack) == 1


async def test_escape_and_a_digit_read_together_are_two_keys(session: ShellSession) -> None:
    (together,) = XTermParser().feed("\x1b4")
    async with shown("cache", session) as (app, pilot):
        await pilot.press("?")
        await pilot.pause()
        app.post_message(together)
        await until(lambda: app.base.stem == "database")
        assert len(app.screen_stack) == 1


@pytest.mark.parametrize("opens", ["question_mark", "colon", "semicolon", "e"])
async def test_a_key_after_a_dialogs_end_is_for_what_is_below(session: ShellSession, opens: str) -> None:
    async with shown("cache", session) as (app, pilot):
        await pilot.press(opens)
        await pilot.pause()
        assert len(app.screen_stack) == 2
        dialog = app.screen
        for key in ("escape", "escape", "4"):
            dialog.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(lambda: app.base.stem == "database")
        assert len(app.screen_stack) == 1


async def test_escape_twice_leaves_the_column_chooser_once(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        await pilot.press("o")
        await pilot.pause()
        chooser = app.screen
        assert isinstance(chooser, ColumnChooser)
        chooser.action_leave()
        chooser.action_take()
        await until(lambda: len(app.screen_stack) == 1)


@pytest.mark.slow
@pytest.mark.parametrize("keys", ["4v", "]v]v[", "4]]v?", "1]v:"])
async def test_keys_typed_before_their_tab_is_there_wait_for_it(session: ShellSession, keys: str) -> None:
    slow, fast = [], []
    for kept in (slow, fast):
        async with shown("cache", session) as (app, pilot):
            for key in keys:
                event = next(iter(XTermParser().feed(key)))
                app.post_message(event)
                if kept is slow:
                    await pilot.pause()
            await pilot.pause()
            await pilot.pause(0.2)
            kept += [app.base.tab_name, *(type(s).__name__ for s in app.screen_stack[1:])]
            kept += [getattr(tab, "did", None) for tab in app.base.tabs.values()]
    assert slow == fast


async def test_jump_goes_to_a_row(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        table = app.base.query_one("#keys", LiveTable)
        await pilot.press(";")
        await pilot.pause()
        row = app.text().splitlines()
        y = next(n for n, line in enumerate(row) if "cart:7" in line)
        await pilot.press(row[y][0])
        await until(lambda: table.cursor_key == "cart:7")


async def test_enter_twice_in_one_breath_ends_the_palette_once(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        acted: list[int] = []
        await pilot.press("colon")
        dialog = app.screen
        assert isinstance(dialog, PaletteDialog)
        dialog.entries[0] = replace(dialog.entries[0], act=lambda: acted.append(1))
        field = dialog.query_one(Input)
        for _ in range(2):
            field.post_message(Input.Submitted(field, ""))
        await until(lambda: bool(acted))
        await pilot.pause()
        assert acted == [1]
        assert app.screen is app.base


async def test_a_dialog_below_another_ends_when_that_has_left(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        answers: list[str | None] = []
        below, above = AskDialog("below", "?"), AskDialog("above", "?")
        app.push_screen(below, answers.append)
        app.push_screen(above, answers.append)
        await pilot.pause()
        below.dismiss("late")
        await pilot.pause()
        assert (app.screen, answers) == (above, [])
        above.dismiss("first")
        above.dismiss("again")
        await until(lambda: answers == ["first", "late"])
        assert app.screen is app.base


def test_a_long_line_of_a_plan_is_told_in_four_rows_and_says_when_that_is_not_all() -> None:
    told = "not reached: " + " ".join(f"word{n}" for n in range(20))
    rows = plain(plan_rows(Act(PLAN), replace(PLAN, affects=(told, "next")), 60, Look()))
    at = next(n for n, row in enumerate(rows) if "not reached" in row)
    assert " ".join(row.strip() for row in rows[at : at + 3]) == told
    assert rows[at + 3].strip() == "next"
    rows = plain(plan_rows(Act(PLAN), replace(PLAN, affects=(told * 3, "next")), 60, Look()))
    assert rows[at + 3].rstrip().endswith("…")
    assert rows[at + 4].strip() == "next"
