"""Typed settings from TOML, environment and flags: a wrong key is found before a system is touched."""

from perftui.config.load import load, reload
from perftui.config.settings import (
    BackendConfig,
    Config,
    Environment,
    ExportSettings,
    HistorySettings,
    StoreSettings,
    TargetSettings,
    UiSettings,
)

__all__ = [
    "BackendConfig",
    "Config",
    "Environment",
    "ExportSettings",
    "HistorySettings",
    "StoreSettings",
    "TargetSettings",
    "UiSettings",
    "load",
    "reload",
]
