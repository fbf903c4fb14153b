"""Sizes of terminals that flows are walked at: one of them by `make test`, the others by `make test-all`."""

from __future__ import annotations

from typing import Any

import pytest

USUAL = (120, 40)


def sizes(*given: tuple[int, int]) -> list[Any]:
    """Values of a parameter: of those given all are slow but the usual one, or the first."""
    quick = USUAL if USUAL in given else given[0]
    return [one if one == quick else pytest.param(one, marks=pytest.mark.slow) for one in given]
