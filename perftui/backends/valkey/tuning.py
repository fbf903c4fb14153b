"""Settings of running servers, read and set one at a time, at one of them or at all."""

from __future__ import annotations

from typing import Final

from perftui.backends.valkey.eachserver import EachServer
from perftui.backends.valkey.link import Link
from perftui.model.errors import Unsupported
from perftui.model.serverconfig import ParameterLook

DEADLINE: Final = 2.0


class TunePowers(EachServer):
    """The power ServerTuner."""

    async def parameters(self, name: str) -> ParameterLook:
        """CONFIG GET of exactly one parameter, of every server.

        Raises:
            BackendError: none of them tells.
        """

        async def ask(link: Link) -> str:
            found = await link.one("CONFIG", "GET", name, deadline=DEADLINE, asked="CONFIG GET")
            if len(found) != 2 or found[0] != name.encode():
                raise Unsupported(f"{link.where} has no parameter of that name")
            return str(found[1], "utf-8", "replace")

        told, silent = await self._ask_each(ask)
        return ParameterLook(tuple(told), tuple((at, str(error)) for at, error in silent))

    async def set_parameter(self, name: str, value: str, node: str = "") -> None:
        """CONFIG SET at one server; what it changes shows with the next look."""
        async with self._linked(node) as link:
            await link.one("CONFIG", "SET", name, value, deadline=DEADLINE, asked="CONFIG SET")
        self._set_at(link.where)

    def _set_at(self, node: str) -> None:
        """A setting of that server is another one now."""
