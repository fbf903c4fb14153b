"""The console as a program of its own, over a session whose figures change on every `ctrl+r`."""

from __future__ import annotations

import sys
from importlib import import_module

from perftui.app import Options, PerftuiApp
from perftui.screens.commands import SCREENS
from tests.screens.conftest import KEYS, cache_frame
from tests.screens.shell import ShellSession


class Changing(ShellSession):
    """Two hundred rows, forty of which change with every reading."""

    def __init__(self, kind: str = "lab") -> None:
        super().__init__(kind=kind, sources={"KeyPurger": ("main",)})
        self.count = 0
        self.retry("main")

    def retry(self, source: str) -> None:
        super().retry(source)
        self.count += 1
        items = ({"name": f"user:{n}", "size": n * self.count if n < 40 else n} for n in range(200))
        self.publish("cache", cache_frame(tuple(items)))


def main(export_dir: str) -> int:
    tabs = ("tests.screens.sample:SampleTab", "tests.screens.other:OtherTab")
    for screen in SCREENS:
        import_module(f"perftui.screens.{screen}").TABS = tabs if screen == "cache" else ()
    import_module("perftui.screens.cache.keys").KEYS = KEYS
    app = PerftuiApp(lambda env: Changing(), Options(screen="cache", export_dir=export_dir))  # type: ignore[arg-type, return-value]
    app.run()
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
