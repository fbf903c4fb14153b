"""What memory costs: read from the configuration, refused when it is no price."""

from __future__ import annotations

from pathlib import Path

import pytest

from perftui.config import load
from perftui.model.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    file = folder / "config.toml"
    file.touch(0o600)
    file.write_text(text)
    return file


def test_a_price_is_read_and_none_is_zero(tmp_path: Path) -> None:
    told = load(written(tmp_path, '[cache]\nprice_per_gb = 4.5\ncurrency = "EUR a month"\n[env.a]\n'))
    assert told.setting("cache.price_per_gb") == 4.5
    assert told.setting("cache.currency") == "EUR a month"
    assert load(written(tmp_path, "[env.a]\n")).setting("cache.price_per_gb") == 0.0


@pytest.mark.parametrize(
    "line",
    [
        "price_per_gb = -1",
        "price_per_gb = inf",
        "quarantine_bytes = 100",
        'currency = "12345678901234567890x"',
    ],
)
def test_what_is_no_price_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match="cache"):
        load(written(tmp_path, f"[cache]\n{line}\n[env.a]\n"))


def test_the_cap_of_a_file_of_purged_keys(tmp_path: Path) -> None:
    assert load(written(tmp_path, "[env.a]\n")).setting("cache.quarantine_bytes") == 1 << 30
    told = load(written(tmp_path, "[cache]\nquarantine_bytes = 5000\n[env.a]\n"))
    assert told.setting("cache.quarantine_bytes") == 5000
