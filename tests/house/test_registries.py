"""Every name in a registry leads somewhere, and keeps its room's promises."""

import dataclasses
import importlib
import inspect

import pytest

from perftui import backends, engines
from perftui.cli import NOUNS, parser_of
from perftui.model import ports
from perftui.model.action import Risk
from perftui.screens.commands import SCREENS, clashes, every_command
from tests.house.tree import PACKAGE, TESTS, sources


def target(entry):
    module, _, name = entry.partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("kind", backends.BUILTIN)
def test_a_backend_keeps_the_protocol(kind):
    cls = target(backends.BUILTIN[kind])
    assert cls.kind == kind
    assert cls.layer in {"host", "cache", "cdn", "database", "api", "scaling", "profiling"}
    assert cls.deadline > 0
    assert 0 < cls.period <= cls.idle_period
    for name in ("open", "read", "close"):
        assert inspect.iscoroutinefunction(getattr(cls, name))


@pytest.mark.parametrize("kind", backends.BUILTIN)
def test_every_option_of_a_backend_is_explained_and_no_secret_is_shown(kind):
    options = target(backends.OPTIONS[kind])
    assert target(backends.BUILTIN[kind]).Options is options
    assert options.__dataclass_params__.frozen
    for spec in dataclasses.fields(options):
        assert spec.metadata.get("help"), f"{kind}.{spec.name} has no help"
        assert not (spec.metadata.get("secret") and spec.repr), f"{kind}.{spec.name} shows in repr"


@pytest.mark.parametrize("kind", backends.BUILTIN)
def test_every_backend_has_a_contract_test(kind):
    cls = backends.BUILTIN[kind].partition(":")[2]
    texts = [p.read_text() for p in (TESTS / "backends").rglob("test_*.py")]
    assert any("(BackendContract)" in text and cls in text for text in texts), f"no contract test for {kind}"


@pytest.mark.parametrize("stem", engines.BUILTIN)
def test_an_engine_keeps_the_protocol(stem):
    cls = target(engines.BUILTIN[stem])
    assert cls.stem == stem
    assert set(cls.kinds) <= set(backends.BUILTIN)
    for name in ("observe", "findings", "actions"):
        assert callable(getattr(cls, name))


@pytest.mark.parametrize("id_", engines.ACTIONS)
def test_an_action_can_be_planned_and_run_through_its_power(id_):
    spec = engines.ACTIONS[id_]
    cls = target(spec.factory)
    assert spec.id == id_
    assert all((spec.title, spec.help))
    assert hasattr(ports, spec.port)
    for name in ("run", "undo") if spec.risk is Risk.READS else ("plan", "run", "undo"):
        assert inspect.iscoroutinefunction(getattr(cls, name)), f"{spec.factory} has no {name}"


@pytest.mark.parametrize("id_", engines.ACTIONS)
def test_every_action_can_be_reached(id_):
    """By a key of its own, or as what a finding, a screen or a command offers."""
    rooms = (path for room in ("engines", "screens", "cli") for path in sources(PACKAGE / room))
    offered = any(f'"{id_}"' in path.read_text() for path in rooms if path.parent.name != "engines")
    assert offered or any(command.action == id_ for command in every_command())


def test_every_command_leads_somewhere():
    for command in every_command():
        assert all((command.id, command.title, command.help))
        assert not command.action or command.action in engines.ACTIONS, command.id
        assert not command.power or hasattr(ports, command.power), command.id
        if command.action:
            assert command.risk is engines.ACTIONS[command.action].risk, command.id


def test_no_key_means_two_things():
    assert clashes(every_command()) == []


@pytest.mark.parametrize("screen", SCREENS)
def test_every_tab_can_be_opened_and_says_what_connects_it(screen):
    for entry in importlib.import_module(f"perftui.screens.{screen}").TABS:
        tab = target(entry)
        assert tab.id_ == f"{screen}.{entry.partition(':')[0].rpartition('.')[2]}"
        assert all((tab.title, tab.topics, tab.empty))
        intro = (tab.__doc__ or "").strip().splitlines()[0]  # what help begins with
        assert intro.endswith("."), f"{entry}: help would say only {intro!r}"


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_has_a_parser_and_runs(noun):
    assert parser_of(noun).format_help()
    assert callable(importlib.import_module(NOUNS[noun][0]).run)
