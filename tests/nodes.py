"""Real node_exporters on free ports, for tests of hosts that are not this one."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.request

from perftui.lab.ports import free_port

PROGRAM = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")


class Exporter:
    """One exporter of this machine, ready when made; `stop` ends it."""

    def __init__(self) -> None:
        assert PROGRAM is not None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/metrics"
        self._child = subprocess.Popen(
            [PROGRAM, f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._child.poll() is None
            assert time.monotonic() < deadline, "the exporter did not answer in 20 s"

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End it; may be called twice."""
        self._child.kill()
        self._child.wait()
