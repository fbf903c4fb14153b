"""Keys: the prefixes that hold most, a page of keys with type, TTL and bytes, hot ones, and a key's value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.analysis.ranks import Ranks
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cache import (
    CacheNode,
    CommandSample,
    HotKey,
    KeyInfo,
    KeyPage,
    Keyspace,
    PrefixShare,
)
from perftui.model.frame import Frame
from perftui.model.keyvalue import TOPIC as VALUE
from perftui.model.prefixhits import PrefixHits
from perftui.screens.cache.base import EMPTY, CacheTab
from perftui.screens.cache.browse.value import ValuePart, ask_ttl
from perftui.screens.cache.rows import hits_columns, hot_columns, item_key, key_columns, share_columns
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

PAGE, SPACE, HOT = "cache.keys", "cache.keyspace", "cache.commands"
VIEWS = ("page", "hot", "hits")
WANT = 200
HOT_COMMANDS, HOT_SECONDS = 5000, 0.5


class KeysTab(CacheTab):
    """Prefixes at the left, keys at the right, at 80 columns the keys alone; `enter` looks into a key.

    Likewise, once the command stream was watched, what its reads found by prefix, and its hot keys.
    From 160 columns on its value is beside the page, else in its place.
    """

    DEFAULT_CSS = """
    KeysTab { layout: vertical; }
    KeysTab #head { height: 1; }
    KeysTab #tables { height: 1fr; layout: horizontal; }
    KeysTab #prefixes { width: 2fr; margin-right: 1; }
    KeysTab #page { width: 3fr; }
    KeysTab #hits { width: 2fr; margin-right: 1; display: none; }
    KeysTab #hot { width: 3fr; display: none; }
    """
    id_: ClassVar[str] = "cache.keys"
    title: ClassVar[str] = "Keys"
    topics: ClassVar[tuple[str, ...]] = ("cache", "cachecluster", PAGE, SPACE, HOT, VALUE)
    empty: ClassVar[str] = "would show keys with type, TTL and bytes, page by page" + EMPTY
    verbs: ClassVar[Mapping[str, str]] = {**CacheTab.verbs, "keys": "PATTERN  show keys that match"}

    first: ClassVar[str] = "#page"

    def __init__(self) -> None:
        super().__init__()
        self.pattern = b""
        self.view = "page"
        self.opened = False
        self._asked = ""
        self._ranks = Ranks()

    def compose(self) -> Iterable[Widget]:
        """The page takes the keys first."""
        yield Panel(id="head")
        with Widget(id="tables"):
            yield LiveTable(
                share_columns(), key=item_key, title="Prefixes", id="prefixes", sort="bytes_", reverse=True
            )
            yield LiveTable(key_columns(freq=False), key=item_key, title="Keys", id="page")
            yield LiveTable(
                hits_columns(), key=item_key, title="Hits by prefix", id="hits", sort="reads", reverse=True
            )
            yield LiveTable(
                hot_columns(self._ranks), key=item_key, title="Hot keys", id="hot", sort="count", reverse=True
            )
            yield ValuePart(id="value")

    def arrange_for(self, layout: int) -> None:
        """Prefixes, or their hits beside hot keys, need 120 columns, a value beside the page 160."""
        keys, both, watched = layout >= 160 or not self.opened, layout >= 120, self.view != "page"
        shown = {"prefixes": both and not self.opened and not watched, "page": keys and not watched}
        shown["hits"] = keys and (self.view == "hits" or (both and watched and not self.opened))
        shown["hot"] = keys and (self.view == "hot" or (both and watched and not self.opened))
        for name, display in shown.items():
            self.query_one(f"#{name}").display = display
        self.query_one("#value").display = self.opened
        self.query_one("#value").set_class(layout < 120, "narrow")
        self.query_one("#value").set_class(layout >= 160, "beside")

    @property
    def _value(self) -> ValuePart:
        return self.query_one("#value", ValuePart)

    @property
    def _table(self) -> LiveTable:
        return self.query_one(f"#{self.view}", LiveTable)

    def paint(self, _frames: Mapping[str, Frame], node: CacheNode) -> None:
        """Tables from the newest probes; the first page is asked for here."""
        self.health_of(node)
        if self._asked != node.source and node.reading is not None:
            self._asked = node.source
            self.scan(0)
            self.probe(SPACE, node.source, "KeyspaceReader", lambda power: power.sample_keyspace(b"", 64))
        self._paint_page(self.told(PAGE, node))
        space = self.told(SPACE, node).report
        prefixes = space.prefixes if isinstance(space, Keyspace) else ()
        self.query_one("#prefixes", LiveTable).set_items(prefixes)
        self._paint_watched(self.told(HOT, node), node)
        if self.opened:
            self._value.paint(self.frames[VALUE])

    def _paint_page(self, frame: Frame) -> None:
        table = self.query_one("#page", LiveTable)
        page = frame.report
        if not isinstance(page, KeyPage):
            table.empty, table.note = frame.error or "scanning", ""
            table.set_items(())
            return
        shown = inert(page.pattern.decode("utf-8", "backslashreplace"), 60)
        table.title = f"Keys {shown}" if shown else "Keys"
        rest = "to the end" if page.cursor == 0 else f"{fmt.ratio(page.scanned)} scanned, f goes on"
        table.note = frame.error or f"{rest} of {fmt.count(page.total)}"
        table.beyond = "" if page.cursor == 0 else "on this page: f reads the next one, = asks the server"
        keys = fmt.many(page.total, "key")
        table.empty = frame.error or f"nothing matches {shown or '*'}: {rest} of {keys}"
        freq = any(row.freq is not None for row in page.rows)
        if freq is not any(column.key == "freq" for column in table.view.columns):
            table.view.columns = tuple(key_columns(freq=freq))
        table.set_items(page.rows)

    def _paint_watched(self, frame: Frame, node: CacheNode) -> None:
        sample = frame.report if isinstance(frame.report, CommandSample) else None
        hot, hits = (self.query_one(name, LiveTable) for name in ("#hot", "#hits"))
        hot.empty = hits.empty = frame.error or "H watches the command stream for half a second"
        hot.note = hits.note = ""
        if sample is not None:
            self._ranks.see(node.source, sample.at, sample.keys)
            hot.note = f"{fmt.many(sample.commands, 'command')} in {fmt.duration(sample.took_s)}"
            hits.note = sample.hits_limit or fmt.clock(sample.at, self.look.tz)
            hits.empty = "no key was read"
        hot.set_items(sample.keys if sample else ())
        hits.set_items(sample.hits if sample else ())

    def scan(self, cursor: int) -> None:
        """Read one page from `cursor` on."""
        pattern = self.pattern
        self.probe(PAGE, self.source, "KeyspaceReader", lambda power: power.page_keys(pattern, cursor, WANT))

    def chosen_changed(self) -> None:
        """Start over on the other server."""
        self._asked = ""
        self._open(None)

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The key under the cursor, or the line of its value, with its server."""
        if self.opened and self._value.has_focus_within:
            return {"source": self._value.source, **self._value.chosen}
        return {"source": self.source, **self._table.selection()} if self.source else None

    def on_live_table_opened(self, opened: LiveTable.Opened) -> None:
        """Enter on a prefix shows its keys, on a key its value."""
        if isinstance(opened.item, PrefixShare | PrefixHits):
            self._match(escaped(opened.item.prefix))
            self._turn("page")
        elif isinstance(opened.item, KeyInfo | HotKey):
            self._open(opened.item.key)

    def _open(self, key: bytes | None) -> None:
        """Look into a key, or with None no more."""
        if key is None and not self.opened:
            return
        self.opened = key is not None
        self.arrange_for(self.layout_now)
        if key is not None:
            self._value.open(self, self.source, key)
        self._value.query_one("#lines").focus() if self.opened else self._table.focus()
        self.redraw()

    def _match(self, pattern: bytes) -> None:
        self.pattern = pattern
        self.scan(0)

    def on_verb(self, verb: str, words: tuple[str, ...]) -> bool:
        """`:keys PATTERN`."""
        if verb == "keys":
            self._match(" ".join(words).encode())
            return True
        return super().on_verb(verb, words)

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """Paging, pattern, hot keys, delete; escape takes the pattern away."""
        page = self.frames[PAGE].report if self.frames else None
        if self.opened and id in OPENED:
            OPENED[id](self._value, self)
        elif id == "cache.scan":
            self.scan(0)
        elif id == "cache.key-ttl":
            self._edit_ttl()
        elif id == "cache.page":
            self.scan(page.cursor if isinstance(page, KeyPage) else 0)
        elif id == "cache.pattern":
            self._ask_pattern()
        elif id == "cache.hot":
            self._ask_hot()
        elif id == "cache.hot-view":
            self._turn(VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)])
        elif id == "cache.delete":
            self._delete()
        elif id == "close" and self.opened:
            self._open(None)
        elif id == "close" and self.pattern:
            self._match(b"")
        else:
            return super().on_command(id)
        return True

    def _ask_pattern(self) -> None:
        self.ask(
            "Keys",
            "pattern, such as user:*",
            lambda text: self._match(text.strip().encode("utf-8", "surrogateescape")),
            value=self.pattern.decode("utf-8", "replace"),
        )

    def _ask_hot(self) -> None:
        who = "primaries are" if self.node and self.node.role == "cluster" else "the server is"
        cost = f"watch up to {HOT_COMMANDS:,} commands or {HOT_SECONDS} s: {who} slower meanwhile"
        self.choose("Hot keys by MONITOR, hits by EXISTS", [("go", cost), ("", "leave it")], self._watch)

    def _watch(self, answer: str) -> None:
        if answer:
            self.probe(
                HOT,
                self.source,
                "CommandSampler",
                lambda power: power.sample_commands(HOT_COMMANDS, HOT_SECONDS),
            )
            self._turn("hot")

    def _turn(self, view: str) -> None:
        self.view = view
        self.arrange_for(self.layout_now)
        self._table.focus()
        self.redraw()

    def _edit_ttl(self) -> None:
        item = self._table.current
        if self.opened:
            self._value.edit(self, self._reread)
        elif isinstance(item, KeyInfo):
            ask_ttl(self, self.purge_source(), item.key, item.ttl_s, self._reread)
        else:
            self.toast(
                "enter on the key shows its TTL; i then sets it" if item else "no key under the cursor"
            )

    def _delete(self) -> None:
        keys = [item.key for item in self._table.targets if isinstance(item, KeyInfo | HotKey)]
        if self.opened and self._value.has_focus_within:
            keys = [self._value.key]
        if not keys:
            self.toast("no key under the cursor")
            return
        self.perform("cache.purge", self.purge_source(), after=lambda _: self._reread(), keys=tuple(keys))

    def _reread(self) -> None:
        self.scan(0)
        if self.opened:
            self._value.again(self)

    def ask_purge(self, pattern: str) -> None:
        """Offer the pattern in front."""
        text = self.pattern.decode("utf-8", "replace")
        super().ask_purge(pattern or (text if text.isprintable() else ""))


OPENED: Mapping[str, Callable[[ValuePart, CacheTab], None]] = {
    "cache.scan": ValuePart.read,
    "cache.page": ValuePart.turn,
}
"""What keys do while a value is in front."""


def escaped(prefix: bytes) -> bytes:
    """A prefix of the sample as a glob: its folded `*` stays one, other glob signs are literal."""
    literal = b"".join(b"\\" + bytes([c]) if c in b"?[]\\^" else bytes([c]) for c in prefix)
    return literal if literal.endswith(b"*") else literal + b"*"
