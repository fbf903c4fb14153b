"""The colour tables themselves, kept apart from the code that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ATTRIBUTES = ("bold", "underline", "reverse")
PLAIN = ("text", "muted", "faint", "title", "accent", "ok", "warn", "crit", "lost", "axis", "grid")
LIT = ("cursor", "select", "hit")
SERIES = ("s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8")
HEAT = ("h1", "h2", "h3", "h4", "h5")
TOKENS = (*PLAIN, *LIT, *SERIES, *HEAT)


@dataclass(frozen=True, slots=True)
class Scheme:
    """One theme at one depth: foregrounds, the few backgrounds tokens bring, and attributes."""

    background: str
    surface: str
    dark: bool
    tokens: Mapping[str, str]
    grounds: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, frozenset[str]] = field(default_factory=dict)


_BOLD = frozenset({"bold"})
_COLOURED = {"title": _BOLD, "hit": _BOLD}


def _scheme(ground: str, plain: str, lit: str, grounds: str, series: str, heat: str) -> Scheme:
    """Each argument lists colours in the order of its tokens; `ground` is background and surface."""
    background, surface = ground.split()
    values = f"{plain} {lit} {series} {heat}".split()
    tokens = dict(zip(TOKENS, values, strict=True))
    under = dict(zip(LIT, grounds.split(), strict=True))
    return Scheme(background, surface, background < "#8", tokens, under, _COLOURED)


_DARK = _scheme(
    "#0f141a #182029",
    "#d7dde5 #9aa7b5 #84919f #f2f5f8 #5cc8ff #56d38a #f2c14e #ff7b72 #d69cff #84919f #84919f",
    "#ffffff #ffffff #0f141a",
    "#1f4f7a #2c3a49 #f2c14e",
    "#5cb8ff #f2b155 #63d297 #e58fd0 #ff8a66 #7fd6e8 #e9e06a #b9a3ff",
    "#5f8fd0 #3fb5a8 #a8cc4a #f2b13e #ffe9b0",
)
_DARK_256 = _scheme(
    "#121212 #1c1c1c",
    "#dadada #a8a8a8 #949494 #ffffff #5fd7ff #5fd787 #ffd75f #ff8787 #d7afff #949494 #949494",
    "#ffffff #ffffff #121212",
    "#005f87 #303030 #ffd75f",
    "#5fafff #ffaf5f #5fd787 #ff87d7 #ff875f #87d7d7 #ffff5f #afafff",
    "#5f87d7 #5fafaf #afd75f #ffaf00 #ffffaf",
)
# Sixteen colours by the values of the VGA palette, which is what drivers compare with.
_DARK_16 = _scheme(
    "#000000 #000000",
    "#ffffff #aaaaaa #aaaaaa #ffffff #55ffff #55ff55 #ffff55 #ff5555 #ff55ff #aaaaaa #aaaaaa",
    "#000000 #ffffff #000000",
    "#55ffff #0000aa #ffff55",
    "#55ffff #ffff55 #55ff55 #ff55ff #ff5555 #00aaaa #ffffff #aaaaaa",
    "#00aaaa #00aa00 #55ff55 #ffff55 #ffffff",
)
_LIGHT = _scheme(
    "#fbfbf9 #eeeeea",
    "#1f2328 #57606a #656d76 #0b0d0f #0757a8 #1a6b34 #7d5200 #b3201f #7334b8 #656d76 #656d76",
    "#ffffff #0b0d0f #0b0d0f",
    "#0757a8 #cfe0f3 #f2c14e",
    "#0757a8 #8f4a00 #1a6b34 #9c2a7d #b3201f #0f6674 #6b6100 #5b3fc4",
    "#4f6fa0 #2a736d #5a7300 #9a5500 #8c1410",
)
_LIGHT_256 = _scheme(
    "#ffffff #eeeeee",
    "#1c1c1c #585858 #626262 #080808 #005faf #005f00 #875f00 #af0000 #8700af #626262 #626262",
    "#ffffff #080808 #080808",
    "#005faf #d7d7ff #ffd75f",
    "#005faf #875f00 #005f00 #af0087 #d70000 #005f87 #5f5f00 #5f00d7",
    "#5f5faf #005f5f #5f5f00 #af5f00 #870000",
)
_LIGHT_16 = _scheme(
    "#ffffff #ffffff",
    "#000000 #555555 #555555 #000000 #0000aa #0000aa #aa5500 #aa0000 #aa00aa #555555 #555555",
    "#ffffff #ffffff #000000",
    "#0000aa #000000 #ffff55",
    "#0000aa #aa5500 #000000 #aa00aa #aa0000 #5555ff #555555 #0000aa",
    "#5555ff #0000aa #aa00aa #aa5500 #aa0000",
)
_HIGH = _scheme(
    "#000000 #141414",
    "#ffffff #dcdcdc #c4c4c4 #ffffff #00e5ff #4dff88 #ffe14d #ff9a94 #e6b3ff #c4c4c4 #c4c4c4",
    "#000000 #000000 #000000",
    "#ffff00 #ffffff #ffe14d",
    "#5cd0ff #ffc266 #4dff88 #ff9ee6 #ff9e7a #8ff0ff #ffff66 #c9b8ff",
    "#8ab8ff #5cf0dc #c6ff4d #ffcc33 #ffffff",
)
_HIGH_256 = _scheme(
    "#000000 #121212",
    "#ffffff #dadada #c6c6c6 #ffffff #00ffff #5fff87 #ffff5f #ff8787 #ffafff #c6c6c6 #c6c6c6",
    "#000000 #000000 #000000",
    "#ffff00 #ffffff #ffff5f",
    "#5fd7ff #ffd75f #5fff87 #ffafd7 #ffaf87 #87ffff #ffff5f #d7afff",
    "#87afff #5fffd7 #d7ff5f #ffd700 #ffffff",
)
_HIGH_16 = _scheme(
    "#000000 #000000",
    "#ffffff #ffffff #ffffff #ffffff #55ffff #55ff55 #ffff55 #ff5555 #ff55ff #ffffff #ffffff",
    "#000000 #000000 #000000",
    "#ffff55 #ffffff #ffff55",
    "#55ffff #ffff55 #55ff55 #ff55ff #ff5555 #aaaaaa #ffffff #55ffff",
    "#00aaaa #55ffff #55ff55 #ffff55 #ffffff",
)
# Okabe and Ito's eight colours (2008); their blue is too dark for text and serves as the cursor's ground.
_BLIND = _scheme(
    "#000000 #161616",
    "#eeeeee #b8b8b8 #999999 #ffffff #56b4e9 #56b4e9 #f0e442 #d55e00 #cc79a7 #999999 #999999",
    "#ffffff #ffffff #000000",
    "#0072b2 #3a3a3a #f0e442",
    "#56b4e9 #e69f00 #009e73 #f0e442 #cc79a7 #d55e00 #ffffff #999999",
    "#009e73 #56b4e9 #e69f00 #f0e442 #ffffff",
)
_BLIND_256 = _scheme(
    "#000000 #121212",
    "#eeeeee #bcbcbc #949494 #ffffff #5fafff #5fafff #ffff5f #ff5f00 #d787af #949494 #949494",
    "#ffffff #ffffff #000000",
    "#005faf #3a3a3a #ffff5f",
    "#5fafff #d7af00 #00af87 #ffff5f #d787af #ff5f00 #ffffff #949494",
    "#00af87 #5fafff #d7af00 #ffff5f #ffffff",
)
_BLIND_16 = _scheme(
    "#000000 #000000",
    "#ffffff #aaaaaa #aaaaaa #ffffff #55ffff #55ffff #ffff55 #ff5555 #ff55ff #aaaaaa #aaaaaa",
    "#000000 #ffffff #000000",
    "#55ffff #0000aa #ffff55",
    "#55ffff #ffff55 #00aaaa #ff55ff #ff5555 #aaaaaa #ffffff #aaaaaa",
    "#00aaaa #aaaaaa #55ffff #ffff55 #ffffff",
)

SCHEMES: Mapping[str, Mapping[int, Scheme]] = {
    "dark": {1 << 24: _DARK, 256: _DARK_256, 16: _DARK_16},
    "light": {1 << 24: _LIGHT, 256: _LIGHT_256, 16: _LIGHT_16},
    "high-contrast": {1 << 24: _HIGH, 256: _HIGH_256, 16: _HIGH_16},
    "colour-blind": {1 << 24: _BLIND, 256: _BLIND_256, 16: _BLIND_16},
}

_REVERSE = frozenset({"reverse"})
_UNDERLINE = frozenset({"underline"})
MONO = Scheme(
    "",
    "",
    True,
    dict.fromkeys(TOKENS, ""),
    attributes={
        "title": _BOLD,
        "accent": _BOLD,
        "warn": _BOLD,
        "crit": frozenset({"bold", "underline"}),  # not reverse: bars of full blocks would turn empty
        "lost": _UNDERLINE,
        "cursor": _REVERSE,
        "select": _UNDERLINE,
        "hit": frozenset({"bold", "underline"}),
        "h5": _BOLD,
    },
)
# The user's own sixteen colours on an unknown background: no bright or white foregrounds, which
# vanish on light schemes, and no bright black, which vanishes on some dark ones.
TERMINAL = Scheme(
    "",
    "",
    True,
    {
        **dict.fromkeys(TOKENS, ""),
        "accent": "blue",
        "ok": "green",
        "warn": "yellow",
        "crit": "red",
        "lost": "magenta",
        "s1": "blue",
        "s2": "yellow",
        "s3": "green",
        "s4": "magenta",
        "s5": "red",
        "s6": "cyan",
        "h1": "blue",
        "h2": "cyan",
        "h3": "green",
        "h4": "yellow",
        "h5": "red",
    },
    attributes={
        "title": _BOLD,
        "cursor": _REVERSE,
        "select": frozenset({"bold", "underline"}),
        "hit": _REVERSE,
    },
)
