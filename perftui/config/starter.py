"""The first configuration file: every setting explained, what was found on this machine offered, not used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from perftui.backends import BUILTIN
from perftui.config.describe import described
from perftui.config.load import SECTIONS


@dataclass(frozen=True, slots=True)
class Found:
    """A system that seems to be there: where that was seen, and the lines that would connect it."""

    seen: str
    lines: tuple[str, ...]


_URL_VARIABLES = (
    ("REDIS_URL", "valkey", "cache", "url"),
    ("VALKEY_URL", "valkey", "cache", "url"),
    ("DATABASE_URL", "postgres", "db", "dsn"),
    ("POSTGRES_URL", "postgres", "db", "dsn"),
)

_HEAD = """\
# perftui configuration. `perftui config check` finds mistakes; `perftui config schema` prints its
# JSON Schema. Lines behind # show the defaults. Secrets never stand here: write "env:NAME",
# "file:PATH" or "keyring:service/user".
"""
_FIRST = """\
# An environment is a named set of systems: `perftui --env dev`. Mark production: it is then never
# picked by accident, and destructive actions ask for its name.
[env.dev]
kind = "development" # production, staging, development, test or lab

[env.dev.backends.host]
"""


def found(env: str = "dev") -> tuple[Found, ...]:
    """What this machine's environment hints at; nothing is contacted, no value is copied."""
    hints: list[Found] = []
    for variable, kind, name, key in _URL_VARIABLES:
        if os.environ.get(variable) and kind in BUILTIN:
            header = f"[env.{env}.backends.{name}]"
            hints.append(
                Found(f"${variable} is set", (header, f'kind = "{kind}"', f'{key} = "env:{variable}"'))
            )
    return (*hints, *_kubeconfig(env))


def _kubeconfig(env: str) -> tuple[Found, ...]:
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    file = Path(named).expanduser() if named else Path.home() / ".kube" / "config"
    if "kubernetes" not in BUILTIN or not file.is_file():
        return ()
    return (Found(f"{file} exists", (f"[env.{env}.backends.kubernetes]",)),)


def starter() -> str:
    """The text `perftui config init` writes: valid TOML in which everything optional is a comment."""
    sections = [_section(name, cls) for name, cls in SECTIONS.items()]
    return "\n".join([_HEAD, *sections, _FIRST, *_offers(found())])


def _section(name: str, cls: type) -> str:
    rows = [f"# {key.help}\n# {key.name} = {key.default}\n" for key in described(cls)]
    return f"[{name}]\n" + "".join(rows)


def _offers(hints: tuple[Found, ...]) -> list[str]:
    return [
        f"# {hint.seen}; to watch it:\n" + "".join(f"# {line}\n" for line in hint.lines) for hint in hints
    ]
