"""Pictures that need no network and tell nothing of the machine they were made on."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

FONTS = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
"""Families with box, block and braille glyphs that are installed somewhere already."""

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}\s*")
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_METADATA = re.compile(r"<metadata\b.*?</metadata>\s*|<desc\b.*?</desc>\s*", re.DOTALL)
_FAMILY = re.compile(r"font-family:\s*[^;}\"]+")
_TITLE = re.compile(r"<title\b[^>]*>.*?</title>\s*", re.DOTALL)
_OPEN = re.compile(r"<svg\b[^>]*>")


def standalone(svg: str, title: str) -> str:
    """`svg` with fonts from the network, comments and metadata removed, and `title` as its name.

    The text and every shape stay as they were. Raises ValueError for what is no SVG.
    """
    opening = _OPEN.search(svg)
    if opening is None:
        raise ValueError("this is no SVG")
    head, body = svg[: opening.end()], svg[opening.end() :]
    for noise in (_FONT_FACE, _COMMENT, _METADATA, _TITLE):
        body = noise.sub("", body)
        head = noise.sub("", head)
    body = _FAMILY.sub(f"font-family: {FONTS}", body)
    return f"{head}\n    <title>{escape(title)}</title>{body}"
