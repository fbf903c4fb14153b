"""A real Varnish of ours before an origin: own VCL, own folder, gone when we are."""

from __future__ import annotations

import secrets
import shutil
import signal
from pathlib import Path
from typing import Any

from perftui.lab.folders import Folder, write_private
from perftui.lab.ports import free_port
from perftui.lab.processes import Command, LabError, spawn, tail, until
from perftui.lab.server import Server
from perftui.lab.wire import status_of

VMODS = (Path("/usr/lib"), Path("/usr/local/lib"))


def program() -> str | None:
    """`varnishd`, or None where it is not installed."""
    return shutil.which("varnishd", path=_path())


def _path() -> str:
    import os

    return os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"


def has_xkey() -> bool:
    """Whether the xkey module (tags) is there; without it tags are bans on the stored header."""
    return any(found for root in VMODS for found in root.glob("**/varnish/vmods/libvmod_xkey.so"))


class VarnishServer(Server):
    """varnishd on two listeners of 127.0.0.1: `pub` for visitors, `int` for purges."""

    def __init__(self, folder: Folder, origin_port: int, name: str = "edge") -> None:
        self.folder = folder
        self.name = name
        self.origin_port = origin_port
        self.port = free_port()
        self.internal_port = free_port()
        self.admin_port = free_port()
        self.home = folder.part(name)
        self.workdir = self.home / "v"
        self.log = self.home / "varnish.log"
        self.token = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """Where visitors go."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def purge_url(self) -> str:
        """Where purges go."""
        return f"http://127.0.0.1:{self.internal_port}"

    async def start(self) -> None:
        """Start and wait until it serves.

        Raises:
            LabError: it is not installed or does not come up; the text carries the end of its log.
        """
        varnishd = program()
        if varnishd is None:
            raise LabError("varnishd is not installed: apt install varnish, or brew install varnish")
        vcl = write_private(self.home / "edge.vcl", self.vcl(), self.folder.owner)
        self.child = await spawn(self.name, self._command(varnishd, vcl))
        self.folder.give(self.log)
        try:
            await until(self._answers, 20, f"an answer from Varnish on port {self.port}", 0.05)
        except LabError as error:
            raise LabError(f"{error}\n{tail(self.log)}") from error

    def _command(self, varnishd: str, vcl: Path) -> Command:
        argv = [
            varnishd,
            "-F",
            *("-n", str(self.workdir)),
            *("-a", f"pub=127.0.0.1:{self.port}"),
            *("-a", f"int=127.0.0.1:{self.internal_port}"),
            *("-T", f"127.0.0.1:{self.admin_port}"),
            *("-f", str(vcl)),
            *("-s", "malloc,32m"),
            *("-p", "vsl_space=4M"),
            *("-p", "thread_pool_min=10"),
            *("-p", "thread_pools=1"),
        ]
        env = {"PATH": _path(), "HOME": str(self.home)}
        # SIGTERM: the manager ends its worker process before it goes; SIGKILL would orphan it.
        return Command(argv, self.home, self.log, self.folder.owner, env, signal.SIGTERM)

    def vcl(self) -> str:
        """The configuration: probes, purge by URL and tag behind a token, X-Cache on each answer."""
        template = Path(__file__).with_name("edge.vcl").read_text("utf-8")
        tag_import, tag_purge = ("import xkey;", XKEY_PURGE) if has_xkey() else ("import std;", BAN_PURGE)
        return (
            template.replace("@PORT@", str(self.origin_port))
            .replace("@TOKEN@", self.token)
            .replace("@TAG_IMPORT@", tag_import)
            .replace("@TAG_PURGE@", tag_purge)
        )

    async def _answers(self) -> bool:
        if self.child is not None and not self.child.alive:
            raise LabError(f"Varnish ended at once:\n{tail(self.log)}")
        return await status_of(self.internal_port, "/_edge/ping") == 204

    async def kill(self) -> None:
        """End manager and worker by SIGKILL, as an out-of-memory kill does."""
        if self.child is not None:
            self.signal_all(signal.SIGKILL)
            await self.child.stop(signal.SIGKILL)

    async def pause(self) -> None:
        """Hang it: ports accept, nothing answers (SIGSTOP)."""
        self.signal_all(signal.SIGSTOP)

    async def resume(self) -> None:
        """Let it go on after `pause`."""
        self.signal_all(signal.SIGCONT)

    def signal_all(self, number: int) -> None:
        """Signal the manager and its worker, which lead one process group of ours."""
        import os

        if self.child is not None and self.child.alive:
            os.killpg(self.child.pid, number)

    def status(self) -> dict[str, Any]:
        """JSON-able: pid, port, running."""
        return {"product": "varnish", "pid": self.pid, "port": self.port, "running": self.pid != 0}

    def endpoint(self) -> dict[str, Any]:
        """JSON-able: how to reach it, purge token included."""
        return {
            "kind": "varnish",
            "url": self.url,
            "purge_url": self.purge_url,
            "dir": str(self.workdir),
            "token": self.token,
            "pid": self.pid,
        }


XKEY_PURGE = """
      set req.http.X-Purged = xkey.purge(req.http.X-Purge-Tag);
      return (synth(200, "Purged"));
"""
BAN_PURGE = """
      if (req.http.X-Purge-Tag !~ "^[A-Za-z0-9_.:/-]+$") { return (synth(400, "Bad tag")); }
      ban("obj.http.Surrogate-Key ~ (^|\\\\s)" + regsuball(req.http.X-Purge-Tag, "[.]", "[.]") + "(\\\\s|$)");
      return (synth(200, "Banned"));
"""
