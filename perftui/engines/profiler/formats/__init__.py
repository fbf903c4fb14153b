"""The formats a profile can be written in, by name and by the ending of a file."""

from __future__ import annotations

from collections.abc import Callable

from perftui.analysis.profilefile import write_profile
from perftui.engines.profiler.formats import collapsed, speedscope, svg
from perftui.model.profiler import Profile

WRITERS: dict[str, Callable[[Profile], str]] = {
    "speedscope": speedscope.write,
    "collapsed": collapsed.write,
    "svg": svg.write,
    "json": write_profile,
}
ENDINGS = (
    (".speedscope.json", "speedscope"),
    (".speedscope", "speedscope"),
    (".svg", "svg"),
    (".txt", "collapsed"),
    (".collapsed", "collapsed"),
    (".folded", "collapsed"),
    (".json", "json"),
)


def format_of(path: str) -> str:
    """The format a file's name asks for, or an empty string."""
    return next((name for ending, name in ENDINGS if path.lower().endswith(ending)), "")
