"""Text that fits one short message: 160 characters of the GSM alphabet, or 70 of any."""

from __future__ import annotations

import unicodedata

# 3GPP TS 23.038, default alphabet and its extension table (two septets each).
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("^{}\\[~]|€")
SEPTETS, WIDE = 160, 70
LONGEST = 400  # characters looked at
_PLAIN = {
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "→": "->",
    "≥": ">=",
    "≤": "<=",
    "•": "*",
    "×": "x",
    "µ": "u",
    "\t": " ",
    "°": "deg",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "ı": "i",
}


def septets(text: str) -> int | None:
    """Its length in the GSM alphabet, None when it cannot be written in that."""
    if not all(c in BASIC or c in EXTENDED for c in text):
        return None
    return len(text) + sum(c in EXTENDED for c in text)


def fitted(text: str) -> str:
    """`text` cut to one segment, transliterated where that keeps it readable."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text[:LONGEST]).split())
    plain = "".join(map(_transliterated, flat))
    lost = sum(not _writable(c) for c in plain)
    if lost * 4 <= len(plain):  # few strangers: one question mark each is better than 70 characters
        return _cut("".join(c if _writable(c) else "?" for c in plain))
    return _cut_wide(flat)


def _writable(c: str) -> bool:
    return c in BASIC or c in EXTENDED


def _transliterated(c: str) -> str:
    if _writable(c):
        return c
    if c in _PLAIN:
        return _PLAIN[c]
    bare = "".join(d for d in unicodedata.normalize("NFKD", c) if not unicodedata.combining(d))
    return bare if bare and all(map(_writable, bare)) else c


def _cut(text: str) -> str:
    while (septets(text) or 0) > SEPTETS:
        text = text[: -4 if text.endswith("...") else -1].rstrip(".") + "..."
    return text


def _cut_wide(text: str) -> str:
    """UTF-16 units count: a character beyond the first plane takes two."""
    if len(text.encode("utf-16-le")) // 2 <= WIDE:
        return text
    while len(text.encode("utf-16-le")) // 2 > WIDE - 1:
        text = text[:-1]
    return text + "…"
