"""Which colours this terminal gets, and Textual's themes made from our palettes."""

from __future__ import annotations

import locale
from collections.abc import Mapping

from textual.theme import Theme

from perftui.draw.palette import THEMES, TRUE_COLOUR, Palette, palette

_DEPTHS = {"standard": 16, "256": 256, "truecolor": TRUE_COLOUR, "windows": 16}
_PLAIN_TERMS = ("dumb", "vt100", "vt102", "vt220")


def colours_of(color_system: str | None) -> int:
    """Number of colours of a console's colour system; 0 without colours."""
    return _DEPTHS.get(color_system or "", 0)


def wants_no_colour(environment: Mapping[str, str]) -> bool:
    """Whether the surroundings ask for no colour: `NO_COLOR` with any value, or a terminal without."""
    return "NO_COLOR" in environment or environment.get("TERM", "") in _PLAIN_TERMS


def wants_ascii(environment: Mapping[str, str]) -> bool:
    """Whether the surroundings cannot show Unicode blocks."""
    encoding = locale.getpreferredencoding(False)
    return encoding.lower().replace("-", "") != "utf8" or environment.get("TERM", "") in _PLAIN_TERMS


def theme_of(chosen: Palette) -> Theme:
    """A Textual theme on the palette's ground, so that what Textual paints itself fits in."""
    if not chosen.background:
        return _on_the_terminals_own(chosen)
    accent = chosen.hex("accent")
    return Theme(
        name=f"perftui-{chosen.name}",
        primary=accent,
        secondary=chosen.hex("s2"),
        accent=accent,
        warning=chosen.hex("warn"),
        error=chosen.hex("crit"),
        success=chosen.hex("ok"),
        foreground=chosen.foreground,
        background=chosen.background,
        surface=chosen.surface,
        panel=chosen.surface,
        dark=chosen.dark,
        text_alpha=1.0,
        variables={
            "text-disabled": chosen.hex("faint"),  # of a field that waits for words
            **_cursor(chosen.background, chosen.foreground, "none"),
        },
    )


def _on_the_terminals_own(chosen: Palette) -> Theme:
    """A theme without a ground of its own: default colours, and the terminal's sixteen if it has any."""

    def named(token: str) -> str:
        name = chosen.hex(token)
        return f"ansi_{name}" if name else "ansi_default"

    return Theme(
        name=f"perftui-{chosen.name}",
        primary=named("accent"),
        secondary=named("s2"),
        accent=named("accent"),
        warning=named("warn"),
        error=named("crit"),
        success=named("ok"),
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        dark=chosen.dark,
        ansi=True,
        variables={
            "ansi-background": "ansi_default",
            "ansi-foreground": "ansi_default",
            **_cursor("ansi_default", "ansi_default", "reverse"),
        },
    )


def _cursor(ink: str, ground: str, style: str) -> dict[str, str]:
    """An input's cursor that is visible on every ground."""
    return {
        "input-cursor-foreground": ink,
        "input-cursor-background": ground,
        "input-cursor-text-style": style,
    }


def choose(name: str, colours: int, colourless: bool) -> Palette:
    """The palette of a theme on this terminal; always mono where no colour may leave."""
    return palette("mono" if colourless else name, 0 if colourless else colours)


def theme_names() -> tuple[str, ...]:
    """Names `:theme` takes."""
    return THEMES
