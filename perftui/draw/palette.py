"""Style words to colours: one table a theme, chosen for each colour depth and for none at all.

Words are the tokens of `perftui.draw.rows`. Every foreground of the dark, light, high-contrast and
colour-blind themes has a contrast of at least 4.5:1 against its background (WCAG 2.2, 1.4.3), also
in the 256- and 16-colour variants, whose values lie exactly on the terminal's own palette so that no
driver rounds them elsewhere. `mono` uses bold, underline and reverse only; `terminal` uses the sixteen
names of the user's own scheme on the user's own background.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.color import Color
from rich.style import Style

from perftui.draw.rows import Look, Span
from perftui.draw.themes import ATTRIBUTES, MONO, SCHEMES, TERMINAL, Scheme

THEMES = ("dark", "light", "high-contrast", "colour-blind", "mono", "terminal")
TRUE_COLOUR = 1 << 24

_STATES: Mapping[str, tuple[str, str, str]] = {
    # word: (glyph, ASCII glyph, style)
    "ok": ("●", "*", "ok"),
    "live": ("●", "*", "ok"),
    "warn": ("▲", "!", "warn"),
    "late": ("▲", "!", "warn"),
    "crit": ("■", "#", "crit bold"),
    "refused": ("■", "#", "crit bold"),
    "lost": ("◌", "?", "lost bold"),
    "waiting": ("○", "o", "muted"),
    "off": ("–", "-", "muted"),
}


class Palette:
    """The colours of one theme at one depth. `background`, `foreground` and `surface` are hex or ""."""

    def __init__(self, name: str, scheme: Scheme) -> None:
        self.name = name
        self.dark = scheme.dark
        self.background = scheme.background
        self.foreground = scheme.tokens.get("text", "")
        self.surface = scheme.surface
        self._scheme = scheme
        self._styles: dict[str, Style] = {}

    def __repr__(self) -> str:
        return f"Palette({self.name!r})"

    @property
    def tokens(self) -> tuple[str, ...]:
        """All style words this palette knows."""
        return tuple(self._scheme.tokens)

    def hex(self, token: str) -> str:
        """Foreground of a token as `#rrggbb`, a terminal colour's name, or "" for the default."""
        return self._scheme.tokens.get(token, "")

    def ground(self, token: str) -> str:
        """Background a token brings along, "" when it lies on the theme's own."""
        return self._scheme.grounds.get(token, "")

    def style(self, words: str, muted: bool = False) -> Style:
        """The style of a span: its token's colours and the attributes after it.

        `muted` draws everything in the muted colour (the last good picture of a lost backend) and
        keeps attributes, so that shapes stay readable.
        """
        key = words + "\0" if muted else words
        found = self._styles.get(key)
        if found is None:
            found = self._styles[key] = self._build(words, muted)
        return found

    def _build(self, words: str, muted: bool) -> Style:
        attributes: set[str] = set()
        name = "text"
        for word in words.split():
            if word in ATTRIBUTES:
                attributes.add(word)
            else:
                name = word
        if muted and name not in ("cursor", "select"):
            name = "muted"
        attributes |= self._scheme.attributes.get(name, frozenset())
        foreground, background = self.hex(name), self.ground(name)
        return Style(
            color=Color.parse(foreground) if foreground else None,
            bgcolor=Color.parse(background) if background else None,
            bold="bold" in attributes or None,
            underline="underline" in attributes or None,
            reverse="reverse" in attributes or None,
        )


@lru_cache(maxsize=32)
def palette(theme: str = "dark", colours: int = TRUE_COLOUR) -> Palette:
    """The palette of a theme for a terminal with that many colours; unknown names give `dark`.

    Fewer than 8 colours is always mono.
    """
    if theme == "mono" or colours < 8:
        return Palette("mono", MONO)
    if theme == "terminal":
        return Palette("terminal", TERMINAL)
    name = theme if theme in SCHEMES else "dark"
    depths = SCHEMES[name]
    depth = 16 if colours < 256 else 256 if colours < TRUE_COLOUR else TRUE_COLOUR
    return Palette(name, depths[depth])


def glyph(word: str, look: Look) -> str:
    """The one-cell sign of a state word."""
    sign, plain_sign, _ = _STATES.get(word, ("·", ".", ""))
    return plain_sign if look.ascii_ else sign


def state(word: str, look: Look) -> str:
    """Sign and word of a state: `● ok`, `▲ warn`, `■ crit`, `◌ lost`; never colour alone."""
    return f"{glyph(word, look)} {word}"


def state_style(word: str) -> str:
    """The style word a state is drawn in."""
    return _STATES.get(word, ("", "", ""))[2]


def state_span(word: str, look: Look) -> Span:
    """Sign, word and style of a state."""
    return Span(state(word, look), state_style(word))


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two hex colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
