"""Predictive warming on the Warming tab: what was loaded ahead by the hour, and what of it was used."""

from __future__ import annotations

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.partof import partof
from perftui.draw.rows import Look, Rows, Size
from perftui.draw.text import Piece, line
from perftui.model.cache import CacheNode
from perftui.model.predicted import Predicted, PredictedGroup, together
from perftui.widgets.panel import Panel

NAMED = 3  # groups that are told by name


class PredictedPanel(Panel):
    """Shown while any node of the server predicts."""

    DEFAULT_CSS = """
    PredictedPanel { height: 9; }
    """

    def __init__(self) -> None:
        super().__init__("Predicted (░) and used (█) by hour", id="predicted")
        self.display = False

    def show(self, node: CacheNode) -> None:
        """All nodes of this server together."""
        tiers = node.reading.tiers if node.reading is not None else None
        nodes = tiers.nodes if tiers is not None else ()
        told = together((one.namespace, one.predicted) for one in nodes if one.predicted is not None)
        self.display = told is not None
        if told is not None:
            self.set_rows(lambda size, look: predicted_rows(told, size, look))


def predicted_rows(told: Predicted, size: Size, look: Look) -> Rows:
    """A line of figures, a line of groups, and the bars."""
    rows: Rows = [line(size.width, *_figures(told)), line(size.width, *_groups(told))]
    return rows + partof(told.hours, told.hour, Size(size.width, max(1, size.height - 2)), look)


def _figures(told: Predicted) -> list[Piece]:
    good, of = told.precision, sum(group.day for group in told.groups if group.off is None)
    pieces: list[Piece] = [("precision ", "muted")]
    if good is None:
        pieces.append("not known yet" if told.on else "–")
    else:
        pieces += [fmt.ratio(good), (f" of {fmt.count(of)} in a day", "muted")]
    gain = "–" if told.gain is None else f"+{100 * told.gain:.1f} points"
    pieces += [("  hit gain ", "muted"), gain, ("  keys followed ", "muted"), fmt.count(told.keys)]
    pieces += [("  open ", "muted"), fmt.count(sum(group.open for group in told.groups))]
    if told.failed:
        pieces.append((f"  failed {fmt.count(told.failed)}", "warn"))
    if told.paused:
        pieces.append(("  paused: the source is slow or fails", "warn"))
    return pieces


def _groups(told: Predicted) -> list[Piece]:
    off = [group for group in told.groups if group.off is not None]
    on = sorted((g for g in told.groups if g.off is None and g.day), key=lambda g: -g.day)
    pieces: list[Piece] = []
    for group in off[:NAMED]:
        pieces += [("off ", "warn"), f"{_name(group)} {_why(group)}  "]
    if len(off) > NAMED:
        pieces.append((f"{len(off) - NAMED} more off  ", "warn"))
    for group in on[:NAMED]:
        pieces += [("on ", "ok"), f"{_name(group)} {fmt.ratio(group.precision)}  "]
    return pieces or [("no group was forecast yet: three periods are needed first", "muted")]


def _name(group: PredictedGroup) -> str:
    return inert(group.name.strip(), 40) or "keys without a group"


def _why(group: PredictedGroup) -> str:
    off = group.off
    since = f"; since then {fmt.ratio(group.precision)} would be" if group.day else ""
    return f"({off.used} of {off.of} used{since})" if off is not None else ""
