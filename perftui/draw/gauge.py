"""A value against its limits: bar, ticks, figure and the state in words."""

from __future__ import annotations

from perftui.draw import format as fmt
from perftui.draw.clean import cell_width, fit, inert
from perftui.draw.palette import state_span
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, split

_EIGHTHS = "▏▎▍▌▋▊▉█"
ONE_ROW_BELOW = 24  # cells


def gauge(
    label: str,
    value: float | None,
    size: Size,
    look: Look,
    *,
    unit: str = "ratio",
    low: float = 0.0,
    high: float = 1.0,
    warn: float | None = None,
    crit: float | None = None,
    down: bool = False,
) -> Rows:
    """`value` between `low` and `high` with warning and critical ticks and a state word.

    `down` means small values are the bad ones. Below 24 columns or with one row it is a row of text. The last
    value of what no longer answers is not judged.
    """
    word = judge(value, warn, crit, down)
    word = "lost" if word and look.muted else word
    figure = Span(fmt.value(value, unit), "bold")
    state = (state_span(word, look),) if word else ()
    if size.width < ONE_ROW_BELOW or size.height < 2:
        return fill([_text_row(label, figure, state, size.width)], size)
    head = split(
        size.width, [Span(inert(label), "muted")], [figure, Span("  "), *state] if state else [figure]
    )
    ticks = [(warn, "warn"), (crit, "crit")]
    style = {"crit": "crit", "warn": "warn"}.get(word, "s1")
    rows: Rows = [head, _bar(value, size.width, (low, high), style, ticks, look)]
    if size.height >= 3:
        rows.append(
            split(size.width, [Span(fmt.value(low, unit), "axis")], [Span(fmt.value(high, unit), "axis")])
        )
    return fill(rows, size)


def judge(value: float | None, warn: float | None, crit: float | None, down: bool = False) -> str:
    """The state word of a value: ok, warn or crit; "" without limits, waiting without a value."""
    if warn is None and crit is None:
        return ""
    if value is None or value - value != 0:
        return "waiting"
    for limit, word in ((crit, "crit"), (warn, "warn")):
        if limit is not None and (value <= limit if down else value >= limit):
            return word
    return "ok"


def _text_row(label: str, figure: Span, state: tuple[Span, ...], width: int) -> Row:
    """`cpu 42% ● ok`, giving up the word, then the label, as it gets narrower."""
    tail: list[Span] = [figure]
    if state:
        need = cell_width(figure.text) + 1 + cell_width(state[0].text)
        sign = state[0] if need + 4 <= width else Span(state[0].text[:1], state[0].style)
        tail += [Span(" "), sign]
    return split(width, [Span(inert(label), "muted")], tail)


def _bar(
    value: float | None,
    width: int,
    bounds: tuple[float, float],
    style: str,
    ticks: list[tuple[float | None, str]],
    look: Look,
) -> Row:
    low, high = bounds
    span = high - low if high > low else 1.0
    share = 0.0 if value is None or value - value != 0 else min(1.0, max(0.0, (value - low) / span))
    cells = _cells(share, width, look)
    styles = [style] * width
    for limit, tick_style in ticks:
        if limit is None or not low <= limit <= high:
            continue
        x = min(width - 1, int((limit - low) / span * width))
        filled = cells[x] not in " ·."
        cells[x] = "|" if look.ascii_ else "┃" if filled else "│"
        styles[x] = f"{tick_style} reverse" if filled else tick_style
    return _joined(cells, styles)


def _cells(share: float, width: int, look: Look) -> list[str]:
    if look.ascii_:
        full = round(share * width)
        return list("#" * full + "." * (width - full))
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    bar = "█" * full + (_EIGHTHS[rest - 1] if rest else "")
    return list(fit(bar, width).replace(" ", "·"))


def _joined(cells: list[str], styles: list[str]) -> Row:
    spans: list[Span] = []
    for char, style in zip(cells, styles, strict=True):
        rest = "faint" if char in "·." else style
        if spans and spans[-1].style == rest:
            spans[-1] = Span(spans[-1].text + char, rest)
        else:
            spans.append(Span(char, rest))
    return tuple(spans)
