"""What a parsed expression is made of: small frozen nodes that know where they stood in the text."""

from __future__ import annotations

from dataclasses import dataclass

from perftui.model.alerts import Matcher

SCALAR, VECTOR, MATRIX, STRING = "scalar", "vector", "matrix", "string"
Moment = float | str | None
"""Milliseconds, `start` or `end` of the query (`@`), or None: the evaluated instant."""


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A literal."""

    at: int
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A quoted string."""

    at: int
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class Selector:
    """Series by matchers; with a `window` (ms) their samples, without it the newest one."""

    at: int
    matchers: tuple[Matcher, ...]
    window: int = 0
    offset: int = 0
    moment: Moment = None
    fixed: bool = False  # an offset was written


@dataclass(frozen=True, slots=True, eq=False)
class Subquery:
    """An expression evaluated every `step` ms (0: the server's interval) of a window."""

    at: int
    expr: Node
    window: int
    step: int
    offset: int = 0
    moment: Moment = None
    fixed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function of arguments."""

    at: int
    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """Many elements → one a group."""

    at: int
    op: str
    expr: Node
    param: Node | None
    names: tuple[str, ...]
    without: bool


@dataclass(frozen=True, slots=True, eq=False)
class Unary:
    """A sign."""

    at: int
    op: str
    expr: Node


@dataclass(frozen=True, slots=True, eq=False)
class Binary:
    """An operator; `group` is `left`, `right` or empty, `include` the labels it takes along."""

    at: int
    op: str
    left: Node
    right: Node
    bool_: bool = False
    on: bool = False
    names: tuple[str, ...] = ()
    group: str = ""
    include: tuple[str, ...] = ()
    sign: int = 0  # where the operator stood


@dataclass(frozen=True, slots=True, eq=False)
class Paren:
    """Brackets: they keep what is inside from being taken apart."""

    at: int
    expr: Node


Node = Number | Text | Selector | Subquery | Call | Aggregate | Unary | Binary | Paren


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked expression: its text, its tree, and what it evaluates to."""

    text: str
    root: Node
    kind: str


def bare(node: Node) -> Node:
    """A node without the brackets around it."""
    while isinstance(node, Paren):
        node = node.expr
    return node


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below."""
    match node:
        case Call():
            return node.args
        case Aggregate():
            return (node.expr,) if node.param is None else (node.param, node.expr)
        case Binary():
            return (node.left, node.right)
        case Subquery() | Unary() | Paren():
            return (node.expr,)
        case _:
            return ()
