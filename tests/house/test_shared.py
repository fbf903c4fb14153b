"""What one test module takes from another is there: a name that moved is noticed before the tests are collected."""

import ast
import functools

from tests.house.tree import ROOT

MODULES = sorted((ROOT / "tests").rglob("*.py"))


@functools.cache
def names(path):
    """The names that the module at `path` binds at its top."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        for part in ast.walk(node):
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(part.name)
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                found.add(part.id)
    return found


def missing(text):
    """What `text` imports from the tests that is not there."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in {"tests", "benchmarks"}:
            place = ROOT / (node.module or "").replace(".", "/")
            file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            known = names(file) if file.exists() else set()
            for alias in node.names:
                inside = place / alias.name
                if alias.name not in known and not inside.is_dir() and not inside.with_suffix(".py").exists():
                    yield f"{node.module}.{alias.name}"


def test_what_tests_take_from_other_tests_is_there():
    gone = {str(path.relative_to(ROOT)): list(missing(path.read_text(encoding="utf-8"))) for path in MODULES}
    assert len(gone) > 100
    assert {name: names for name, names in gone.items() if names} == {}


def test_a_name_that_moved_is_noticed():
    text = "from tests.house.tree import ROOT, MOVED\nfrom tests.gone import x\nfrom tests import house\n"
    assert list(missing(text)) == ["tests.house.tree.MOVED", "tests.gone.x"]
