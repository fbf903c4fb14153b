"""What a start and a quiet second may cost, in counts that do not depend on how busy the machine is."""

import subprocess
import sys

from tests.house.tree import ROOT

BEFORE_PAINT = 130  # modules of ours and of others beyond a bare Textual application
NOT_BEFORE_PAINT = (
    "perftui.backends.",
    "perftui.engines.",
    "perftui.runtime.conductor",
    "perftui.runtime.memory",
    "perftui.screens.dialogs.",
    "perftui.model.resources",
    "perftui.model.cache",
    "perftui.model.database",
    "perftui.export",
    "sqlite3",
    "httpx",
    "asyncpg",
    "zoneinfo",
)
CONFIG = """
[env.here]
kind = "lab"
[env.here.backends.cache]
kind = "valkey"
url = "redis://127.0.0.1:9/0"
[env.here.backends.db]
kind = "postgres"
dsn = "env:NO_SUCH"
[env.here.backends.host]
"""
PAINTED = """
import sys
from perftui.config import load
from perftui.cli.run import console
from perftui.app import PerftuiApp
bare = set(sys.modules)
import textual.app, textual.widgets._header, textual.widgets._footer, textual.drivers.headless_driver
bare = set(sys.modules) - {name for name in bare if name.startswith("perftui")}
PerftuiApp._begin = lambda self: (told.update(sys.modules), self.exit())
told = set()
console(load(sys.argv[1], "here", {}), "overview", 1 << 24, remember=True).run(headless=True, size=(160, 48))
print("\\n".join(told - bare))
"""


def painted(tmp_path):
    """Modules imported up to the first painting, a bare Textual application's aside."""
    config = tmp_path / "perftui.toml"
    config.write_text(CONFIG, "utf-8")
    config.chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-c", PAINTED, str(config)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        env={"PERFTUI_STATE_DIR": str(tmp_path), "TERM": "xterm-256color"},
    )
    return set(done.stdout.split())


def test_the_first_painting_needs_no_backend_engine_or_client(tmp_path):
    modules = painted(tmp_path)
    assert "perftui.screens.overview.summary" in modules
    early = sorted(name for name in modules if name.startswith(NOT_BEFORE_PAINT))
    assert early == []
    assert len(modules) <= BEFORE_PAINT, sorted(modules)
