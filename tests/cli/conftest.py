"""What tests of the command line share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.agents import written


@pytest.fixture
def config(valkey: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A configuration of one cache server, `main`, with a state folder of its own."""
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CACHE_PASSWORD", valkey.password)
    return str(
        written(
            tmp_path / "perftui.toml",
            '[env.test]\nkind = "test"\n[env.test.backends.main]\nkind = "valkey"\n'
            f'url = "redis://127.0.0.1:{valkey.port}/0"\npassword = "env:CACHE_PASSWORD"\n',
        )
    )
