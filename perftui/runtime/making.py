"""Actions of the registry, each with what it was made of: so that another process can make it again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from perftui.model.action import Action, Made
from perftui.model.errors import PlanRejected
from perftui.runtime.loading import load


def make(action_id: str, factory: str, power: Any, source: str, params: Mapping[str, Any]) -> Action:
    """The action a factory makes for a backend's power; PlanRejected where it does not take `params`."""
    try:
        action: Any = load(factory)(power, source, **params)
    except TypeError as error:
        raise PlanRejected(f"{action_id} does not take that: {error}") from error
    with suppress(AttributeError):  # one that takes no more is undone by who did it alone
        action.made = Made(source, dict(params))
    return action  # type: ignore[no-any-return]
