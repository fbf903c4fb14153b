"""Fixtures of the console's own tests: a screen with two small tabs and keys of its own."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from types import ModuleType

import pytest

from perftui.model.action import Risk
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.screens.commands import SCREENS, Command
from tests.screens.shell import ShellSession

ITEMS = ({"name": "user:1", "size": 10}, {"name": "user:2", "size": 30}, {"name": "cart:7", "size": 20})

KEYS = (
    Command(
        "cache.purge",
        "p",
        "Purge",
        "Purge keys by pattern.",
        scope="cache.sample",
        action="cache.purge",
        power="KeyPurger",
        risk=Risk.DESTROYS,
    ),
    Command("cache.view", "v", "View", "Next view.", scope="cache"),
)


def cache_frame(report: object = ITEMS, link: Link = Link.LIVE, error: str = "", seen: float = 0.0) -> Frame:
    now = time.time()
    health = {"main": Health(link, now, error, now + 7 if link is Link.LOST else None, seen or now)}
    return Frame("cache", now, report, health, seen=now)


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache screen made of two tabs of the tests, all others empty."""
    tabs = ("tests.screens.sample:SampleTab", "tests.screens.other:OtherTab")
    for screen in SCREENS:
        module = import_module(f"perftui.screens.{screen}")
        monkeypatch.setattr(module, "TABS", tabs if screen == "cache" else ())
    keys = ModuleType("perftui.screens.cache.keys")
    keys.KEYS = KEYS  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "perftui.screens.cache.keys", keys)


@pytest.fixture
def session(sample: None) -> ShellSession:
    """A session with one cache that is up."""
    return ShellSession({"cache": cache_frame()}, sources={"KeyPurger": ("main",)})
