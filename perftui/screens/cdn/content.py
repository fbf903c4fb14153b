"""Which URLs an edge served lately: requests, hits, bytes, time to first byte, tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.table import Column
from perftui.model.action import Receipt
from perftui.model.cdn import UrlUse
from perftui.model.frame import Frame
from perftui.model.ports import EdgeContent
from perftui.screens.cdn.base import CONNECT, CdnTab
from perftui.widgets.livetable import LiveTable

LIMIT = 500
AGAIN = 10.0  # seconds after which the log is read again while somebody looks


def columns() -> list[Column]:
    """Columns of the table of URLs."""
    return [
        Column("url", "URL", width=24, grow=True),
        Column("requests", "Requests", fmt.count, width=10, align="right"),
        Column("hit", "Hit", fmt.ratio, value=lambda u: u.hits / u.requests, width=7, align="right"),
        Column("bytes_", "Bytes", fmt.bytes_, width=9, align="right"),
        Column("ttfb", "TTFB", fmt.duration, width=9, align="right", priority=2),
        Column("tags", "Tags", " ".join, width=24, priority=3),
    ]


class ContentTab(CdnTab):
    """The recent log of the edge as a table of URLs."""

    id_: ClassVar[str] = "cdn.content"
    title: ClassVar[str] = "Content"
    topics: ClassVar[tuple[str, ...]] = ("cdn", "cdn.content", "cdn.look")
    empty: ClassVar[str] = f"would show the most requested URLs with hits, bytes and tags\n{CONNECT}"

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0.0  # instant of the frame that was shown when the log was last asked for

    def compose(self) -> Iterable[Widget]:
        """One table."""
        yield LiveTable(
            columns(), key=lambda use: use.url, title="URLs", id="urls", sort="requests", reverse=True
        )

    def on_shown(self) -> None:
        """Read the log when the tab comes to the front."""
        self._read()

    def purged(self, receipt: Receipt) -> None:
        """A purge changes what the log says."""
        self._read()

    def _read(self) -> None:
        async def recent(edge: EdgeContent) -> tuple[UrlUse, ...]:
            return await edge.recent_urls(LIMIT)

        source = self.source_for("EdgeContent")
        if source:
            self._asked = self.frames["cdn"].at if self.frames else 0.0
            self.probe("cdn.content", source, EdgeContent, recent)

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show what the last read of the log said, with its age."""
        table, frame = self.query_one("#urls", LiveTable), frames["cdn.content"]
        if frames["cdn"].at - max(self._asked, frame.at if frame.report is not None else 0.0) > AGAIN:
            self._read()
        uses = frame.report if isinstance(frame.report, tuple) else ()
        table.set_items(uses)
        age = max(0.0, frames["cdn"].at - frame.at)
        read = (
            f"log read {fmt.age(age)} ago, r reads again" if frame.report is not None else "reading the log"
        )
        table.note = frame.error or self.look_line() or read
        table.empty = frame.error or "the recent log holds no request"

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The URL under the cursor."""
        if not self.frames:
            return None
        use = self.query_one("#urls", LiveTable).current
        source = next(iter(self.session.sources("EdgeContent")), "")
        if use is None:
            return {"source": source} if source else None
        figures = {"requests": use.requests, "hits": use.hits, "bytes": use.bytes_}
        return {"source": source, "url": use.url, "tags": use.tags, **figures}

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`r` reads again; the rest is the screen's."""
        if id == "cdn.refresh":
            self._read()
            return True
        return super().on_command(id)
