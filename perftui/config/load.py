"""From a file, the process environment and flags to one Config, or to a sentence that says what is wrong."""

from __future__ import annotations

import dataclasses
import importlib
import stat
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from perftui.backends import BUILTIN, CHANNEL_OPTIONS, OPTIONS
from perftui.config import paths
from perftui.config.cache import CacheSettings
from perftui.config.convert import Converter, KeyPath, nearest
from perftui.config.grafana import GrafanaSettings
from perftui.config.lines import key_lines
from perftui.config.notices import EscalationSettings, Notices, OncallSettings, RouteSettings
from perftui.config.price import PriceSettings
from perftui.config.remote import RemoteWriteSettings
from perftui.config.rules import AlertSettings
from perftui.config.schedules import ScheduleSettings
from perftui.config.settings import (
    AgentSettings,
    AnomalySettings,
    BackendConfig,
    BusinessSettings,
    Config,
    Environment,
    EnvironmentSettings,
    ExportSettings,
    HistorySettings,
    StoreSettings,
    TargetSettings,
    UiSettings,
)
from perftui.engines import ACTIONS
from perftui.model.errors import ConfigError
from perftui.model.target import DEFAULTS

SECTIONS: dict[str, type] = {
    "ui": UiSettings,
    "history": HistorySettings,
    "store": StoreSettings,
    "export": ExportSettings,
    "grafana": GrafanaSettings,
    "alerts": AlertSettings,
    "anomaly": AnomalySettings,
    "agent": AgentSettings,
    "price": PriceSettings,
    "cache": CacheSettings,
    "remote_write": RemoteWriteSettings,
}
NOTICES = ("channels", "routes", "escalation", "oncall")
TOP = (*SECTIONS, *NOTICES, "read_only", "keys", "targets", "business", "schedules", "env")
LOCAL = "local"  # the environment of a machine where nothing is configured: its own host
_LOCAL_KINDS = ("host", "pyspy")
LOOPS = ("alerts", "recorder", "roll-up", "regions")  # what runs by itself without being scheduled
RESERVED = ("alerts", "tuning", "grafana", "rehearsals")  # names that stand beside those of backends
_MAX_BYTES = 4 << 20


def load(
    path: Path | str | None = None, env: str | None = None, flags: Mapping[str, Any] | None = None
) -> Config:
    """Read the configuration; a missing file is an empty one unless it was named.

    `env` is what the operator asked for; without it production is never picked, except when it is
    all there is, and then read-only. `flags` overrides settings by name (`theme`, `mouse`,
    `ascii`, `diff`, `read_only`). Raises ConfigError listing every mistake.
    """
    file = Path(path).expanduser() if path else paths.config_file()
    text = _text(file, named=path is not None)
    converter = Converter(str(file))
    table = _parse(text, file)
    converter.lines = key_lines(text)
    config = _config(file, table, converter, exists=file.exists())
    if converter.problems:
        raise ConfigError("\n".join(converter.problems))
    return _apply(_choose(config, env), dict(flags or {}))


def reload(config: Config) -> Config:
    """Read the same file again with the same flags and environment; ConfigError leaves the old one in use."""
    return load(config.path if config.exists else None, config.asked or config.chosen, config.flags)


def options_class(kind: str) -> Any:
    """The `Options` of a backend kind; imports no backend, so that a start need not wait for one."""
    return _named(OPTIONS[kind])


def channel_options(kind: str) -> Any:
    """The `Options` of a kind of channel."""
    return _named(CHANNEL_OPTIONS[kind])


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _text(file: Path, *, named: bool) -> str:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{file} is larger than a configuration can be (4 MiB)")
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        if named:
            raise ConfigError(f"there is no {file}; `perftui config init` writes a starter") from None
        return ""
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text") from error


