"""Valkey and PostgreSQL as parts of the lab: a primary and a replica each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from perftui.lab.postgres import PostgresServer
from perftui.lab.valkey import ValkeyServer

if TYPE_CHECKING:
    from perftui.lab.whole import Lab


class ValkeyPart:
    """A Valkey primary and its replica."""

    name = "valkey"
    needs: tuple[str, ...] = ()

    def __init__(self, lab: Lab) -> None:
        self.primary = ValkeyServer(lab.folder)
        self.replica = ValkeyServer(lab.folder, "valkey-replica", self.primary)
        self._secret = lab.folder.secret("valkey", self.primary.password)

    async def up(self) -> None:
        """Start both; the replica is synchronised when this returns."""
        await self.primary.start()
        await self.replica.start()

    async def down(self) -> None:
        """Stop both."""
        await asyncio.gather(self.replica.stop(), self.primary.stop())

    def status(self) -> dict[str, Any]:
        """Both servers."""
        servers = {"primary": self.primary.status(), "replica": self.replica.status()}
        return {"running": all(server["running"] for server in servers.values()), **servers}

    def endpoints(self) -> dict[str, Any]:
        """Both servers with their password."""
        return {"primary": self.primary.endpoint(), "replica": self.replica.endpoint()}

    def backends(self) -> dict[str, dict[str, Any]]:
        """`valkey`, whose command stream is looked at now and then, and `valkey-replica`."""
        password = f"file:{self._secret}"
        return {
            server.name: {
                "kind": "valkey",
                "url": server.bare_url,
                "password": password,
                "watch_every": 20.0 if server is self.primary else 0.0,
            }
            for server in (self.primary, self.replica)
        }


class PostgresPart:
    """A PostgreSQL primary and its streaming replica."""

    name = "postgres"
    needs: tuple[str, ...] = ()

    def __init__(self, lab: Lab) -> None:
        self.primary = PostgresServer(lab.folder)
        self.replica = PostgresServer(lab.folder, "postgres-replica", self.primary)
        self._secret = lab.folder.secret("postgres", self.primary.password)

    async def up(self) -> None:
        """Start both; the replica streams when this returns."""
        await self.primary.prepare()
        await asyncio.gather(self.primary.start(), self.replica.prepare())
        await self.replica.start()

    async def down(self) -> None:
        """Stop both at once; a later `up` recovers as after a crash."""
        await asyncio.gather(self.replica.drop(), self.primary.drop())

    def status(self) -> dict[str, Any]:
        """Both servers."""
        servers = {"primary": self.primary.status(), "replica": self.replica.status()}
        return {"running": all(server["running"] for server in servers.values()), **servers}

    def endpoints(self) -> dict[str, Any]:
        """Both servers with the watching role's password."""
        return {"primary": self.primary.endpoint(), "replica": self.replica.endpoint()}

    def backends(self) -> dict[str, dict[str, str]]:
        """`postgres` and `postgres-replica`."""
        password = f"file:{self._secret}"
        return {
            server.name: {"kind": "postgres", "dsn": server.bare_dsn, "password": password}
            for server in (self.primary, self.replica)
        }
