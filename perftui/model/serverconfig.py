"""How cache servers are configured, each as it says itself."""

from __future__ import annotations

from dataclasses import dataclass

TOPIC = "cache.settings"

SETTING = "setting"
"""The label of a finding about one setting; its value is that one's name."""

DEFAULT_USER = "default-user"
"""What stands beside the settings: whether who gives no name gets in (`nopass`, `password`, `off`)."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One server: its settings by name, as CONFIG GET has them, and what it would not tell (`limits`)."""

    node: str
    role: str
    product: str
    version: str
    values: tuple[tuple[str, str], ...]
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigLook:
    """One look at all servers of a backend; `silent` are those that did not tell, each with why."""

    at: float
    servers: tuple[ServerConfig, ...]
    silent: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting of all servers of a backend.

    `value` is that of all, or of most; `differs` are the values with who has them, where there are several.
    `default` is None where it is not known, `changed` whether somebody set another value.
    """

    name: str
    group: str
    does: str
    value: str
    default: str | None
    changed: bool
    risk: str = ""
    finding: str = ""
    differs: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class ParameterLook:
    """One parameter at every server that told; `silent` are those that did not, each with why."""

    values: tuple[tuple[str, str], ...]
    silent: tuple[tuple[str, str], ...] = ()
