"""Letters that mean the same on every screen, and the one meaning of each letter a tab may use."""

from __future__ import annotations

RESERVED: frozenset[str] = frozenset(
    (
        *"1234567[]gjkG;?:/nNa,.<>@LuyYeECq",
        "space",
        "tab",
        "shift+tab",
        "escape",
        "enter",
        "up",
        "down",
        "pageup",
        "pagedown",
        "home",
        "end",
        *(f"ctrl+{c}" for c in "xfreplzcqabs"),
    )
)
"""Keys no tab may take: the global ones, and terminal multiplexers' and flow control's prefixes."""

SOFT: frozenset[str] = frozenset(
    (
        "sort",
        "sort.reverse",
        "columns",
        "window.shorter",
        "window.longer",
        "move.left",
        "move.right",
    )
)
"""Global commands whose letters a tab may claim; they stay reachable by name in the palette."""

FREE: frozenset[str] = frozenset("bcdfimprtvwxz" + "ABDFHIJKMOPQRTUVWXZ" + "=!*0(){}" + "sSohl+-")
"""Single letters a tab may use."""

ACTS: dict[str, tuple[str, ...]] = {
    "c": ("new", "colour"),
    "i": ("edit",),
    "D": ("delete", "drop", "describe", "remove"),
    "A": ("apply",),
    "O": ("on/off", "owner", "mode"),
    "P": ("pause", "profiles"),
    "H": ("hold", "hot", "heatmap"),
    "K": ("kill", "terminate", "signal", "clock"),
    "T": ("test", "trial", "dry run", "run for real"),
    "x": ("cancel", "abort", "exclude"),
    "p": ("purge", "pick", "target"),
    "t": ("threshold", "target", "schedule", "which"),
    "=": ("scale", "size", "set", "count"),
    "w": ("why", "explain", "evidence"),
    "v": ("view", "pane"),
    "I": ("ignore", "index", "insert"),
}
"""Letter → words of which one must occur in the title or help of a command on it."""
