"""The registry of keys: complete, free of clashes, remappable, and the source of all help."""

from __future__ import annotations

import sys

import pytest

from perftui.model.action import Risk
from perftui.screens.commands import GLOBAL, Command, clashes, every_command, keymap
from perftui.screens.helptext import help_rows, keys_markdown, keys_text
from perftui.screens.reserved import FREE, RESERVED, SOFT
from tests.screens.conftest import KEYS


def own(key: str, id_: str = "cache.x", scope: str = "cache") -> Command:
    return Command(id_, key, "Title", "Help.", scope=scope)


def test_the_registry_has_no_clash() -> None:
    assert clashes(every_command()) == []


def test_every_global_key_is_reserved_or_soft() -> None:
    for command in GLOBAL:
        if command.id in SOFT:
            continue
        for key in command.keys:
            assert key in RESERVED or key.startswith("g "), (command.id, key)


def test_free_letters_are_not_reserved() -> None:
    assert not FREE & RESERVED


def test_a_reserved_key_is_refused() -> None:
    assert clashes([own("u")]) == ["cache.x: 'u' is reserved"]


def test_two_commands_that_meet_may_not_share_a_key() -> None:
    tab, screen, other = own("p", "a.p", "cache.keys"), own("p", "b.p", "cache"), own("p", "c.p", "cdn")
    assert clashes([tab, screen]) == ["a.p and b.p both want 'p'"]
    assert clashes([tab, other]) == []
    assert clashes([own("p", "a", "cache.keys"), own("p", "b", "cache.tiers")]) == []


def test_soft_letters_may_be_claimed_by_a_tab() -> None:
    assert clashes([*GLOBAL, own("s")]) == []


def test_title_and_help_are_asked_for() -> None:
    assert clashes([Command("x", "p", "", "", scope="cache")]) == ["x: no title", "x: no help"]


def test_a_remapped_key_replaces_the_default_everywhere(sample: None) -> None:
    keys = keymap({"help": "F", "cache.purge": "X"})
    assert keys.problems == ()
    table = keys.table("cache.sample")
    assert table["F"].id == "help"
    assert "?" not in table
    assert table["X"].id == "cache.purge"
    text = keys_text(keys)
    assert "F           Help" in text
    assert "`X`" in keys_markdown(keys)
    shown = ["".join(s.text for s in row) for row in help_rows(keys, "cache.sample", 76)]
    assert any(line.startswith("X") and "[destroys]" in line for line in shown)


@pytest.mark.parametrize(
    ("remaps", "problem"),
    [
        ({"hlp": "F"}, "[keys]: no command is called 'hlp'; did you mean 'help'?"),
        ({"undo": "q"}, "[keys]: 'q' for undo is already the key of quit"),
        ({"cache.purge": "v"}, "[keys]: 'v' for cache.purge is already the key of cache.view"),
    ],
)
def test_wrong_remaps_are_reported_and_left_out(sample: None, remaps: dict[str, str], problem: str) -> None:
    keys = keymap(remaps)
    assert keys.problems == (problem,)
    assert keys.remaps == {}


def test_swapping_two_keys_is_not_a_clash() -> None:
    keys = keymap({"undo": "y", "copy.cell": "u"})
    assert keys.problems == ()
    assert keys.table("")["y"].id == "undo"


def test_a_tabs_own_key_wins_over_a_soft_default(sample: None, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["perftui.screens.cache.keys"]
    claims = own("s", "cache.step", "cache.sample")
    monkeypatch.setattr(module, "KEYS", (*KEYS, claims))
    keys = keymap({})
    assert keys.table("cache.sample")["s"].id == "cache.step"
    assert keys.table("cache.other")["s"].id == "sort"


def test_help_names_risk_and_fits_eighty_columns(sample: None) -> None:
    rows = help_rows(keymap({}), "cache.sample", 76)
    assert all(sum(len(span.text) for span in row) <= 76 for row in rows)
    assert KEYS[0].risk is Risk.DESTROYS