def _parse(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error


def _config(file: Path, table: dict[str, Any], converter: Converter, *, exists: bool) -> Config:
    for key in table:
        if key not in TOP:
            converter.unknown((key,), TOP)
    sections = {
        name: converter.fill(cls, table.get(name, {}), (name,)) or cls() for name, cls in SECTIONS.items()
    }
    environments = _environments(table.get("env", {}), converter)
    return Config(
        path=file,
        **sections,
        keys=_keys(table.get("keys", {}), (), converter),
        targets=_targets(table.get("targets", {}), converter),
        business=_tables(
            table, "business", lambda _, one, path: converter.fill(BusinessSettings, one, path), converter
        ),
        schedules=_schedules(table.get("schedules", {}), converter),
        environments=environments or ({} if converter.problems else {LOCAL: _local()}),
        chosen="",
        notices=_notices(table, converter),
        read_only=converter.value(bool, table.get("read_only", False), ("read_only",)) or False,
        exists=exists,
        warnings=(*_open_to_others(file), *_looks_like_production(environments)),
        lines=converter.lines,
    )


def _environments(table: Any, converter: Converter) -> dict[str, Environment]:
    found: dict[str, Environment] = {}
    if not isinstance(table, Mapping):
        converter.problem(("env",), "env must hold tables: [env.NAME]")
        return found
    for name, entry in table.items():
        path: KeyPath = ("env", name)
        made = converter.fill(EnvironmentSettings, entry, path, skip=frozenset({"backends"}))
        backends = _backends(entry, path, converter)
        if made is not None:
            found[name] = Environment(
                name, made.kind, made.label or name, made.read_only, backends, made.depends_on
            )
    return found


def _backends(entry: Any, path: KeyPath, converter: Converter) -> dict[str, BackendConfig]:
    table = entry.get("backends", {}) if isinstance(entry, Mapping) else {}
    if not isinstance(table, Mapping):
        converter.problem((*path, "backends"), f"{'.'.join(path)}.backends must hold tables")
        return {}
    made = {name: _backend(name, one, (*path, "backends", name), converter) for name, one in table.items()}
    return {name: backend for name, backend in made.items() if backend is not None}


def _backend(name: str, table: Any, path: KeyPath, converter: Converter) -> BackendConfig | None:
    if not isinstance(table, Mapping):
        converter.problem(path, f"{'.'.join(path)} must be a table")
        return None
    if name in RESERVED:
        converter.problem(path, f"{'.'.join(path)}: the name is taken by perftui itself")
        return None
    kind = table.get("kind", name)
    if kind not in BUILTIN:
        said = f'unknown kind "{kind}"' if "kind" in table else f"needs `kind` ({name} is none itself)"
        where = (*path, "kind") if "kind" in table else path
        converter.problem(where, f"{'.'.join(path)}: {said}{nearest(str(kind), BUILTIN)}")
        return None
    options = converter.fill(options_class(kind), table, path, skip=frozenset({"kind"}))
    place = f"{converter.place(path)}: {'.'.join(path)}"
    return None if options is None else BackendConfig(name, kind, options, place)


def _keys(table: Any, path: KeyPath, converter: Converter) -> dict[str, str]:
    """The operator's key by command id; `cache.purge = "p"` and `"cache.purge" = "p"` mean the same."""
    found: dict[str, str] = {}
    if not isinstance(table, Mapping):
        converter.problem(("keys",), 'keys must be a table of `"command.id" = "key"`')
        return found
    for name, value in table.items():
        here = (*path, name)
        if isinstance(value, Mapping):
            found |= _keys(value, here, converter)
        elif isinstance(value, str):
            found[".".join(here)] = value
        else:
            converter.problem(("keys", *here), f"keys.{'.'.join(here)} must be the name of a key, as text")
    return found


def _targets(table: Any, converter: Converter) -> dict[str, TargetSettings]:
    found: dict[str, TargetSettings] = {}
    if not isinstance(table, Mapping):
        converter.problem(("targets",), "targets must hold tables: [targets.NAME]")
        return found
    for name, entry in table.items():
        made = converter.fill(TargetSettings, entry, ("targets", name))
        if made is None:
            continue
        if not made.series and name not in {target.id for target in DEFAULTS}:
            known = nearest(name, [target.id for target in DEFAULTS])
            converter.problem(("targets", name), f"targets.{name} is no built-in target{known}: add `series`")
        if (made.below is None) == (made.above is None):
            converter.problem(("targets", name), f"targets.{name} needs one of `below` and `above`")
        found[name] = made
    return found


def _notices(table: Mapping[str, Any], converter: Converter) -> Notices:
    """Channels, routes, escalation and who is on call; nothing is imported where none is written."""
    if not any(name in table for name in NOTICES):
        return Notices()
    made = Notices(
        _tables(table, "channels", lambda name, one, path: _channel(name, one, path, converter), converter),
        _tables(table, "routes", lambda _, one, path: converter.fill(RouteSettings, one, path), converter),
        _tables(
            table, "escalation", lambda _, one, path: converter.fill(EscalationSettings, one, path), converter
        ),
        converter.fill(OncallSettings, table.get("oncall", {}), ("oncall",)) or OncallSettings(),
    )
    for key, said in made.problems() if not converter.problems else ():
        converter.problem(key, said)
    return made


def _tables(
    table: Mapping[str, Any], section: str, read: Callable[[str, Any, KeyPath], Any], converter: Converter
) -> dict[str, Any]:
    entries = table.get(section, {})
    if not isinstance(entries, Mapping):
        converter.problem((section,), f"{section} must hold tables: [{section}.NAME]")
        return {}
    made = {name: read(name, one, (section, name)) for name, one in entries.items()}
    return {name: one for name, one in made.items() if one is not None}


def _channel(name: str, table: Any, path: KeyPath, converter: Converter) -> BackendConfig | None:
    kind = table.get("kind", name) if isinstance(table, Mapping) else None
    if kind not in CHANNEL_OPTIONS:
        converter.problem(path, f"{'.'.join(path)}: no kind of channel{nearest(str(kind), CHANNEL_OPTIONS)}")
        return None
    options = converter.fill(channel_options(str(kind)), table, path, skip=frozenset({"kind"}))
    place = f"{converter.place(path)}: {'.'.join(path)}"
    return None if options is None else BackendConfig(name, str(kind), options, place)


def _schedules(table: Any, converter: Converter) -> dict[str, ScheduleSettings]:
    found: dict[str, ScheduleSettings] = {}
    if not isinstance(table, Mapping):
        converter.problem(("schedules",), "schedules must hold tables: [schedules.NAME]")
        return found
    for name, entry in table.items():
        made = converter.fill(ScheduleSettings, entry, ("schedules", name))
        if made is None:
            continue
        if made.action not in ACTIONS or made.action.startswith("tune."):
            known = nearest(made.action, ACTIONS)
            converter.problem(
                ("schedules", name), f"schedules.{name}: there is no action {made.action!r}{known}"
            )
        if name in LOOPS:
            converter.problem(("schedules", name), f"schedules.{name}: the name is taken by perftui itself")
        found[name] = made
    return found


def _local() -> Environment:
    """This host alone: what can be shown before anything is configured."""
    kinds = [kind for kind in _LOCAL_KINDS if kind in BUILTIN]
    backends = {kind: BackendConfig(kind, kind, options_class(kind)()) for kind in kinds}
    return Environment(LOCAL, "development", LOCAL, read_only=False, backends=backends)


def _choose(config: Config, asked: str | None) -> Config:
    names = config.environments
    if asked is not None:
        if asked not in names:
            raise ConfigError(f"{config.path}: there is no environment {asked}{nearest(asked, names)}")
        return dataclasses.replace(config, chosen=asked, asked=asked)
    safe = [env.name for env in names.values() if not env.production]
    if safe:
        return dataclasses.replace(config, chosen=safe[0])
    if len(names) > 1:
        raise ConfigError(f"every environment is production: name one with --env ({', '.join(names)})")
    note = "the only environment is production: read-only, since it was not named with --env"
    only = next(iter(names))
    return dataclasses.replace(config, chosen=only, read_only=True, warnings=(*config.warnings, note))


def _apply(config: Config, flags: dict[str, Any]) -> Config:
    """Lay flags over the file."""
    given = {key: value for key, value in flags.items() if value is not None}
    ui = {key: value for key, value in given.items() if key in UiSettings.__dataclass_fields__}
    read_only = config.read_only or bool(given.get("read_only"))
    return dataclasses.replace(
        config, ui=dataclasses.replace(config.ui, **ui), read_only=read_only, flags=given
    )


def _open_to_others(file: Path) -> tuple[str, ...]:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return ()
    if mode & 0o077:
        return (f"{file} can be read by others (mode {mode:04o}): chmod 600 {file}",)
    return ()


def _looks_like_production(environments: Mapping[str, Environment]) -> tuple[str, ...]:
    """A production named so but not marked would lose its guard rails: say it."""
    return tuple(
        f'env.{env.name} is not marked: set kind = "production" if it is'
        for env in environments.values()
        if env.name.lower().startswith("prod") and not env.production
    )
