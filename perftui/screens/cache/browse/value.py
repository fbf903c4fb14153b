"""The value of one key: what is to be said of it above, its lines below, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from textual.widget import Widget

from perftui.analysis.valuetext import ValueRow, ValueText, told
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.rows import Rows, Size
from perftui.draw.table import Column
from perftui.draw.text import line
from perftui.draw.valuefacts import facts
from perftui.model.frame import Frame
from perftui.model.keyvalue import NEVER, TOPIC, ValuePage, read_ttl
from perftui.screens.cache.rows import key_text
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

NAMED = {"hash": "Field", "set": "Member", "zset": "Member", "list": "Index", "stream": "Id"}
VALUED = {"zset": "Score"}


class ValuePart(Widget):
    """A panel of facts and a table of lines; empty until a page is shown."""

    DEFAULT_CSS = """
    ValuePart { layout: vertical; width: 3fr; display: none; }
    ValuePart #facts { height: 8; }
    ValuePart #lines { height: 1fr; }
    ValuePart.beside { margin-left: 1; }
    ValuePart.narrow #facts { height: 6; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.key = b""
        self.source = ""
        self._page: ValuePage | None = None
        self._text = ValueText("")

    def compose(self) -> Iterable[Widget]:
        """The lines take the keys."""
        yield Panel("Value", id="facts")
        yield LiveTable(columns(), key=row_key, title="Lines", id="lines", empty="reading")

    def open(self, tab: Tab, source: str, key: bytes) -> None:
        """Look into another key."""
        self.key, self.source, self._page = key, source, None
        self.query_one("#facts", Panel).title = f"Value of {key_text(key, 60)}"
        self.query_one("#facts", Panel).set_rows(lambda _size, _look: [])
        self.query_one("#lines", LiveTable).set_items(())
        self.read(tab)

    def read(self, tab: Tab, place: str = "") -> None:
        """Ask for the page at a place."""
        key = self.key
        tab.probe(TOPIC, self.source, "KeyEditor", lambda power: power.value_page(key, place))

    def again(self, tab: Tab) -> None:
        """Ask for the page in front once more."""
        self.read(tab, self._page.place if self._page is not None else "")

    def turn(self, tab: Tab) -> None:
        """The next page, and after the last the first."""
        self.read(tab, self._page.following if self._page is not None else "")

    def edit(self, tab: Tab, after: Callable[[], None]) -> None:
        """Ask when it is to end, then plan; `after` when that is done, or taken back."""
        page = self._page
        if page is None or page.kind == "none":
            tab.toast("there is no such key")
        else:
            ask_ttl(tab, self.source, self.key, page.ttl_s, after)

    def paint(self, frame: Frame) -> None:
        """The newest page, where it is of this key."""
        page = frame.report
        table = self.query_one("#lines", LiveTable)
        if not isinstance(page, ValuePage) or page.key != self.key:
            table.empty = inert(frame.error, 200) or "reading"
            return
        if page is not self._page:
            self._page, self._text = page, told(page)
            table.view.columns = tuple(columns(page.kind, self._text.form))
            table.title = _title(page, self._text)
            table.empty = _nothing(page, self._text)
            table.set_items(self._text.rows)
        table.note = inert(frame.error, 80) or (f"f goes on of {_size(page)}" if page.following else "")
        text = self._text
        self.query_one("#facts", Panel).set_rows(lambda size, _look: fact_rows(page, text, size))

    @property
    def chosen(self) -> dict[str, Any]:
        """The line under the cursor, for copies."""
        return self.query_one("#lines", LiveTable).selection()


def ask_ttl(tab: Tab, source: str, key: bytes, now: float | None, after: Callable[[], None]) -> None:
    """Ask for a duration, then plan."""
    value = NEVER if now is None else f"{max(1, round(now))}s"
    prompt = f"from now, such as 5m; `{NEVER}`: it stays"

    def answered(text: str) -> None:
        tab.perform("cache.set-key-ttl", source, lambda _receipt: after(), key=key, ttl=text.strip())

    tab.ask(f"TTL of {key_text(key, 40)}", prompt, answered, value, check=fault)


def fault(text: str) -> str:
    """What is wrong with a duration, as a sentence; empty when it can be set."""
    try:
        read_ttl(text)
    except ValueError as error:
        return str(error)
    return ""


def row_key(row: ValueRow) -> int:
    """What tells two lines apart."""
    return row.at


def columns(kind: str = "string", form: str = "") -> list[Column]:
    """Of a string, line and text; of elements, what they are called."""
    named = kind != "string"
    wide = 20 if named else 8 if form == "bytes" else 5
    name = NAMED.get(kind, "Offset" if form == "bytes" else "Line")
    side = "left" if named else "right"
    return [
        Column("name", name, lambda text: inert(text, 200), width=wide, align=side),
        Column("text", VALUED.get(kind, "Value"), lambda text: inert(text, 600), width=20, grow=True),
    ]


def fact_rows(page: ValuePage, text: ValueText, size: Size) -> Rows:
    """A fact a row."""
    if page.kind == "none":
        return [line(size.width, " there is no such key")]
    return [line(size.width, (f" {name:<9}", "muted"), (fact, "text")) for name, fact in facts(page, text)]


def _title(page: ValuePage, text: ValueText) -> str:
    start = page.place not in {"", "0"}
    if page.kind != "string":
        return f"Elements from {inert(page.place, 40)}" if start else "Elements"
    return f"From byte {int(page.place):,}" if start else f"Value, {text.form}"


def _size(page: ValuePage) -> str:
    return fmt.bytes_(page.size) if page.kind == "string" else fmt.many(page.size, "element")


def _nothing(page: ValuePage, text: ValueText) -> str:
    if page.kind == "none":
        return "there is no such key any more"
    if text.entry is not None and text.entry.removed:
        return "a removed key of the cache library: it has no value"
    known = page.kind in NAMED or page.kind == "string"
    return "it is empty" if known else f"values of type {inert(page.kind, 24)} are not read here"
