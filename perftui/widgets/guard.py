"""A bug in one drawing costs that drawing, never the console of somebody on call.

With `PERFTUI_STRICT` set, as the tests do, the bug is raised instead.
"""

from __future__ import annotations

import logging
import os

log = logging.getLogger(__name__)

BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a bug in drawing code raises; anything else is no business of ours here."""


def failed(error: Exception, what: str) -> str:
    """Log a drawing's bug and return the sentence to show in its place; re-raises when strict."""
    if os.environ.get("PERFTUI_STRICT"):
        raise error
    log.error("drawing %s", what, exc_info=error)
    return f"{what} could not be drawn: {type(error).__name__}: {error}"
