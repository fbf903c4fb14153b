"""The parts a lab is made of: each comes up, goes down, says how it is, and what it offers the console."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from perftui.lab.whole import Lab

# Name → "module:class", in the order of starting. A new part is one row here and one file.
PARTS: dict[str, str] = {
    "valkey": "perftui.lab.datastores:ValkeyPart",
    "postgres": "perftui.lab.datastores:PostgresPart",
    "shards": "perftui.lab.shardspart:ShardsPart",
    "shop": "perftui.lab.shoppart:ShopPart",
    "edge": "perftui.lab.edgepart:EdgePart",
    "load": "perftui.lab.loadpart:LoadPart",
    "receivers": "perftui.lab.receiverpart:ReceiverPart",
}
DEFAULT = ("valkey", "postgres", "shop", "edge", "load")
WHOLE = (*DEFAULT, "shards")
"""What `perftui lab` starts: a cluster is no part of what shop needs."""


class Part(Protocol):
    """One part; made as `Class(lab)`.

    `needs` are parts that must be up first. `up` and `down` may be called again after each other.
    """

    name: str
    needs: tuple[str, ...]

    async def up(self) -> None:
        """Start; LabError says why not. What started before the error is taken down by `down`."""
        ...

    async def down(self) -> None:
        """Stop and leave nothing; never raises, may be called twice."""
        ...

    def status(self) -> dict[str, Any]:
        """JSON-able state with at least `running`."""
        ...

    def endpoints(self) -> dict[str, Any]:
        """JSON-able addresses and credentials, for `Lab.endpoints`."""
        ...

    def backends(self) -> dict[str, dict[str, Any]]:
        """Rows for the console's configuration: name → options, `kind` among them."""
        ...


def make(name: str, lab: Lab) -> Part:
    """Load a part by name.

    Raises:
        LabError: there is no such part.
    """
    from perftui.lab.processes import LabError

    if name not in PARTS:
        raise LabError(f"no part {name!r}; there are: {', '.join(PARTS)}")
    module, _, attribute = PARTS[name].partition(":")
    part: Part = getattr(importlib.import_module(module), attribute)(lab)
    return part
