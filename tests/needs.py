"""What a test needs from outside: a skip on a laptop, a failure where everything is required."""

from __future__ import annotations

import os

import pytest


def needs(name: str, found: bool, how: str = "") -> None:
    """Skip unless `found`; fail instead when `PERFTUI_REQUIRE` is `all` or names it."""
    if found:
        return
    required = os.environ.get("PERFTUI_REQUIRE", "").split(",")
    sentence = f"{name} is not here" + (f": {how}" if how else "")
    if "all" in required or name in required:
        pytest.fail(f"{sentence}, and PERFTUI_REQUIRE asks for it")
    pytest.skip(sentence)
