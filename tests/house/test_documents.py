"""What the documents tell can be typed, and the generated ones are current."""

import re
import shlex
import subprocess
import sys

import pytest

from perftui.cli import NOUNS, parser_of
from tests.house.tree import ROOT

FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?(perftui(?: .*)?|make(?: .*)?)$")


def documents():
    return [
        p for p in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")) if p.exists()
    ]


def commands():
    for path in documents():
        for block in FENCE.findall(path.read_text(encoding="utf-8")):
            for line in block.splitlines():
                if found := COMMAND.match(line.strip()):
                    yield found[1]


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_a_command_of_the_documents_exists(line):
    words = shlex.split(line, comments=True)
    words = words[: next((n for n, w in enumerate(words) if w in {"|", ">", "&&", ";"}), None)]
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {w for w in words[1:] if "=" not in w} <= set(targets)
        return
    noun, rest = (
        (words[1], words[2:]) if len(words) > 1 and not words[1].startswith("-") else ("run", words[1:])
    )
    assert noun in NOUNS
    if rest not in (["--help"], ["--version"]):
        parser_of(noun).parse_args(rest)


def test_generated_documents_are_current():
    done = subprocess.run(
        [sys.executable, "tools/docs.py", "--check"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 0, f"run `make docs`: {done.stdout}{done.stderr}"
