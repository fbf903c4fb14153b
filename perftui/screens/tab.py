"""A tab: what a screen shows at one time, drawn from frames and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual.widget import Widget

from perftui.draw.rows import Look
from perftui.model.action import Receipt
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.widgets.lines import let_go

if TYPE_CHECKING:
    from perftui.screens.live import LiveScreen
    from perftui.session import Session

LAYOUTS: tuple[int, ...] = (200, 160, 120, 80)
"""Widths at which a screen changes its arrangement, in columns."""

Table = tuple[tuple[str, ...], list[tuple[Any, ...]]]
"""Header and rows of what `e` writes."""

Files = Mapping[str, tuple[str, Callable[[], str]]]
"""Ending → (what it is, what makes its text)."""


def layout_for(width: int) -> int:
    """The arrangement for a width in columns: 80, 120, 160 or 200."""
    return next((edge for edge in LAYOUTS if width >= edge), LAYOUTS[-1])


class Tab(Widget):
    """One tab of a screen. It keeps frames, cursor, filter and sort order, and no other data."""

    DEFAULT_CSS = "Tab { width: 1fr; height: 1fr; layout: vertical; }"

    id_: ClassVar[str] = ""
    title: ClassVar[str] = ""
    topics: ClassVar[tuple[str, ...]] = ()
    empty: ClassVar[str] = ""
    verbs: ClassVar[Mapping[str, str]] = {}
    first: ClassVar[str] = ""
    """Selector of the panel that has the keys at first; empty: the first that takes them."""
    glance: ClassVar[bool] = False
    """Whether news every few seconds will do, as for a tab that shows a little of everything."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: Mapping[str, Frame] = {}
        self.layout_now = 0
        self.news: AbstractSet[str] | None = None

    def on_hide(self) -> None:
        """Another tab is in front."""
        let_go(self)

    # -- what a tab overrides

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest frames; called only while visible and not frozen."""

    def on_shown(self) -> None:
        """The tab came to the front: the place to start its first probes."""

    def arrange_for(self, layout: int) -> None:
        """Choose panels for a layout (80, 120, 160 or 200 columns)."""

    def own(self, frames: Mapping[str, Frame]) -> Mapping[str, Frame]:
        """Those of the frames without which there is nothing to show; the others are beside them."""
        return frames

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """What actions and copies act on; `source` names its backend."""
        return None

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """Do the command of this id; False when it is not ours."""
        return False

    def on_verb(self, verb: str, words: tuple[str, ...]) -> bool:
        """Do a verb typed in the palette; False when it is not ours."""
        return False

    def export_rows(self) -> Table | None:
        """Header and rows for the export dialog; None when this tab has no table."""
        return self.live.table_in(self)

    def export_files(self) -> Files:
        """Other files the export dialog offers: ending → (what it is, the function that makes its text)."""
        return {}

    def palette_entries(self) -> Iterable[tuple[str, str, Callable[[], None]]]:
        """More things the palette finds on this tab: text, a note, what it does."""
        return ()

    @property
    def absent(self) -> Sequence[str]:
        """Sentences for the help: what cannot be shown of this very system, and why."""
        return ()

    # -- what a tab uses

    @property
    def live(self) -> LiveScreen:
        """The screen this tab stands on."""
        from perftui.screens.live import LiveScreen

        return next(a for a in self.ancestors if isinstance(a, LiveScreen))

    @property
    def session(self) -> Session:
        """The session behind the console."""
        return self.live.session

    @property
    def look(self) -> Look:
        """How to draw now: colours, character set, time zone."""
        return self.live.look

    def look_for(self, frame: Frame) -> Look:
        """How to draw this frame: muted when it is old or every link behind it is lost."""
        links = [h.link for h in frame.health.values()]
        lost = bool(links) and all(link in (Link.LOST, Link.REFUSED) for link in links)
        return replace(self.look, muted=True) if frame.stale or lost else self.look

    @staticmethod
    def layout_for(width: int) -> int:
        """The arrangement for a width in columns."""
        return layout_for(width)

    def show(self, frames: Mapping[str, Frame], news: AbstractSet[str] | None = None) -> None:
        """Arrange for the present width and draw; the screen calls it.

        `news` are the topics that are all that is new, None when everything is to be drawn.
        """
        layout = layout_for(self.live.size.width)
        if layout != self.layout_now:
            self.layout_now = layout
            self.arrange_for(layout)
            news = None
        self.frames, self.news = frames, news
        self.draw(frames)

    def redraw(self) -> None:
        """Draw the last frames again after the cursor, filter or order changed."""
        if self.frames:
            self.news = None
            self.draw(self.frames)

    def source_for(self, power: str) -> str:
        """Backend an act needs: the selection's, else the first that has the power, else ''."""
        # The footer asks about a tab's keys before the tab has its parts.
        chosen = (self.selection or {}).get("source") if self.is_mounted else ""
        if chosen:
            return str(chosen)
        return next(iter(self.session.sources(power)), "")

    def perform(
        self,
        action_id: str,
        source: str,
        after: Callable[[Receipt], None] | None = None,
        **params: Any,
    ) -> None:
        """Plan the action, ask, run it with progress and tell the outcome; returns at once."""
        self.live.perform(action_id, source, after, params)

    def probe(
        self,
        topic: str,
        source: str,
        port: Any,
        call: Callable[[Any], Awaitable[Any]],
        deadline: float = 10.0,
    ) -> None:
        """Read once through a power; the answer arrives as a frame of `topic`."""
        self.live.probe(topic, source, port, call, deadline)

    def ask(
        self,
        title: str,
        prompt: str,
        then: Callable[[str], None],
        value: str = "",
        check: Callable[[str], str] | None = None,
    ) -> None:
        """Ask for one line of text; `check` answers with an error sentence or ''."""
        self.live.ask(title, prompt, then, value, check)

    def choose(self, title: str, options: Sequence[tuple[str, str]], then: Callable[[str], None]) -> None:
        """Let the operator pick one of (value, label)."""
        self.live.choose(title, options, then)

    def toast(self, text: str, severity: str = "info") -> None:
        """Say something for six seconds; severity is info, warn or crit."""
        self.live.toast(text, severity)

    def go(self, tab: str) -> None:
        """Go to another tab, such as `database.queries`."""
        self.live.go(tab)


def focusables(tab: Widget) -> Iterable[Widget]:
    """Widgets of a tab that take keys, in order."""
    return (w for w in tab.query("*") if w.focusable)
