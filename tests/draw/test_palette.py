"""Every colour readable, every depth on its own palette, no colour at all where there is none."""

from __future__ import annotations

import pytest
from rich.color import Color, ColorSystem

from perftui.draw.palette import THEMES, TRUE_COLOUR, contrast, glyph, palette, state
from perftui.draw.rows import Look
from perftui.draw.themes import SCHEMES, TOKENS

COLOURED = [(name, depth) for name in SCHEMES for depth in (TRUE_COLOUR, 256, 16)]


@pytest.mark.parametrize(("theme", "depth"), COLOURED)
def test_every_token_is_readable(theme: str, depth: int) -> None:
    look = palette(theme, depth)
    weak = {}
    for token in TOKENS:
        ratio = contrast(look.hex(token), look.ground(token) or look.background)
        if ratio < 4.5:
            weak[token] = round(ratio, 2)
    assert weak == {}


@pytest.mark.parametrize("theme", SCHEMES)
def test_256_colours_stay_readable_after_the_drivers_rounding(theme: str) -> None:
    look = palette(theme, 256)
    ground = rounded(look.background)
    for token in TOKENS:
        colour = look.hex(token)
        under = rounded(look.ground(token)) if look.ground(token) else ground
        assert contrast(rounded(colour), under) >= 4.5, token
        grey = colour[1:3] == colour[3:5] == colour[5:7]
        assert grey or rounded(colour) == colour, token  # the driver shifts greys by one step


def rounded(colour: str) -> str:
    return Color.parse(colour).downgrade(ColorSystem.EIGHT_BIT).get_truecolor().hex


@pytest.mark.parametrize("theme", SCHEMES)
def test_16_colours_are_the_terminals_own(theme: str) -> None:
    look = palette(theme, 16)
    vga = {f"#{r}{g}{b}" for r in ("00", "aa") for g in ("00", "aa") for b in ("00", "aa")}
    vga |= {f"#{r}{g}{b}" for r in ("55", "ff") for g in ("55", "ff") for b in ("55", "ff")} | {"#aa5500"}
    used = {look.background, *(look.hex(t) for t in TOKENS), *filter(None, (look.ground(t) for t in TOKENS))}
    assert used <= vga


def test_series_differ_in_every_theme() -> None:
    for theme in SCHEMES:
        look = palette(theme)
        assert len({look.hex(f"s{i}") for i in range(1, 7)}) == 6
        assert len({look.hex(f"h{i}") for i in range(1, 6)}) == 5


def test_mono_has_attributes_only() -> None:
    look = palette("mono")
    for token in TOKENS:
        style = look.style(token)
        assert style.color is None
        assert style.bgcolor is None
    assert look.style("crit").bold
    assert look.style("cursor").reverse
    assert palette("light", 2).name == "mono"


def test_terminal_uses_the_users_background_and_names() -> None:
    look = palette("terminal")
    assert look.background == ""
    for token in TOKENS:
        style = look.style(token)
        assert style.bgcolor is None
        assert style.color is None or style.color.number is not None
        assert style.color is None or style.color.number < 7


def test_attributes_follow_the_token() -> None:
    style = palette("dark").style("crit bold underline")
    assert style.bold
    assert style.underline
    assert style.color is not None
    assert style.color.name == palette("dark").hex("crit")


def test_muted_takes_the_colour_and_keeps_the_shape() -> None:
    look = palette("dark")
    style = look.style("crit bold", muted=True)
    assert style.color is not None
    assert style.color.name == look.hex("muted")
    assert style.bold


def test_states_are_glyph_and_word() -> None:
    assert state("ok", Look()) == "● ok"
    assert state("warn", Look()) == "▲ warn"
    assert state("crit", Look()) == "■ crit"
    assert state("lost", Look()) == "◌ lost"
    assert state("lost", Look(ascii_=True)).isascii()
    assert len({glyph(w, Look(ascii_=True)) for w in ("ok", "warn", "crit", "lost")}) == 4


def test_unknown_theme_is_dark() -> None:
    assert palette("nonesuch").name == "dark"
    assert set(THEMES) >= set(SCHEMES)
