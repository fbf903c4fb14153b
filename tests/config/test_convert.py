"""Tables become dataclasses, and each mistake is told where it stands."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal

import pytest

from perftui.config.convert import Converter
from perftui.config.lines import key_lines


class Mode(Enum):
    FAST = "fast"
    SAFE = "safe"


@dataclass(frozen=True)
class Inner:
    port: int = 1


@dataclass(frozen=True)
class Options:
    address: str
    password: str = field(default="", repr=False, metadata={"secret": True})
    url: str = ""
    timeout: float = 1.0
    tls: bool = False
    level: Literal["low", "high"] = "low"
    mode: Mode = Mode.FAST
    tags: tuple[str, ...] = ()
    pair: tuple[int, str] = (0, "")
    extra: dict[str, int] = field(default_factory=dict)
    limit: int | None = None
    file: Path | None = None
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()

    def __post_init__(self):
        if self.timeout <= 0:
            raise ValueError("timeout must be above 0")


def read(text):
    import tomllib

    converter = Converter("c.toml", key_lines(text))
    return converter.fill(Options, tomllib.loads(text)["x"], ("x",)), converter.problems


def test_every_supported_type_arrives():
    made, problems = read(
        '[x]\naddress="a"\npassword="env:PW"\ntimeout=2\ntls=true\nlevel="high"\nmode="safe"\ntags=["a"]\n'
        'pair=[1,"b"]\nextra={n=3}\nlimit=4\nfile="/tmp/f"\ninner={port=9}\nmany=[{port=1},{port=2}]\n'
    )
    assert problems == []
    assert made == Options(
        "a", "env:PW", "", 2.0, True, "high", Mode.SAFE, ("a",), (1, "b"), {"n": 3}, 4, Path("/tmp/f"),
        Inner(9), (Inner(1), Inner(2)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("adress = 'b'", "c.toml:3: unknown key x.adress (did you mean address?)"),
        ("timeout = 'slow'", 'c.toml:3: x.timeout must be a number, not "slow"'),
        ("timeout = true", "c.toml:3: x.timeout must be a number, not true"),
        ("limit = 1.5", "c.toml:3: x.limit must be a whole number, not 1.5"),
        ("tls = 1", "c.toml:3: x.tls must be true or false, not 1"),
        ("level = 'hihg'", 'c.toml:3: x.level cannot be "hihg" (did you mean high?)'),
        ("mode = 'safer'", 'c.toml:3: x.mode cannot be "safer" (did you mean safe?)'),
        ("tags = 'a'", 'c.toml:3: x.tags must be a list, not "a"'),
        ("tags = ['a', 1]", "c.toml:3: x.tags must be text, not 1"),
        ("pair = [1]", "c.toml:3: x.pair must have 2 items, not 1"),
        ("inner = 3", "c.toml:3: x.inner must be a table, not 3"),
        ("inner = { prt = 3 }", "c.toml:3: unknown key x.inner.prt (did you mean port?)"),
        ("timeout = -1", "c.toml:1: x: timeout must be above 0"),
    ],
)
def test_a_mistake_names_file_line_key_and_what_would_fit(line, sentence):
    made, problems = read(f"[x]\naddress = 'a'\n{line}\n")
    assert made is None
    assert problems == [sentence]


def test_a_missing_required_key_is_named():
    assert read("[x]\n")[1] == ["c.toml:1: x needs `address`: "]


def test_a_literal_secret_is_refused_and_not_repeated():
    _, problems = read("[x]\naddress='a'\npassword='hunter2'\nurl='redis://u:hunter3@h/0'\n")
    assert len(problems) == 2
    assert "x.password is a secret" in problems[0]
    assert "x.url has a password in it" in problems[1]
    assert "hunter" not in "".join(problems)


def test_a_url_may_be_a_reference_or_carry_no_password():
    for url in ("env:URL", "redis://user@host:1/0", "postgresql://host/db"):
        assert read(f"[x]\naddress='a'\nurl='{url}'\n")[1] == []
