"""Refuse a dependency that we would ship under the GPL or AGPL.

Walks the installed closure of perftui's own requirements (core and every installed extra) and reads
each distribution's licence metadata; exits 1 and names what it cannot accept or cannot read.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata

ACCEPTED = re.compile(
    r"\b(MIT|BSD|Apache|MPL|Mozilla|ISC|PSF|Python Software Foundation|Python-2|Zlib|Unlicense|0BSD"
    r"|CC0|PostgreSQL)",
    re.IGNORECASE,
)
REFUSED = re.compile(r"\bA?GPL|GNU (Affero )?General Public", re.IGNORECASE)
LESSER = re.compile(r"LGPL|Lesser General Public", re.IGNORECASE)


def requirements(name: str) -> list[str]:
    """Names of the installed distributions `name` requires, extras included."""
    found = []
    for line in metadata.requires(name) or []:
        dependency = re.split(r"[ ;\[<>=!~(]", line, maxsplit=1)[0]
        try:
            metadata.distribution(dependency)
        except metadata.PackageNotFoundError:
            continue
        found.append(dependency)
    return found


def licence(name: str) -> str:
    """Everything a distribution says about its licence, joined."""
    meta = metadata.metadata(name)
    classifiers = [c for c in meta.get_all("Classifier", []) if c.startswith("License")]
    said = " | ".join([meta.get("License-Expression") or "", (meta.get("License") or "")[:200], *classifiers])
    return said if said.strip(" |") else heading(name)


def heading(name: str) -> str:
    """The first line of the licence file a distribution carries; some say it nowhere else."""
    for file in metadata.distribution(name).files or ():
        if "licenses" in file.parts and file.name.upper().startswith("LICEN"):
            return file.read_text().strip().partition("\n")[0]
    return ""


def closure(root: str) -> list[str]:
    """Every distribution reachable from `root`, sorted, without `root`."""
    seen: set[str] = set()
    todo = requirements(root)
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name not in seen:
            seen.add(name)
            todo += requirements(name)
    return sorted(seen)


def main() -> int:
    """Print one line a refused distribution; 0 when there is none."""
    refused = []
    names = closure("perftui")
    for name in names:
        text = licence(name)
        copyleft = REFUSED.search(LESSER.sub("", text))
        if copyleft or LESSER.search(text) or not ACCEPTED.search(text):
            refused.append(f"{name}: {text.strip(' |')[:120] or 'no licence metadata'}")
    for line in refused:
        print(line)
    print(f"{len(names)} dependencies, {len(refused)} refused", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
