"""Whom we may attach to, and the one line that helps when we may not."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from perftui.model.errors import BackendError, Lost, Refused, Unsupported
from perftui.model.profiler import ProfileTarget

PYTHON = re.compile(r"^(python|pypy)[\d.]*[a-z]*$")
LIBPYTHON = re.compile(rb"/libpython[23][^/]*\.so")
MAPS = 1 << 20
SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")


def find_target(pid: int) -> ProfileTarget:
    """The process `pid` is now. Lost when there is none, Unsupported when it is no Python."""
    folder = Path(f"/proc/{pid}")
    if not Path("/proc/self").exists():
        return ProfileTarget(pid, language="python")
    try:
        stat = (folder / "stat").read_bytes()
        command = (folder / "cmdline").read_bytes()[:4096].rstrip(b"\0").replace(b"\0", b" ")
        uid = folder.stat().st_uid
    except OSError as error:
        raise Lost(f"no process {pid}: it may have ended") from error
    name = command.decode(errors="replace") or stat[stat.find(b"(") + 1 : stat.rfind(b")")].decode()
    if is_python(folder) is False:
        raise Unsupported(f"process {pid} ({_short(name)}) runs no CPython: py-spy reads Python stacks only")
    return ProfileTarget(pid, name, "python", user_name(uid), _started(stat))


def is_python(folder: Path) -> bool | None:
    """Whether the process runs a Python interpreter; None when we may not look."""
    try:
        if PYTHON.match((folder / "exe").readlink().name.removesuffix(" (deleted)")):
            return True
        with (folder / "maps").open("rb") as file:
            return bool(LIBPYTHON.search(file.read(MAPS)))
    except OSError:
        return None


def _started(stat: bytes) -> float:
    """Epoch seconds of the start: field 22 in ticks since boot."""
    ticks = int(stat[stat.rfind(b")") + 2 :].split()[19])
    with open("/proc/stat", "rb") as file:
        boot = next((float(line.split()[1]) for line in file if line.startswith(b"btime ")), 0.0)
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def user_name(uid: int) -> str:
    """The login of a user id, or the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def me() -> str:
    """The user we run as."""
    return user_name(os.geteuid())


def obstacle() -> str:
    """Why attaching will be refused here, and the line that helps; empty when nothing is known."""
    if os.geteuid() == 0:
        return ""
    if sys.platform == "darwin":
        return "macOS lets only root read other processes: sudo perftui profile PID"
    try:
        scope = int(SCOPE.read_text())
    except (OSError, ValueError):
        return ""
    if scope == 0:
        return ""
    if scope >= 3:
        return f"kernel.yama.ptrace_scope is {scope}: nobody may attach until the next boot"
    return f"kernel.yama.ptrace_scope is {scope}: sudo sysctl kernel.yama.ptrace_scope=0"


def explain(target: ProfileTarget, said: str) -> BackendError:
    """The error that py-spy's complaint means, with what helps."""
    what = f"process {target.pid} ({_short(target.command)})"
    low = said.lower()
    if "permission denied" in low or "operation not permitted" in low:
        return Refused(f"may not read the stacks of {what}: {remedy(target)}")
    if "no such file" in low or "no such process" in low:
        return Lost(f"{what} has ended")
    if "python version" in low or "failed to find" in low:
        return Unsupported(f"{what} runs no CPython that py-spy can read")
    first = next((line.strip() for line in said.splitlines() if line.strip()), "no word why")
    return Unsupported(f"py-spy cannot sample {what}: {first[:200]}")


def remedy(target: ProfileTarget) -> str:
    """The one line that grants the right."""
    if line := obstacle():
        return line
    if os.geteuid() == 0:
        return "this container lacks the capability: start it with --cap-add SYS_PTRACE"
    if target.user and target.user != me():
        return f'it belongs to {target.user}: sudo env "PATH=$PATH" perftui profile {target.pid}'
    return f'sudo env "PATH=$PATH" perftui profile {target.pid}'


def _short(text: str) -> str:
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean if len(clean) <= 60 else f"{clean[:59]}…"
