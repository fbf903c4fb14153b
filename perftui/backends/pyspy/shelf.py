"""Profiles kept on disk: one private file each, with a small one beside it that the list is made from."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from perftui.analysis.profilefile import MAX_BYTES, read_profile, write_profile
from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.errors import Lost, Protocol, Unsupported
from perftui.model.profiler import Profile, ProfileMeta

ID = re.compile(r"^[0-9A-Za-z-]{1,64}$")
KEPT = 200
KEPT_BYTES = 500 << 20
META_BYTES = 1 << 16


def default_folder() -> Path:
    """`profiles` in the state folder: `PERFTUI_STATE_DIR`, else the platform's place."""
    named = os.environ.get("PERFTUI_STATE_DIR")
    if named:
        return Path(named).expanduser() / "profiles"
    import platformdirs

    return platformdirs.user_state_path("perftui") / "profiles"


class Shelf:
    """A folder of profiles; 0700, its files 0600, the oldest go first when it is full."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: tuple[float, tuple[ProfileMeta, ...]] | None = None

    def keep(self, profile: Profile) -> Path:
        """Write a profile whole or not at all; Lost when the disk refuses."""
        path = self.folder / f"{profile.meta.id}.json"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(path, write_profile(profile))
            _write(path.with_suffix(".meta"), json.dumps(to_jsonable(profile.meta)))
            self._make_room()
        except OSError as error:
            raise Lost(f"cannot keep the profile in {self.folder}: {error.strerror}") from error
        self._seen = None
        return path

    def list(self) -> tuple[ProfileMeta, ...]:
        """What is kept, newest first; files that cannot be read are left out."""
        try:
            changed = self.folder.stat().st_mtime
        except OSError:
            return ()
        if self._seen is None or self._seen[0] != changed:
            found = [meta for path in self.folder.glob("*.meta") if (meta := _meta(path)) is not None]
            self._seen = (changed, tuple(sorted(found, key=lambda m: -m.at)[:KEPT]))
        return self._seen[1]

    def load(self, profile_id: str) -> Profile:
        """The kept profile of that id; Unsupported when there is none, Protocol when it is broken."""
        if not ID.match(profile_id):
            raise Unsupported(f"{profile_id!r} is no id of a profile")
        path = self.folder / f"{profile_id}.json"
        try:
            if path.stat().st_size > MAX_BYTES:
                raise Protocol(f"{path} is larger than {MAX_BYTES >> 20} MiB")
            return read_profile(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise Unsupported(f"no profile {profile_id} in {self.folder}") from error
        except OSError as error:
            raise Lost(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise Protocol(f"{path} is no profile: {error}") from error

    def _make_room(self) -> None:
        files = sorted(self.folder.glob("*.json"), key=lambda p: p.stat().st_mtime, reverse=True)
        room = KEPT_BYTES
        for number, path in enumerate(files):
            room -= path.stat().st_size
            if number and (number >= KEPT or room < 0):
                path.with_suffix(".meta").unlink(missing_ok=True)
                path.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    """Write beside and rename, so that nobody ever lists half a file."""
    beside = path.with_name(f".{path.name}.part")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
    beside.replace(path)


def _meta(path: Path) -> ProfileMeta | None:
    try:
        with path.open(encoding="utf-8") as file:
            meta = from_jsonable(ProfileMeta, json.loads(file.read(META_BYTES)))
    except (OSError, ValueError):
        return None
    return meta if ID.match(meta.id) else None
