"""What the cache tabs have in common: the header line, columns, and names made fit to show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from perftui.analysis.ranks import Move, Ranks
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.palette import state_span
from perftui.draw.rows import Look, Row, Span
from perftui.draw.table import Cell, Column
from perftui.draw.text import line
from perftui.model.cache import CacheNode, CommandCost, HotKey, KeyInfo, PrefixShare, SlowCommand
from perftui.model.commandlog import LargeCommand
from perftui.model.health import Link
from perftui.model.prefixhits import PrefixHits


def key_text(key: bytes, limit: int = 200) -> str:
    """A key's name, inert; what is cut off is told by its length."""
    text = inert(key[: limit + 1].decode("utf-8", "backslashreplace"), limit)
    return f"{text} ({fmt.bytes_(len(key))})" if len(key) > limit else text


def head_row(node: CacheNode | None, at: float, width: int, look: Look) -> Row:
    """Source, link, age, hit ratio of the last minute, memory, traffic and evictions of one server."""
    if node is None:
        return line(width, (" no server", "muted"))
    facts = node.reading
    state = {Link.LIVE: "ok"}.get(node.health.link, node.health.link.value)
    spans: list[Span] = [Span(" "), state_span(state, look), Span(f" {inert(node.source, 24)}", "text bold")]
    if facts is None:
        return line(width, *spans, Span(f"  {inert(node.health.error, 200)}", "muted"))
    age = max(0.0, at - node.at)
    limit = fmt.bytes_(facts.max_bytes) if facts.max_bytes else "no limit"
    parts = (
        ("", f"{node.role} {fmt.age(age)}"),
        ("hit ", fmt.ratio(node.hit_ratio_1m, 5)),
        ("", f"{fmt.rate(facts.ops_per_s, width=8)}"),
        ("mem ", f"{fmt.bytes_(facts.used_bytes)}/{limit}"),
        ("evict ", fmt.rate(facts.evicted_per_s)),
        ("keys ", fmt.count(facts.keys)),
        ("", f"{facts.product} {inert(facts.version, 16)}"),
    )
    return line(width, *as_many_as_fit(spans, parts, width))


def as_many_as_fit(spans: list[Span], parts: Iterable[tuple[str, str]], width: int) -> list[Span]:
    """The spans and whole (label, text) after them, the first ones first."""
    used = sum(len(s.text) for s in spans)
    for label, text in parts:
        used += 2 + len(label) + len(text)
        if used > width:
            break
        spans = [*spans, Span(f"  {label}", "muted"), Span(text, "text")]
    return spans


def link_cell(word: str) -> Cell:
    """Glyph and word of a link."""
    glyph = {"live": "●", "late": "◔", "waiting": "○", "off": "○"}.get(word, "◌")
    return f"{glyph} {word}", {"live": "ok", "late": "warn", "waiting": "muted", "off": "muted"}.get(
        word, "lost"
    )


def hit_cell(ratio: float | None) -> Cell:
    """A hit ratio against target and alert."""
    style = "" if ratio is None else "ok" if ratio >= 0.95 else "warn" if ratio < 0.9 else ""
    return fmt.ratio(ratio), style


def _full_cell(ratio: float | None) -> Cell:
    style = "" if ratio is None else "crit" if ratio >= 0.95 else "warn" if ratio >= 0.8 else ""
    return fmt.ratio(ratio), style


def _of(name: str) -> Any:
    return lambda node: getattr(node.reading, name) if node.reading else None


def node_columns() -> list[Column]:
    """Columns of the table of servers."""
    return [
        Column("source", "Server", width=12, grow=True, help="name of the backend"),
        Column("role", "Role", width=8, priority=2),
        Column("link", "Link", link_cell, value=lambda n: n.health.link.value, width=9),
        Column("ops_per_s", "Cmd/s", fmt.number, value=_of("ops_per_s"), width=7, align="right"),
        Column("hit_ratio_1m", "Hit 1m", hit_cell, width=6, align="right"),
        Column("used_bytes", "Used", fmt.bytes_, value=_of("used_bytes"), width=9, align="right"),
        Column("memory_ratio", "of max", _full_cell, value=_of("memory_ratio"), width=6, align="right"),
        Column("evicted_per_s", "Evict/s", fmt.number, value=_of("evicted_per_s"), width=7, align="right"),
        Column("clients", "Clients", value=_of("clients"), width=7, align="right", priority=4),
        Column("keys", "Keys", fmt.count, value=_of("keys"), width=9, align="right", priority=3),
        Column("lag_bytes", "Lag", fmt.bytes_, width=9, align="right", priority=2, help="replication, bytes"),
        Column("lag_s", "Lag s", fmt.duration, width=7, align="right", priority=5),
        Column("cpu_ratio", "CPU", fmt.ratio, value=_of("cpu_ratio"), width=6, align="right", priority=6),
        Column("version", "Version", value=_of("version"), width=8, priority=7),
    ]


def slow_columns(tz: str, *, nodes: bool = False) -> list[Column]:
    """Columns of the slow log, or of those of several `nodes`."""
    return [
        Column("at", "Time", lambda at: fmt.clock(at, tz), width=8),
        Column("took_s", "Took", fmt.duration, width=8, align="right", help="time in the server alone"),
        *([Column("node", "Node", width=15, help="whose slow log it is in")] if nodes else []),
        Column("text", "Command", width=24, grow=True, help="secrets masked, cut at 4 KiB"),
        Column("client", "Client", width=21, priority=3),
    ]


