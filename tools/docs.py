"""Writes the reference pages from the registries, so that no page can say what the program does not do.

`make docs` writes them; `--check` only compares, prints what differs and ends with 1 when something does.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from perftui import backends, engines
from perftui.analysis.metricnames import RULES
from perftui.analysis.promql.lexer import AGGREGATORS
from perftui.analysis.promql.signatures import SIGNATURES
from perftui.config.describe import Described, described
from perftui.config.load import SECTIONS, channel_options
from perftui.config.notices import EscalationSettings, OncallSettings, RouteSettings
from perftui.config.rules import RuleSettings
from perftui.config.schedules import ScheduleSettings
from perftui.config.settings import EnvironmentSettings, TargetSettings
from perftui.draw.ruletext import rule_text
from perftui.model import ports
from perftui.model.alertrules import DEFAULTS
from perftui.screens.commands import SCREENS, Command, every_command

ROOM = ports.__name__.rpartition("ports")[0]  # powers stand in several of its modules
FOLDER = Path(__file__).parents[1] / "docs"
NOTE = "<!-- Written by `make docs` from the registries; edit those. -->"

KEYS_TEXT = """\
The same list, with your own keys in it: `perftui keys`. Any command takes another key by its id in
the `[keys]` table of the configuration: `"cache.purge" = "P"`. Clashes and unknown ids are told at
start, with their line."""
SYSTEMS_TEXT = """\
Each is connected by a table `[env.NAME.backends.ANY]` with its `kind`, which may be left out when
the table is named like it. A key of the console appears only where a connected system has the
power it needs."""
ACTIONS_TEXT = """\
Each goes through one door: plan, question, audit line, run, outcome. `changes` asks for `y`,
`destroys` for the name of what is destroyed; read-only mode refuses both. On the command line a
change takes `--dry-run` and `--yes`; `perftui undo [ID]` takes back what any console, agent or shell of
the same user did and could undo, `perftui undo --list` prints it."""
QUERIES = """\
Expressions mean what they mean to a Prometheus server, to the last digit, in the dialect of generation 2
(both ends of a range are inside) or 3 (the left end is outside): rules over our own series in that of the
server that is connected, in generation 2 without one; `perftui alerts why RULE` says which. Native
histograms and experimental functions are refused by name and position. Patterns are RE2's, at
most 1 000 characters."""
CONFIGURATION_TEXT = """\
TOML. `perftui config path` prints which file is read (`PERFTUI_CONFIG` or `--config` name another),
`perftui config init` writes a first one, `perftui config check` finds every mistake with file, line
and nearest spelling, `perftui config show` prints what is in force. `PERFTUI_STATE_DIR` and
`PERFTUI_CACHE_DIR` move the other folders. Keep the file to yourself (`chmod 600`).

Secrets never stand in the file: a secret is `"env:NAME"`, `"file:PATH"` or
`"keyring:service/user"`, fetched when the system is connected. A URL may be such a reference as a
whole, and must be when it carries a password."""
SCHEDULES_TEXT = """\
An action done by the clock, by one agent or console of all on the store. It begins in `observe`: it
says what it would have done until somebody sets it to `on` (`O` on the tab Tuning, or
`perftui tune set NAME on`). What it does goes through the same door as what you do, with this table
in place of your answer."""
RULES_TEXT = """\
A rule of a shipped name changes that rule, any other name is a rule of your own and needs `series` and one
of `above` and `below`. `backend/series` is the name of one backend, `@kind/series` every backend of a kind
(`@valkey*/series` of every kind that begins so), `*/series` every backend that has it; `*/up` is 1 while a
link is good and 0 when it is lost."""
CHANNELS_TEXT = """\
Where people are told; `kind` may be left out when the table is named like it. `perftui alerts test NAME`
sends one marked message. Every sender can be pointed elsewhere, at a proxy or at a receiver of your own."""
ROUTES_TEXT = """\
Which alerts go where; the first branch that matches decides. Routes see an alert's labels, its `rule`,
`source` and `severity`, and of the environment `env` (its kind, such as `production`) and `environment`
(its name). With no route written: critical to the first of PagerDuty, Slack, mail and webhook that is
configured, warning to Slack or the next of them, information to mail as one message in 15 minutes, and
critical with `env="production"` and `outage="true"` to SMS as well. `perftui alerts route` prints the way."""
ENVIRONMENT_TEXT = """\
A named set of systems. Without `--env` the first that is not production is used; a production that
is all there is, is opened read-only."""
EXAMPLE = """\
```toml
[env.shop]
kind = "production"

[env.shop.backends.sessions]
kind = "valkey"
url = "rediss://cache.internal:6379/0"
password = "env:SESSIONS_PASSWORD"

[env.shop.backends.host]
```"""


def keys() -> str:
    """Every key: the global ones, then each screen's and tab's own."""
    commands = every_command()
    parts = [
        "# Keys",
        NOTE,
        KEYS_TEXT,
        "## Everywhere",
        _commands([c for c in commands if c.scope == "global"]),
    ]
    for screen in SCREENS:
        own = [c for c in commands if c.scope.partition(".")[0] == screen]
        if own:
            parts += [f"## {screen.capitalize()}", _commands(own, scoped=True)]
    return _page(parts)


def systems() -> str:
    """Every system that can be connected, its powers and its configuration."""
    parts = [
        "# Systems",
        NOTE,
        SYSTEMS_TEXT,
    ]
    for kind in backends.BUILTIN:
        module, _, name = backends.BUILTIN[kind].partition(":")
        cls = getattr(importlib.import_module(module), name)
        parts += [
            f"## {kind}",
            _first(cls),
            _pace(cls),
            _options(described(cls.Options)),
        ]
    return _page(parts)


def actions() -> str:
    """Everything the console can do to a system."""
    rows = [
        (f"`{a.id}`", a.title, a.risk.value, f"`{a.port}`", _keys_of(a.id), a.help)
        for a in engines.ACTIONS.values()
    ]
    parts = [
        "# Actions",
        NOTE,
        ACTIONS_TEXT,
        _table(("id", "what", "risk", "power", "key", "how"), rows),
    ]
    return _page(parts)


def configuration() -> str:
    """Every setting."""
    parts = [
        "# Configuration",
        NOTE,
        CONFIGURATION_TEXT,
        *(part for name, cls in SECTIONS.items() for part in (f"## [{name}]", _options(described(cls)))),
        "## read_only",
        "`read_only = true` at the top starts every console in read-only mode.",
        "## [keys]",
        '`"command.id" = "key"`; the ids are on the page of keys.',
        "## [targets.NAME]",
        _options(described(TargetSettings)),
        "## [schedules.NAME]",
        SCHEDULES_TEXT,
        _options(described(ScheduleSettings)),
        "## [alerts.rules.NAME]",
        RULES_TEXT,
        _options(described(RuleSettings)),
        _table(("shipped rule", "severity", "condition"), _rules()),
        "## [channels.NAME]",
        CHANNELS_TEXT,
        *(
            part
            for kind in backends.CHANNELS
            for part in (f"### kind = {kind}", _options(described(channel_options(kind))))
        ),
        "## [routes.NAME]",
        ROUTES_TEXT,
        _options(described(RouteSettings)),
        "## [escalation.NAME]",
        "Who hears next when nobody acknowledges; the clock starts when the incident opens.",
        _options(described(EscalationSettings)),
        "## [oncall]",
        _options(described(OncallSettings)),
        "## [env.NAME]",
        ENVIRONMENT_TEXT,
        _options(described(EnvironmentSettings)),
        "Its systems are tables `[env.NAME.backends.ANY]`: the page of systems lists the keys of each kind.",
        EXAMPLE,
    ]
    return _page(parts)


def metrics() -> str:
    """Our series under Prometheus' names, and the functions that can be used on them."""
    parts = [
        "# Metrics",
        NOTE,
        RULES,
        "## Functions",
        QUERIES,
        ", ".join(f"`{name}`" for name in sorted(SIGNATURES)) + ".",
        "## Aggregations",
        ", ".join(f"`{name}`" for name in sorted(AGGREGATORS)) + ".",
    ]
    return _page(parts)


