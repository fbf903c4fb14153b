"""The lab's edge: Varnish before shop where it is installed, else the Python cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perftui.lab.edge.pyserver import PyEdgeServer
from perftui.lab.edge.varnish import VarnishServer, program

if TYPE_CHECKING:
    from perftui.lab.whole import Lab


class EdgePart:
    """One edge; while it is up visitors (the load) go through it."""

    name = "edge"
    needs: tuple[str, ...] = ("shop",)

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.server: VarnishServer | PyEdgeServer | None = None

    async def up(self) -> None:
        """Start before shop's port; LabError says why not."""
        if self.server is None:
            origin = int(self._lab.parts["shop"].endpoints()["port"])
            kind = VarnishServer if program() else PyEdgeServer
            self.server = kind(self._lab.folder, origin)
        if not self.server.pid:
            await self.server.start()

    async def down(self) -> None:
        """Stop; never raises."""
        server, self.server = self.server, None
        if server is not None:
            await server.stop()

    def status(self) -> dict[str, Any]:
        """JSON-able state."""
        return self.server.status() if self.server else {"running": False}

    def endpoints(self) -> dict[str, Any]:
        """JSON-able address, and `front`: what visitors should ask."""
        if self.server is None:
            return {}
        return {**self.server.endpoint(), "front": self.server.url}

    def backends(self) -> dict[str, dict[str, str]]:
        """The console's backend `edge`."""
        if self.server is None:
            return {}
        secret = f"file:{self._lab.folder.secret('edge', self.server.token)}"
        if isinstance(self.server, PyEdgeServer):
            return {"edge": {"kind": "pyedge", "url": self.server.url, "token": secret}}
        row = {"kind": "varnish", "url": self.server.url, "dir": str(self.server.workdir)}
        return {"edge": {**row, "purge_url": self.server.purge_url, "token": secret}}
