"""Addresses of `/metrics` out of lists: plain ones, and files as Prometheus' `file_sd_configs` reads them.

https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perftui.model.errors import ConfigError

MOST = 500  # targets of one list; those beyond are left out
MOST_BYTES = 4 << 20
_HOST = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::\d{1,5})?\Z")
_URL = re.compile(r"(https?)://([^/@?#\s]+)([^\s@#]*)\Z")

Listed = Iterable[tuple[str, Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where one target is, and what it is called."""

    name: str
    url: str


def addresses(owner: str, listed: Listed) -> tuple[Address, ...]:
    """Addresses of targets with their labels, each once; ConfigError names one that cannot be read.

    `__scheme__`, `__metrics_path__` and `instance` among the labels count, as for Prometheus.
    """
    found: dict[str, Address] = {}
    for text, labels in listed:
        one = _address(owner, text.strip(), labels)
        known = found.get(one.name)
        if known is not None and known.url != one.url:  # of one host, but not the same metrics
            one = Address(_plain(one.url.partition("://")[2]), one.url)
        found.setdefault(one.name, one)
    return tuple(found.values())


def _address(owner: str, text: str, labels: Mapping[str, str]) -> Address:
    if "@" in text:
        raise ConfigError(f"{owner}: an address must hold no login: give `token`")
    given = _URL.match(text)
    if given is not None:
        place, url = given[2], text if given[3] not in ("", "/") else f"{text.rstrip('/')}/metrics"
    elif _HOST.match(text):
        path = labels.get("__metrics_path__", "/metrics")
        place, url = text, f"{labels.get('__scheme__', 'http')}://{text}/{path.lstrip('/')}"
    else:
        raise ConfigError(
            f"{owner}: {text[:80]!r} is no address such as web1:9100 or http://web1:9100/metrics"
        )
    return Address(_plain(labels.get("instance", "") or place), url)


def _plain(name: str) -> str:
    """A name for series: a rule tells the source from the series by the first slash."""
    return name.replace("/", "_")[:120]


def read_file(path: Path, known: float) -> tuple[float, list[tuple[str, dict[str, str]]] | None]:
    """The file's time and its targets with their labels, None when it is as old as `known`.

    Raises ConfigError for what is no list of target groups.
    """
    try:
        stat = path.stat()
        if stat.st_mtime == known:
            return known, None
        if stat.st_size > MOST_BYTES:
            raise ConfigError(f"{path}: larger than {MOST_BYTES >> 20} MiB")
        return stat.st_mtime, _groups(path, json.loads(path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is no JSON: {str(error)[:120]}") from error


def _groups(path: Path, groups: Any) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    for group in groups if isinstance(groups, list) else [None]:
        targets = group.get("targets") if isinstance(group, dict) else None
        labels = group.get("labels", {}) if isinstance(group, dict) else None
        if not isinstance(targets, list) or not isinstance(labels, dict):
            raise ConfigError(f'{path}: must be a list of {{"targets": [...], "labels": {{...}}}}')
        words = {str(name): str(value) for name, value in labels.items()}
        found += [(str(target), words) for target in targets]
    return found