def large_columns(tz: str, *, nodes: bool = False) -> list[Column]:
    """Columns of large requests and replies, those of several `nodes` too."""
    return [
        Column("at", "Time", lambda at: fmt.clock(at, tz), width=8),
        Column("bytes_", "Bytes", fmt.bytes_, width=9, align="right"),
        Column("kind", "Of", lambda kind: kind.removeprefix("large-"), width=7),
        *([Column("node", "Node", width=15, priority=2, help="whose log it is in")] if nodes else []),
        Column("text", "Command", width=20, grow=True, help="secrets masked, cut at 4 KiB"),
        Column("client", "Client", width=21, priority=3),
    ]


def cost_columns() -> list[Column]:
    """Columns of what each command costs."""
    return [
        Column("name", "Command", width=16, grow=True),
        Column("calls_per_s", "Calls/s", fmt.number, width=8, align="right"),
        Column("seconds_per_call", "Each", fmt.duration, width=9, align="right"),
        Column("share", "Time", fmt.ratio, width=7, align="right", help="part of all command time"),
        Column("failed_per_s", "Failed/s", fmt.number, width=8, align="right", priority=3),
    ]


Interval = tuple[float, float]
"""A share and the half-width of its 95 % interval."""


def share_bar(share: Interval, cells: int = 16) -> Cell:
    """A bar of a share, its interval as a lighter end."""
    full = round(share[0] * cells)
    most = min(cells, round(sum(share) * cells))
    return "█" * full + "░" * max(0, most - full), "s1"


def interval(share: Interval) -> str:
    """`12.3% ± 0.8%`; a counted value stands alone."""
    return fmt.ratio(share[0]) if share[1] == 0 else f"{fmt.ratio(share[0])} ± {fmt.ratio(share[1])}"


def _byte_share(share: PrefixShare) -> Interval:
    return share.byte_share, share.byte_error


def _key_share(share: PrefixShare) -> Interval:
    return share.key_share, share.key_error


def share_columns() -> list[Column]:
    """Columns of prefix shares; shares stand with their 95 % interval."""
    return [
        Column("prefix", "Prefix", lambda p: key_text(p, 80), width=16, grow=True),
        Column("byte_share", "Of bytes", interval, value=_byte_share, width=14, align="right"),
        Column("bar", "", share_bar, value=_byte_share, width=16, priority=5),
        Column("bytes_", "About", fmt.bytes_, width=9, align="right", priority=2),
        Column("key_share", "Of keys", interval, value=_key_share, width=14, align="right", priority=3),
        Column("keys", "Keys", fmt.count, width=9, align="right", priority=4),
    ]


def ttl_text(ttl: float | None) -> Cell:
    """Time left; `never` for a key that stays."""
    return ("never", "muted") if ttl is None else fmt.duration(ttl)


def _encoding(name: str) -> Cell:
    return name or "–", "muted"


def key_columns(*, freq: bool = True) -> list[Column]:
    """Columns of keys, without how often they are used where that is not told."""
    counted = Column(
        "freq", "Freq", width=5, align="right", priority=4, help="OBJECT FREQ, LFU policies only"
    )
    return [
        Column("key", "Key", key_text, width=24, grow=True),
        Column("kind", "Type", width=7, priority=2),
        Column("encoding", "Encoding", _encoding, width=10, priority=3, help="how the server keeps it"),
        Column("ttl_s", "TTL", ttl_text, width=10, align="right"),
        Column("bytes_", "Bytes", fmt.bytes_, width=9, align="right", help="MEMORY USAGE, overhead included"),
        *([counted] if freq else []),
    ]


def move_cell(move: Move | None) -> Cell:
    """How a rank moved; what the looks' own error explains stands back."""
    if move is None:
        return ""
    return move.words, "text" if move.sure and move.places else "muted"


def hot_columns(ranks: Ranks) -> list[Column]:
    """Columns of hot keys, with how they moved since the look before."""

    def moved(hot: HotKey) -> Move | None:
        return ranks.move(hot.key)

    return [
        Column("key", "Hot key", key_text, width=24, grow=True),
        Column("move", "Moved", move_cell, value=moved, width=5, align="right", help="places, since last H"),
        Column("share", "Share", interval, value=lambda h: (h.share, h.error), width=14, align="right"),
        Column("count", "Commands", fmt.count, width=9, align="right"),
        Column("writes", "Writes", fmt.count, width=6, align="right", priority=2),
        Column("writers", "Writers", fmt.count, width=7, align="right", priority=3),
    ]


def _ends(row: PrefixHits) -> Interval:
    return row.low, row.high


def _surely(ends: Interval) -> Cell:
    style = "ok" if ends[0] >= 0.95 else "warn" if ends[1] < 0.9 else ""
    return fmt.between(ends), style


def hits_columns() -> list[Column]:
    """Columns of prefixes by what their reads found, with the 95 % interval."""
    return [
        Column("prefix", "Prefix read", lambda p: key_text(p, 80), width=14, grow=True),
        Column("reads", "Reads", fmt.count, width=6, align="right"),
        Column("ratio", "Hit", fmt.ratio, width=6, align="right", help="of the reads that could be judged"),
        Column(
            "between", "95 %", _surely, value=_ends, width=10, align="right", help="unsure ones either way"
        ),
        Column("unsure", "Unsure", fmt.count, width=6, align="right", priority=2, help="a hit or a miss"),
    ]


def item_key(item: KeyInfo | HotKey | PrefixShare | PrefixHits) -> bytes:
    """What tells two rows apart."""
    return item.prefix if isinstance(item, PrefixShare | PrefixHits) else item.key


def slow_key(entry: SlowCommand) -> tuple[int, float, str]:
    """An id starts again at 0 with the server; each node has its own."""
    return entry.id, entry.at, entry.node


def large_key(entry: LargeCommand) -> tuple[str, int, float, str]:
    """Each kind counts its own ids."""
    return entry.kind, entry.id, entry.at, entry.node


def cost_key(cost: CommandCost) -> str:
    """A command's name."""
    return cost.name
