"""Beginning work that must not end the console when it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from textual.dom import DOMNode


def begin(node: DOMNode, work: Callable[[], Awaitable[None]], name: str, group: str = "deeds") -> None:
    """Run `work` beside the keys; `node` owns it, and a failure is told as a toast."""
    untyped: Any = work
    node.run_worker(untyped, group=group, exit_on_error=False, name=name)
