"""Imports go down the stairs, statically and when the code runs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import PACKAGE, ROOT, name_of, parsed, sources

CLIENTS = (
    "redis",
    "asyncpg",
    "httpx",
    "sqlalchemy",
    "kubernetes",
    "uvicorn",
    "starlette",
    "psutil",
    "sqlite3",
    "opentelemetry",
    "requests",
)
FACES = ("textual", "rich.console")
# What importing a room may not pull in: cold start and the laws depend on it, and a static graph cannot see it.
LIGHT = {
    "perftui": (*CLIENTS, *FACES, "asyncio", "argparse", "perftui.model"),
    "perftui.cli": (*CLIENTS, *FACES, "asyncio", "platformdirs", "perftui.config", "perftui.session"),
    "perftui.cli.common": (*CLIENTS, *FACES, "platformdirs", "perftui.session"),
    "perftui.cli.run": (*CLIENTS, *FACES, "perftui.app", "perftui.session"),
    "perftui.config": (*CLIENTS, *FACES, "platformdirs"),
    "perftui.session": (*CLIENTS, "textual"),
    "perftui.app": tuple(name for name in CLIENTS if name != "sqlite3"),
    "perftui.screens.commands": (*CLIENTS, *FACES),
    "perftui.export.json": (*CLIENTS, *FACES),
}
ROOMS_WITHOUT = {"engines": (*CLIENTS, *FACES), "instrument": (*CLIENTS, *FACES), "model": (*CLIENTS, *FACES)}


def pulled(modules):
    """Modules in `sys.modules` of a fresh interpreter after importing `modules`."""
    code = f"import sys\nfor name in {modules!r}: __import__(name)\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def modules_of(room):
    names = (
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for path in sources(PACKAGE / room)
    )
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


def test_import_contracts_hold():
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [tool, "--no-cache"], check=False, capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("module", LIGHT)
def test_a_light_module_stays_light(module):
    assert pulled([module]) & set(LIGHT[module]) == set()


@pytest.mark.parametrize("room", ROOMS_WITHOUT)
def test_a_room_does_without_clients_and_faces(room):
    assert pulled(modules_of(room)) & set(ROOMS_WITHOUT[room]) == set()


def test_backends_import_their_clients_when_they_open():
    assert pulled(modules_of("backends")) & {*CLIENTS, *FACES} == set()


def test_the_command_line_imports_no_noun_until_it_is_typed():
    nouns = {name for name in pulled(["perftui.cli"]) if name.startswith("perftui.cli.")}
    assert nouns == set()


def test_screens_name_the_app_for_types_only():
    for path in sources(PACKAGE / "screens"):
        for node in ast.iter_child_nodes(parsed(path)):
            taken = node.module if isinstance(node, ast.ImportFrom) else ""
            assert taken != "perftui.app", f"{name_of(path)} imports the app when it runs"
