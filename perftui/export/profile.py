"""Profiles as files other tools open, for whoever stands above the engines."""

from __future__ import annotations

from collections.abc import Callable

from perftui.engines.profiler.formats import WRITERS
from perftui.model.profiler import Profile

FORMS: dict[str, tuple[str, str]] = {
    "svg": ("svg", "flame graph as SVG"),
    "speedscope.json": ("speedscope", "speedscope"),
    "folded": ("collapsed", "collapsed stacks"),
    "profile.json": ("json", "perftui's own format, all of it"),
}
"""Ending of the file → (format, what it is)."""


def writers(profile: Profile) -> dict[str, tuple[str, Callable[[], str]]]:
    """Ending → (what it is, the function that makes the text); nothing is written before it is called."""

    def of(form: str) -> Callable[[], str]:
        return lambda: WRITERS[form](profile)

    return {ending: (what, of(form)) for ending, (form, what) in FORMS.items()}
