"""A tree one can walk and fold."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from perftui.draw.rows import Look, Rows, Size
from perftui.draw.text import message
from perftui.draw.tree import Branch, Node, flatten, tree
from perftui.widgets.panel import Panel


class TreePanel(Panel):
    """Nodes with guides; the cursor and the folds stay with their keys when the nodes change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_move(-1)", "Node up", show=False, id="tree.up"),
        Binding("down", "cursor_move(1)", "Node down", show=False, id="tree.down"),
        Binding("pageup", "cursor_page(-1)", "Page up", show=False, id="tree.pageup"),
        Binding("pagedown", "cursor_page(1)", "Page down", show=False, id="tree.pagedown"),
        Binding("home", "cursor_home", "First node", show=False, id="tree.home"),
        Binding("end", "cursor_end", "Last node", show=False, id="tree.end"),
        Binding("left", "fold(True)", "Fold", show=False, id="tree.fold"),
        Binding("right", "fold(False)", "Unfold", show=False, id="tree.unfold"),
        Binding("enter", "open", "Open", show=False, id="tree.open"),
    ]

    class Selected(Message):
        """The cursor stands on another node."""

        def __init__(self, panel: TreePanel, key: Hashable) -> None:
            super().__init__()
            self.panel, self.key = panel, key

    class Opened(Selected):
        """Enter on a node."""

    def __init__(
        self,
        title: str = "",
        *,
        note: str = "",
        empty: str = "nothing here yet",
        hint: str = "",
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(title, note=note, id=id, classes=classes, focusable=True)
        self.empty, self.hint = empty, hint
        self._roots: Sequence[Node] = ()
        self._folded: set[Hashable] = set()
        self._cursor: Hashable | None = None
        self._index = 0
        self._first = 0
        self._page = 1

    def set_nodes(self, nodes: Sequence[Node]) -> None:
        """Show these nodes."""
        self._roots = tuple(nodes)
        self.redraw()

    @property
    def cursor_key(self) -> Hashable | None:
        """Key of the node under the cursor."""
        return self._cursor

    def _branches(self, look: Look) -> list[Branch]:
        return flatten(self._roots, look, self._folded)

    def _settle(self, branches: Sequence[Branch]) -> None:
        """The cursor on its key, else on what took its place."""
        keys = [b.node.key for b in branches]
        if self._cursor in keys:
            self._index = keys.index(self._cursor)
        else:
            self._index = min(self._index, len(keys) - 1)
            self._cursor = keys[self._index]
        self._first = min(max(self._first, self._index - self._page + 1), self._index)
        self._first = max(0, min(self._first, len(keys) - self._page))

    def body(self, size: Size, look: Look) -> Rows:
        """The visible nodes."""
        if not self._roots:
            return message(size, self.empty, self.hint)
        self._page = size.height
        self._settle(self._branches(look))
        return tree(
            self._roots,
            size,
            look,
            cursor=self._cursor,
            offset=self._first,
            folded=self._folded,
            focused=self.has_focus,
        )

    def _go(self, index: int) -> None:
        branches = self._branches(self.look)
        if not branches:
            return
        key = branches[min(max(0, index), len(branches) - 1)].node.key
        if key != self._cursor:
            self._cursor = key
            self.redraw()
            self.post_message(self.Selected(self, key))

    def cursor_move(self, by: int) -> None:
        """Move by nodes."""
        self._go(self._index + by)

    def cursor_page(self, by: int) -> None:
        """Move by pages."""
        self._go(self._index + by * self._page)

    def cursor_home(self) -> None:
        """First node."""
        self._go(0)

    def cursor_end(self) -> None:
        """Last node."""
        self._go(1 << 30)

    def cursor_to(self, key: Hashable) -> None:
        """Put the cursor on a node."""
        self._cursor = key
        self.redraw()

    def fold(self, shut: bool) -> None:
        """Hide or show the children of the node under the cursor; folding a leaf folds its parent."""
        branches = self._branches(self.look)
        if not branches:
            return
        here = branches[min(self._index, len(branches) - 1)].node
        if shut and (not here.children or here.key in self._folded):
            parent = _parent(self._roots, here)
            here = parent or here
            self._cursor = here.key
        if here.children:
            (self._folded.add if shut else self._folded.discard)(here.key)
        self.redraw()

    def action_cursor_move(self, by: int) -> None:
        """Up and down."""
        self.cursor_move(by)

    def action_cursor_page(self, by: int) -> None:
        """Page up and down."""
        self.cursor_page(by)

    def action_cursor_home(self) -> None:
        """First node."""
        self.cursor_home()

    def action_cursor_end(self) -> None:
        """Last node."""
        self.cursor_end()

    def action_fold(self, shut: bool) -> None:
        """Left and right."""
        self.fold(shut)

    def action_open(self) -> None:
        """Enter."""
        if self._cursor is not None:
            self.post_message(self.Opened(self, self._cursor))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the cursor."""
        event.stop()
        self.cursor_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves the cursor."""
        event.stop()
        self.cursor_move(-3)

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor on a node, a second one opens it."""
        row = event.y - (1 if self._title else 0)
        if row >= 0 and self._first + row < len(self._branches(self.look)):
            self._go(self._first + row)
            if event.chain == 2:
                self.action_open()


def _parent(nodes: Sequence[Node], child: Node) -> Node | None:
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if any(kid is child for kid in node.children):
            return node
        stack.extend(node.children)
    return None
