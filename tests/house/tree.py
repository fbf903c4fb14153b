"""The source tree as the laws see it."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "perftui"
TESTS = ROOT / "tests"


def sources(folder=PACKAGE):
    return sorted(path for path in folder.rglob("*.py") if "__snapshots__" not in path.parts)


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path):
    return path.relative_to(ROOT).as_posix()
