"""The settings of every server that matter for a cache, by CONFIG GET of these names alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import hiredis

from perftui.analysis.cachesettings import ASKED
from perftui.backends.valkey import info, setup
from perftui.backends.valkey.eachserver import EachServer
from perftui.backends.valkey.link import Link, translated
from perftui.model.errors import Unsupported
from perftui.model.serverconfig import DEFAULT_USER, ConfigLook, ServerConfig

DEADLINE: Final = 2.0
LONGEST: Final = 1024  # characters of a value
NONE: Final = "managed ones leave it out, and their own console tells what they are set to"


class ConfigPowers(EachServer):
    """The power ConfigReader."""

    async def configuration(self) -> ConfigLook:
        """Two round trips of each server at most; about 0.2 ms of its time.

        Raises:
            Refused, Unsupported: no server tells, for want of a right or of the command.
        """
        told, silent = await self._ask_each(configured)
        servers = tuple(one for _, one in told)
        return ConfigLook(time.time(), servers, tuple((at, str(error)) for at, error in silent))


async def configured(link: Link) -> ServerConfig:
    """One server. Before 7.0 CONFIG GET takes one name: then it is asked for each.

    Raises:
        Refused, Unsupported: it does not tell.
    """
    asked = [("INFO", "server"), ("INFO", "replication"), setup.USER, ("CONFIG", "GET", *ASKED)]
    server, replication, user, reply = await link.ask(asked, DEADLINE)
    if isinstance(reply, hiredis.ReplyError) and "wrong number of arguments" in str(reply).lower():
        found: dict[str, str] = {}
        for one in await link.ask([("CONFIG", "GET", name) for name in ASKED], DEADLINE):
            found |= _values(one, link.where)
    else:
        found = _values(reply, link.where)
    limits = []
    if isinstance(user, hiredis.ReplyError):
        limits.append(str(translated(user, "ACL GETUSER", link.where)))
    elif state := setup.state_of(user):
        found[DEFAULT_USER] = state
    fields = info.part(server) | info.part(replication)
    valkey = fields.get("valkey_version", "")
    return ServerConfig(
        link.where,
        "replica" if fields.get("role") == "slave" else "primary",
        "Valkey" if valkey else "Redis",
        valkey or fields.get("redis_version", "?"),
        tuple(found.items()),
        tuple(limits),
    )


def _values(reply: Any, where: str) -> dict[str, str]:
    if isinstance(reply, hiredis.ReplyError):
        error = translated(reply, "CONFIG GET", where)
        if isinstance(error, Unsupported):
            raise Unsupported(f"{where} has no CONFIG: {NONE}")
        raise error
    pairs = reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=False)
    text = {str(name, "utf-8", "replace"): str(value, "utf-8", "replace") for name, value in pairs}
    return {name: value[:LONGEST] for name, value in text.items() if name in ASKED}
