"""Trees with guides: plans, locks, call trees, anything that has children."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from perftui.draw.clean import cell_width, inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, pad, restyle, split


@dataclass(frozen=True, slots=True)
class Node:
    """One node. `text` is a string (made inert) or ready spans; `right` stands at the row's end.

    `key` names it among all nodes of the tree; `open` False hides its children.
    """

    key: Hashable
    text: str | Sequence[Span]
    children: Sequence[Node] = ()
    right: str | Sequence[Span] = ""
    style: str = ""
    open: bool = True


@dataclass(frozen=True, slots=True)
class Branch:
    """A visible node with the guide before it."""

    node: Node
    guide: str
    folded: bool


def flatten(nodes: Sequence[Node], look: Look, folded: Collection[Hashable] = ()) -> list[Branch]:
    """The visible nodes from top to bottom; children of folded or closed nodes are left out."""
    tee, corner, pipe, blank = ("|-", "`-", "| ", "  ") if look.ascii_ else ("├─", "└─", "│ ", "  ")
    out: list[Branch] = []
    stack = [(node, "", "") for node in reversed(nodes)]
    while stack:  # not recursive: plans and stacks may be thousands deep
        node, guide, below = stack.pop()
        shut = bool(node.children) and (node.key in folded or not node.open)
        out.append(Branch(node, guide, shut))
        if shut:
            continue
        last = len(node.children) - 1
        for index in range(last, -1, -1):
            end = index == last
            stack.append(
                (node.children[index], below + (corner if end else tee), below + (blank if end else pipe))
            )
    return out


def tree(
    nodes: Sequence[Node],
    size: Size,
    look: Look,
    *,
    cursor: Hashable | None = None,
    offset: int = 0,
    folded: Collection[Hashable] = (),
    focused: bool = True,
) -> Rows:
    """The rows from `offset` on; the node with key `cursor` is lit."""
    branches = flatten(nodes, look, folded)[offset : offset + size.height]
    return fill([branch_row(b, size.width, look, b.node.key == cursor, focused) for b in branches], size)


def branch_row(branch: Branch, width: int, look: Look, lit: bool = False, focused: bool = True) -> Row:
    """Guide, sign of a fold, text, and what stands at the end."""
    node = branch.node
    sign = "" if not branch.folded else "+ " if look.ascii_ else "▸ "
    guide = branch.guide
    if cell_width(guide) > width // 2:  # very deep: the end of the guide matters, not its beginning
        guide = ("~" if look.ascii_ else "…") + guide[-(width // 2 - 1) :] if width >= 4 else ""
    left = [Span(guide, "grid"), Span(sign, "accent"), *_spans(node.text, node.style)]
    right = _spans(node.right, "muted")
    row = split(width, left, right) if node.right else pad(left, width)
    return restyle(row, "cursor" if focused else "select") if lit else row


def _spans(text: str | Sequence[Span], style: str) -> list[Span]:
    return [Span(inert(text), style)] if isinstance(text, str) else list(text)
