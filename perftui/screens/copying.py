"""Taking things along: clipboard, file, picture."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import os
import shutil
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perftui.draw.clean import inert
from perftui.model.errors import PerftuiError
from perftui.screens.work import begin

if TYPE_CHECKING:
    from perftui.app import PerftuiApp
    from perftui.screens.leaving import Choice

LIMIT = 100_000
"""Characters the clipboard takes; more goes to a file."""


def as_text(value: Any) -> str:
    """A cell as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, default=_plain, ensure_ascii=False, indent=1)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def export_folder(chosen: str) -> Path:
    """The folder exports go to, made 0700 when missing."""
    if chosen:
        folder = Path(chosen).expanduser()
    else:
        import platformdirs

        folder = Path(platformdirs.user_data_dir("perftui")) / "exports"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read; never over an existing one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def picture_name(env: str, screen: str, at: datetime) -> str:
    """`perftui-<env>-<screen>-<UTC>` without anything a file name may not hold."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in f"{env}-{screen}")
    return f"perftui-{safe}-{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z"


class Takeaway:
    """Copies, pictures and exported tables of one application."""

    def __init__(self, app: PerftuiApp) -> None:
        self.app = app
        self.to_file_next = False
        self.last_path = ""
        self.last_choice: Choice | None = None

    # -- copy

    def copy(self, text: str) -> None:
        """Send text to the clipboard by every way there is, and say which."""
        if self.to_file_next or len(text) > LIMIT:
            self.to_file_next = False
            self._copy_to_file(text)
            return
        if self.app.can_write:
            encoded = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
            self.app.write_control(f"\x1b]52;c;{encoded}\x07")
        if os.environ.get("TMUX") and shutil.which("tmux"):
            begin(self.app, partial(self._to_tmux, text), "tmux")
        elif self.app.can_write:
            self.app.toast(
                f"sent to the terminal by OSC 52: {len(text)} chars; if nothing arrives: `:copy file`"
            )
        else:
            self._copy_to_file(text)

    async def _to_tmux(self, text: str) -> None:
        """Some versions of tmux ignore OSC 52 with default settings: fill the buffer as well."""
        process = await asyncio.create_subprocess_exec(
            "tmux",
            "load-buffer",
            "-w",
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await asyncio.wait_for(process.communicate(text.encode("utf-8", "replace")), 3)
        except TimeoutError:
            process.kill()
        if process.returncode == 0:
            self.app.toast(f"in tmux's buffer and sent to the terminal by OSC 52: {len(text)} chars")
        else:
            self.app.toast(f"sent to the terminal by OSC 52: {len(text)} chars; tmux refused its buffer")

    def _copy_to_file(self, text: str) -> None:
        descriptor, name = tempfile.mkstemp(prefix="perftui-copy-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        self.last_path = name
        self.app.toast(f"{len(text)} chars written to {name}")

    # -- pictures

    def snapshot(self) -> None:
        """The screen as SVG and text in the export folder."""
        from perftui.screens.pictures import svg_of
        from perftui.widgets.picture import text_of

        base = self.app.base
        env = self.app.session.env
        name = picture_name(env.name, base.tab_name, datetime.now(UTC))
        text, svg = text_of(self.app), svg_of(self.app, base.tab_name)
        try:
            folder = export_folder(self.app.options.export_dir)
            write_private(folder / f"{name}.svg", svg)
            write_private(folder / f"{name}.txt", text + "\n")
        except OSError as error:
            self.app.toast(f"cannot write the picture: {error}", "crit")
            return
        self.last_path = str(folder / f"{name}.svg")
        self.app.toast(f"picture: {inert(self.last_path, 400)} (and .txt) · `:copy path` copies the path")

    def export(self, form: str, name: str, seconds: float = 0.0) -> None:
        """The focused table, a file the tab offers, or a stretch of the past, into the export folder."""
        from perftui.screens.leaving import PAST

        if form in PAST:
            begin(self.app, partial(self._export_past, form, name, seconds), "export")
            return
        found = self._content(form)
        if found is None:
            self.app.toast("nothing here can be exported", "warn")
            return
        text, what = found
        try:
            path = self._place(name)
            write_private(path, text)
        except OSError as error:
            self.app.toast(f"cannot write {inert(name)}: {error}", "crit")
            return
        self.last_path = str(path)
        self.app.toast(f"{what} written to {inert(self.last_path, 400)}")

    def _place(self, name: str) -> Path:
        """A name without a folder goes into the export folder."""
        path = Path(name).expanduser()
        return path if path.is_absolute() else export_folder(self.app.options.export_dir) / path

    async def _export_past(self, form: str, name: str, seconds: float) -> None:
        """Read the history and write; a failure is told and nothing is left half done unsaid."""
        from perftui.screens.leaving import write_past

        try:
            path = self._place(name)
            what = await write_past(self.app.session, self.app.base, form, path, seconds)
        except (OSError, PerftuiError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self.app.toast(f"not written, {reason}: {inert(name)}", "crit")
            return
        self.last_path = str(path)
        self.app.toast(f"{what} written to {inert(self.last_path, 400)}")

    def _content(self, form: str) -> tuple[str, str] | None:
        """The text to write and what it is, None when there is nothing."""
        from perftui.screens.tables import csv_text, json_text, ndjson_text

        tab = self.app.base.tab
        files = tab.export_files() if tab is not None else {}
        if form in files:
            what, text = files[form]
            return text(), what
        table = tab.export_rows() if tab is not None else None
        if table is None:
            return None
        write = {"csv": csv_text, "ndjson": ndjson_text}.get(form, json_text)
        return write(*table), f"{len(table[1])} rows"
