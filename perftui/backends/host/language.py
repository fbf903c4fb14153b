"""Guesses what a process is written in, from its program and what it maps; asked once per process."""

# ruff: noqa: PTH115, PTH119 - plain strings, as its caller has them
from __future__ import annotations

import os
import re

RUNTIMES = (
    (re.compile(r"^(python|pypy)[\d.]*[a-z]*$"), "python"),
    (re.compile(r"^(node|nodejs|bun|deno)$"), "node"),
    (re.compile(r"^java$"), "java"),
    (re.compile(r"^(ruby|jruby)[\d.]*$"), "ruby"),
    (re.compile(r"^php([\d.]*|-fpm.*|-cgi.*)$"), "php"),
    (re.compile(r"^perl[\d.]*$"), "perl"),
    (re.compile(r"^beam(\.smp)?$"), "erlang"),
    (re.compile(r"^(dotnet|mono)$"), "dotnet"),
    (re.compile(r"^(ba|da|z|k|fi)?sh$|^busybox$"), "shell"),
)
LIBRARIES = (
    (re.compile(rb"/libpython[23][^/]*\.so"), "python"),
    (re.compile(rb"/libjvm\.so"), "java"),
    (re.compile(rb"/libruby[^/]*\.so"), "ruby"),
    (re.compile(rb"/libphp[^/]*\.so"), "php"),
    (re.compile(rb"/libnode\.so"), "node"),
    (re.compile(rb"/libcoreclr\.so"), "dotnet"),
    (re.compile(rb"/libperl\.so"), "perl"),
)
# An ELF note of owner "Go" and type 4: the build id every Go linker writes near the file's start.
GO_NOTE = re.compile(rb"\x04\x00\x00\x00.{4}\x04\x00\x00\x00Go\x00\x00", re.DOTALL)
HEAD = 4096
MAPS = 1 << 17


def guess(folder: str, name: str) -> str:
    """Language of the process at `/proc/PID`; empty when nothing tells (or we may not look)."""
    try:
        program = os.readlink(f"{folder}/exe").removesuffix(" (deleted)")
    except OSError:
        return by_name(name)
    return by_name(os.path.basename(program)) or by_library(_head(f"{folder}/maps", MAPS)) or _go(folder)


def by_name(program: str) -> str:
    """Language of a known interpreter by its file name, else empty."""
    return next((language for pattern, language in RUNTIMES if pattern.match(program)), "")


def by_library(maps: bytes) -> str:
    """Language of the first interpreter library a process maps, else empty."""
    return next((language for pattern, language in LIBRARIES if pattern.search(maps)), "")


def _go(folder: str) -> str:
    return "go" if GO_NOTE.search(_head(f"{folder}/exe", HEAD)) else ""


def _head(path: str, size: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""
