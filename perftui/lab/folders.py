"""Where a lab lives on disk: one private folder, locked by its holder and swept by the next start."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import stat
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

CONFIG = "perftui.toml"  # the ready configuration in a lab's folder
PREFIX = f"perftui-lab-{os.getuid()}-"
REMOVE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Owner:
    """The ordinary user that servers run as."""

    uid: int
    gid: int
    name: str


def server_owner() -> Owner | None:
    """`nobody` when we are root (PostgreSQL refuses root, and nothing here needs it), else None."""
    if os.getuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Owner(entry.pw_uid, entry.pw_gid, entry.pw_name)


def state_dir() -> Path:
    """Private folder (0700) of what outlives a run; PERFTUI_STATE_DIR overrides it."""
    given = os.environ.get("PERFTUI_STATE_DIR")
    path = Path(given) if given else platformdirs.user_state_path("perftui", appauthor=False)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def cache_dir() -> Path:
    """Private folder (0700) of what can be built again; PERFTUI_CACHE_DIR overrides it."""
    given = os.environ.get("PERFTUI_CACHE_DIR")
    path = Path(given) if given else platformdirs.user_cache_path("perftui", appauthor=False)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@dataclass(slots=True)
class Folder:
    """A lab's folder; it exists while its lock is held.

    Root's folder is 0711 so that servers running as `nobody` can reach their own 0700 parts below.
    """

    path: Path
    owner: Owner | None
    lock: int = field(repr=False)

    @classmethod
    def create(cls, owner: Owner | None, base: Path | None = None) -> Folder:
        """Sweep what dead labs left, then make a new locked folder."""
        base = base or Path(tempfile.gettempdir())
        sweep(base)
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        path.chmod(0o711 if owner else 0o700)
        return cls(path, owner, _held_lock(path))

    def part(self, name: str) -> Path:
        """A server's own folder, 0700, belonging to the user the server runs as."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
        self.give(path)
        return path

    def give(self, path: Path) -> None:
        """Hand a file or folder to the servers' user."""
        if self.owner:
            os.chown(path, self.owner.uid, self.owner.gid)

    def secret(self, name: str, value: str) -> Path:
        """Write a secret to a 0600 file of ours and return its path."""
        folder = self.path / "secrets"
        folder.mkdir(mode=0o700, exist_ok=True)
        return write_private(folder / name, value)

    def remove(self) -> None:
        """Delete the folder and let go of the lock; may be called twice; blocks.

        A copy that was being made when the lab was cancelled goes on in its thread until it finds its
        folder gone, so this tries again for a while.
        """
        end = time.monotonic() + REMOVE_SECONDS
        shutil.rmtree(self.path, ignore_errors=True)
        while self.path.exists() and time.monotonic() < end:
            time.sleep(0.05)
            shutil.rmtree(self.path, ignore_errors=True)
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1


def _held_lock(path: Path) -> int:
    """A lock that is held before it has its name: a sweep in between would take it for a dead lab's."""
    unnamed = path / ".lock"
    lock = os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unnamed.rename(path / "lock")
    return lock


def write_private(path: Path, text: str, owner: Owner | None = None) -> Path:
    """Write `text` so that at no moment anybody but its owner could read it (0600)."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    if owner:
        os.chown(fresh, owner.uid, owner.gid)
    fresh.replace(path)
    return path


def reachable(path: Path) -> bool:
    """Whether any user may pass down to `path`: every folder above it has o+x."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def programs(source: Path, name: str, folder: Folder) -> Path:
    """`source` itself, or a copy in the lab's folder where `nobody` could not reach the original."""
    if folder.owner is None or reachable(source):
        return source
    target = folder.path / "programs" / name
    if not target.exists():
        target.parent.mkdir(mode=0o711, exist_ok=True)
        target.parent.chmod(0o711)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target)
        target.chmod(0o755)
    return target


def sweep(base: Path) -> list[Path]:
    """Remove folders (and leftover servers) of labs whose holder is gone; returns what was removed."""
    return [path for path in sorted(base.glob(f"{PREFIX}*")) if _abandoned(path) and _clear(path)]


def _abandoned(path: Path) -> bool:
    """Ours, and its lock can be had: nobody holds it any more."""
    with contextlib.suppress(OSError):
        if path.lstat().st_uid != os.getuid() or path.is_symlink():
            return False
        lock = os.open(path / "lock", os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(lock)
        return True
    # Without a lock file it is either being made this moment or half removed: age decides.
    return _older_than(path, 60.0)


def _older_than(path: Path, seconds: float) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - path.lstat().st_mtime > seconds
    return False


def _clear(path: Path) -> bool:
    for pid in _living_in(path):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def _living_in(path: Path) -> list[int]:
    """Processes whose working folder is inside `path` (one stopped by SIGSTOP cannot leave by itself)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink().is_relative_to(path):
                found.append(int(entry.name))
    return found