PAGES: dict[str, Callable[[], str]] = {
    "keys.md": keys,
    "backends.md": systems,
    "actions.md": actions,
    "configuration.md": configuration,
    "metrics.md": metrics,
}


def _commands(commands: Iterable[Command], *, scoped: bool = False) -> str:
    rows = [
        (
            " ".join(f"`{key}`" for key in c.keys),
            *((c.scope.partition(".")[2] or "all",) if scoped else ()),
            f"`{c.id}`",
            c.title,
            c.help if c.risk.value == "reads" else f"{c.help} ({c.risk.value})",
        )
        for c in commands
    ]
    return _table(("key", *(("tab",) if scoped else ()), "id", "does", "more"), rows)


def _rules() -> Iterable[tuple[str, ...]]:
    return ((f"`{r.name}`", r.severity.name.lower(), f"`{rule_text(r)}`") for r in DEFAULTS)


def _options(keys_: Iterable[Described]) -> str:
    rows = [
        (f"`{k.name}`", k.type, f"`{k.default}`" if k.default else "required", k.help or "–") for k in keys_
    ]
    return _table(("key", "type", "default", "meaning"), rows) if rows else "It has no options."


def _keys_of(action: str) -> str:
    found = (f"`{c.key}` on {c.scope}" for c in every_command() if c.action == action)
    return ", ".join(found) or "–"


def _pace(cls: Any) -> str:
    powers = ", ".join(_powers(cls)) or "none, it is only read"
    times = f"every {cls.period:g} s while watched, every {cls.idle_period:g} s else"
    return f"Layer {cls.layer}; read {times}, given up after {cls.deadline:g} s. Powers: {powers}."


def _powers(cls: Any) -> list[str]:
    """Powers, as `model/ports.py` has them all, whose every method the class has."""
    found = inspect.getmembers(ports, lambda p: inspect.isclass(p) and getattr(p, "_is_protocol", False))
    return [f"`{name}`" for name, port in found if port.__module__.startswith(ROOM) and _has(cls, port)]


def _has(cls: Any, port: Any) -> bool:
    wanted = [name for name in vars(port) if not name.startswith("_")]
    return bool(wanted) and all(callable(getattr(cls, name, None)) for name in wanted)


def _first(cls: Any) -> str:
    text = inspect.getdoc(cls) or inspect.getdoc(importlib.import_module(cls.__module__)) or ""
    return text.split("\n\n")[0].replace("\n", " ")


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(header), line("---" for _ in header), *(line(row) for row in rows)])


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


def main(argv: list[str]) -> int:
    """Write the pages, or with `--check` tell which are out of date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only")
    checking = parser.parse_args(argv).check
    stale = [name for name, make in PAGES.items() if _stale(FOLDER / name, make(), write=not checking)]
    print("\n".join(f"docs/{name} {'is out of date' if checking else 'written'}" for name in stale))
    return 1 if checking and stale else 0


def _stale(path: Path, text: str, *, write: bool) -> bool:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    if write:
        path.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
