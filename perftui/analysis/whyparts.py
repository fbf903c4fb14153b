"""An expression taken apart into the pieces that decide, as texts that can be evaluated by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.analysis.promql import Plan
from perftui.analysis.promql.tree import Aggregate, Binary, Call, Node, Number, Paren, Text, bare, children

MOST = 16


def parts(plan: Plan) -> tuple[tuple[int, str], ...]:
    """(depth, text) of the whole and of what its operators and aggregations work on, numbers left out."""
    found = list(_parts(plan.root, plan.text, 0, len(plan.text), 0))
    return tuple(dict.fromkeys(found))[:MOST]


def _parts(node: Node, text: str, start: int, end: int, depth: int) -> Iterator[tuple[int, str]]:
    piece = " ".join(text[start:end].split())
    if isinstance(bare(node), Number | Text):
        return
    yield depth, piece
    while isinstance(node, Paren):
        start, end = text.index("(", start) + 1, text.rindex(")", start, end)
        node = node.expr
    if isinstance(node, Binary):
        yield from _parts(node.left, text, start, node.sign, depth + 1)
        yield from _parts(node.right, text, _begin(node.right), end, depth + 1)
    elif isinstance(node, Aggregate):
        yield from _inside(node.expr, text, depth)
    elif isinstance(node, Call):
        for child in children(node):
            if isinstance(bare(child), Binary | Aggregate | Call):
                yield from _inside(child, text, depth)


def _inside(node: Node, text: str, depth: int) -> Iterator[tuple[int, str]]:
    """What stands between the brackets around an argument: up to the bracket or comma that ends it."""
    start = _begin(node)
    level, end, quote = 0, start, ""
    while end < len(text):
        char = text[end]
        if quote:
            end += char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'`":
            quote = char
        elif char in "([{":
            level += 1
        elif char in ")]}" or (char == "," and not level):
            level -= 1
            if level < 0 or char == ",":
                break
        end += 1
    yield from _parts(node, text, start, end, depth + 1)


def _begin(node: Node) -> int:
    """Where a node's text begins."""
    return min([node.at, *(_begin(child) for child in children(node) if isinstance(node, Binary))])
