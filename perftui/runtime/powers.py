"""The powers of backends by the names of their ports, as actions and screens ask for them."""

from __future__ import annotations

from perftui.model import ports
from perftui.model.errors import Unsupported


def port(power: str) -> type:
    """The protocol of that name; Unsupported when there is none."""
    found = getattr(ports, power, None)
    if not isinstance(found, type):
        raise Unsupported(f"there is no power {power}")
    return found


def port_names() -> tuple[str, ...]:
    """Every port of `perftui.model.ports`."""
    made_here = (
        name for name, kind in vars(ports).items() if getattr(kind, "__module__", "") == ports.__name__
    )
    return tuple(name for name in made_here if getattr(getattr(ports, name), "_is_protocol", False))
