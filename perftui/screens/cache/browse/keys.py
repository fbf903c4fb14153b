"""Keys: the prefixes that hold most, a page of keys with type, TTL and bytes, and the hot ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cache import CacheNode, CommandSample, HotKey, KeyInfo, KeyPage, Keyspace, PrefixShare
from perftui.model.frame import Frame
from perftui.screens.cache.base import EMPTY, CacheTab
from perftui.screens.cache.rows import hot_columns, item_key, key_columns, share_columns
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

PAGE, SPACE, HOT = "cache.keys", "cache.keyspace", "cache.commands"
WANT = 200
HOT_COMMANDS, HOT_SECONDS = 5000, 0.5


class KeysTab(CacheTab):
    """Prefixes at the left, keys at the right; at 80 columns the keys alone."""

    DEFAULT_CSS = """
    KeysTab { layout: vertical; }
    KeysTab #head { height: 1; }
    KeysTab #tables { height: 1fr; layout: horizontal; }
    KeysTab #prefixes { width: 2fr; margin-right: 1; }
    KeysTab #page { width: 3fr; }
    KeysTab #hot { width: 3fr; display: none; }
    """
    id_: ClassVar[str] = "cache.keys"
    title: ClassVar[str] = "Keys"
    topics: ClassVar[tuple[str, ...]] = ("cache", "cachecluster", PAGE, SPACE, HOT)
    empty: ClassVar[str] = "would show keys with type, TTL and bytes, page by page" + EMPTY
    verbs: ClassVar[Mapping[str, str]] = {
        "purge": "PATTERN  purge keys by pattern",
        "keys": "PATTERN  show keys that match",
    }

    first: ClassVar[str] = "#page"

    def __init__(self) -> None:
        super().__init__()
        self.pattern = b""
        self.hot_in_front = False
        self._asked = ""

    def compose(self) -> Iterable[Widget]:
        """The page takes the keys first."""
        yield Panel(id="head")
        with Widget(id="tables"):
            yield LiveTable(
                share_columns(), key=item_key, title="Prefixes", id="prefixes", sort="bytes_", reverse=True
            )
            yield LiveTable(key_columns(), key=item_key, title="Keys", id="page")
            yield LiveTable(
                hot_columns(), key=item_key, title="Hot keys", id="hot", sort="count", reverse=True
            )

    def arrange_for(self, layout: int) -> None:
        """Prefixes need 120 columns."""
        self.query_one("#prefixes").display = layout >= 120
        self.query_one("#page").display = not self.hot_in_front
        self.query_one("#hot").display = self.hot_in_front

    @property
    def _table(self) -> LiveTable:
        return self.query_one("#hot" if self.hot_in_front else "#page", LiveTable)

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
        watched = self.told(HOT, node)
        sample = watched.report
        hot = self.query_one("#hot", LiveTable)
        hot.empty = watched.error or "H watches the command stream for half a second"
        seen = isinstance(sample, CommandSample)
        hot.note = f"{fmt.many(sample.commands, 'command')} in {fmt.duration(sample.took_s)}" if seen else ""
        hot.set_items(sample.keys if seen else ())

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
        table.set_items(page.rows)

    def scan(self, cursor: int) -> None:
        """Read one page from `cursor` on."""
        pattern = self.pattern
        self.probe(PAGE, self.source, "KeyspaceReader", lambda power: power.page_keys(pattern, cursor, WANT))

    def chosen_changed(self) -> None:
        """Start over on the other server."""
        self._asked = ""

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The key under the cursor, with its server."""
        return {"source": self.source, **self._table.selection()} if self.source else None

    def on_live_table_opened(self, opened: LiveTable.Opened) -> None:
        """Enter on a prefix shows its keys."""
        if isinstance(opened.item, PrefixShare):
            self._match(escaped(opened.item.prefix))
            self._table.focus()

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
        if id == "cache.scan":
            self.scan(0)
        elif id == "cache.page":
            self.scan(page.cursor if isinstance(page, KeyPage) else 0)
        elif id == "cache.pattern":
            self._ask_pattern()
        elif id == "cache.hot":
            self._ask_hot()
        elif id == "cache.hot-view":
            self._turn(not self.hot_in_front)
        elif id == "cache.delete":
            self._delete()
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
        self.choose("Hot keys by MONITOR", [("go", cost), ("", "leave it")], self._watch)

    def _watch(self, answer: str) -> None:
        if answer:
            self.probe(
                HOT,
                self.source,
                "CommandSampler",
                lambda power: power.sample_commands(HOT_COMMANDS, HOT_SECONDS),
            )
            self._turn(True)

    def _turn(self, hot: bool) -> None:
        self.hot_in_front = hot
        self.arrange_for(self.layout_now)
        self._table.focus()
        self.redraw()

    def _delete(self) -> None:
        keys = [item.key for item in self._table.targets if isinstance(item, KeyInfo | HotKey)]
        if not keys:
            self.toast("no key under the cursor")
            return
        self.perform(
            "cache.purge", self.purge_source(), after=lambda _receipt: self.scan(0), keys=tuple(keys)
        )

    def ask_purge(self, pattern: str) -> None:
        """Offer the pattern in front."""
        text = self.pattern.decode("utf-8", "replace")
        super().ask_purge(pattern or (text if text.isprintable() else ""))


def escaped(prefix: bytes) -> bytes:
    """A prefix of the sample as a glob: its folded `*` stays one, other glob signs are literal."""
    literal = b"".join(b"\\" + bytes([c]) if c in b"?[]\\^" else bytes([c]) for c in prefix)
    return literal if literal.endswith(b"*") else literal + b"*"
