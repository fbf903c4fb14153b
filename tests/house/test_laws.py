"""Sizes and manners that a reader can rely on in every file."""

import ast
import re

import pytest

from tests.house.tree import PACKAGE, TESTS, name_of, parsed, sources

FILE_LINES = 400
FUNCTION_LINES = 50  # at the 95th percentile
LONGEST_FUNCTION = 70
BROAD = {
    "runtime/poller.py": "a read may fail in any way and the others must go on",
    "runtime/conductor.py": "the audit must hold an outcome however an action ends",
    "runtime/lane.py": "a thread hands every error to whoever waits for the answer",
    "instrument/cache/writebehind.py": "a service's own writer may raise anything, and its writes must not be lost",
    "lab/pool.py": "a forked worker must end in the fork, whatever happened",
    "instrument/cache/counters.py": "a plugin may raise anything, and the cache goes on",
    "instrument/cache/events.py": "what the service makes of a change may raise anything, and ends no link",
    "instrument/cache/flight.py": "a loader may raise anything, and all who wait get it",
    "instrument/cache/serializer.py": "building a pickled object runs its own code, which may raise anything",
}
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|not implemented yet")


def functions():
    for path in sources():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.end_lineno - node.lineno + 1, f"{name_of(path)}:{node.lineno} {node.name}"


def test_files_are_short():
    long = {name_of(p): n for p in sources() if (n := len(p.read_text().splitlines())) > FILE_LINES}
    assert long == {}


def test_functions_are_short():
    found = sorted(functions())
    assert [name for length, name in found if length > LONGEST_FUNCTION] == []
    assert found[int(len(found) * 0.95)][0] < FUNCTION_LINES


def test_every_module_says_why_it_exists():
    silent = [name_of(p) for p in sources() if not ast.get_docstring(parsed(p))]
    assert silent == []


def test_nothing_is_left_unfinished():
    found = [
        f"{name_of(path)}:{number}"
        for path in sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert found == []


def test_broad_excepts_live_where_there_is_a_reason():
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in sources()
        if path.relative_to(PACKAGE).as_posix() not in BROAD
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler) and _broad(node)
    ]
    assert found == []


def _broad(handler):
    """Whether it takes every error and keeps it: cleaning up and raising again is no taking."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {getattr(kind, "id", "") for kind in kinds if kind is not None}
    raises = any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))
    return (handler.type is None or names & {"Exception", "BaseException"}) and not raises


@pytest.mark.parametrize("path", sources(TESTS), ids=name_of)
def test_tests_wait_for_conditions_not_for_time(path):
    for node in ast.walk(parsed(path)):
        if path.name == "waiting.py" or not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        owner = getattr(getattr(node.func, "value", None), "id", "")
        if name == "sleep" and owner in {"time", "asyncio"}:
            seconds = getattr(node.args[0], "value", "more than 0") if node.args else "more than 0"
            assert seconds == 0, f"{name_of(path)}:{node.lineno}"
