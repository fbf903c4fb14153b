"""What is in force, as text for people: shown whole, or as what a reload changed; never with a secret."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from perftui.config import secret
from perftui.config.describe import toml_key, toml_value
from perftui.config.load import SECTIONS
from perftui.config.notices import Notices
from perftui.config.settings import Config, is_secret, is_url

Table = tuple[str, dict[str, Any]]


def shown(config: Config) -> str:
    """The effective configuration as TOML that can be read back; references stay references."""
    blocks: list[str] = [] if not config.read_only else ["read_only = true"]
    for header, table in tables(config):
        rows = [f"{toml_key(key)} = {toml_value(value)}" for key, value in table.items()]
        blocks.append("\n".join([f"[{header}]", *rows]))
    return "\n\n".join(blocks) + "\n"


def changes(old: Config, new: Config) -> tuple[str, ...]:
    """What differs, one sentence a key: `ui.theme: "dark" → "light"`, `+` for new, `-` for gone."""
    before, after = flat(old), flat(new)
    lines = [f"- {key} (was {before[key]})" for key in before if key not in after]
    lines += [f"+ {key} = {after[key]}" for key in after if key not in before]
    both = [key for key in before if key in after and before[key] != after[key]]
    return (*lines, *(f"{key}: {before[key]} → {after[key]}" for key in both))


def tables(config: Config) -> Iterator[Table]:
    """Every TOML table in force, as (header, values that are set)."""
    for name in SECTIONS:
        yield name, _values(getattr(config, name))
    if config.keys:
        yield "keys", dict(config.keys)
    for name, target in config.targets.items():
        yield f"targets.{toml_key(name)}", _values(target)
    yield from _notices(config.notices)
    for name, figure in config.business.items():
        yield f"business.{toml_key(name)}", _values(figure)
    for name, schedule in config.schedules.items():
        yield f"schedules.{toml_key(name)}", _values(schedule)
    for env in config.environments.values():
        header = f"env.{toml_key(env.name)}"
        yield header, {"kind": env.kind, "label": env.label, "read_only": env.read_only}
        if env.depends_on:
            yield f"{header}.depends_on", {name: list(below) for name, below in env.depends_on.items()}
        for backend in env.backends.values():
            yield (
                f"{header}.backends.{toml_key(backend.name)}",
                {"kind": backend.kind, **_values(backend.options)},
            )


def _notices(notices: Notices) -> Iterator[Table]:
    for name, channel in notices.channels.items():
        yield f"channels.{toml_key(name)}", {"kind": channel.kind, **_values(channel.options)}
    for name, route in notices.routes.items():
        yield f"routes.{toml_key(name)}", _values(route)
    for name, policy in notices.escalation.items():
        yield f"escalation.{toml_key(name)}", _values(policy)
    if notices.oncall.people:
        yield "oncall", _values(notices.oncall)


def _values(settings: Any) -> dict[str, Any]:
    pairs = ((spec, getattr(settings, spec.name)) for spec in dataclasses.fields(settings))
    return {spec.name: _safe(spec, value) for spec, value in pairs if value is not None}


def _safe(spec: dataclasses.Field[Any], value: Any) -> Any:
    """The value, or a mask where a secret or a URL with one was laid over the file by code."""
    if not isinstance(value, str) or not value or secret.is_reference(value):
        return value
    return secret.MASK if is_secret(spec) and not is_url(spec) else secret.mask(value)


def flat(config: Config) -> dict[str, str]:
    """Every setting in force as one line of TOML each, secrets masked."""
    rows = {
        f"{header}.{toml_key(key)}": toml_value(value)
        for header, table in tables(config)
        for key, value in table.items()
    }
    return {**rows, "read_only": toml_value(config.read_only)}
