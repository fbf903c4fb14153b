"""What fits together: kinds of operands, numbers of arguments, grouping that makes sense."""

from __future__ import annotations

from perftui.analysis.promql.signatures import SIGNATURES
from perftui.analysis.promql.tree import (
    MATRIX,
    SCALAR,
    STRING,
    VECTOR,
    Aggregate,
    Binary,
    Call,
    Node,
    Number,
    Paren,
    Selector,
    Subquery,
    Text,
    Unary,
)
from perftui.model.errors import ExpressionError

SETS = frozenset({"and", "or", "unless"})
COMPARISONS = frozenset({"==", "!=", "<=", "<", ">=", ">"})
SHOWN = {SCALAR: "scalar", VECTOR: "instant vector", MATRIX: "range vector", STRING: "string"}


def kind_of(node: Node) -> str:
    """What a checked node evaluates to."""
    match node:
        case Number():
            return SCALAR
        case Text():
            return STRING
        case Selector():
            return MATRIX if node.window else VECTOR
        case Subquery():
            return MATRIX
        case Call():
            return SIGNATURES[node.name].gives
        case Unary() | Paren():
            return kind_of(node.expr)
        case Binary():
            return SCALAR if kind_of(node.left) == kind_of(node.right) == SCALAR else VECTOR
        case _:
            return VECTOR


def check(node: Node, text: str) -> str:
    """The kind of a whole tree; ExpressionError at the first part that does not fit."""
    match node:
        case Call():
            _call(node, text)
        case Aggregate():
            _aggregate(node, text)
        case Binary():
            _binary(node, text)
        case Unary():
            kind = check(node.expr, text)
            if kind not in {SCALAR, VECTOR}:
                what = "unary expression only allowed on expressions of type scalar or instant vector"
                raise ExpressionError(f'{what}, got "{SHOWN[kind]}"', text, node.at)
        case Subquery():
            kind = check(node.expr, text)
            if kind != VECTOR:
                what = f"subquery is only allowed on instant vector, got {kind} instead"
                raise ExpressionError(what, text, node.at)
        case Paren():
            check(node.expr, text)
        case _:
            pass
    return kind_of(node)


def _expect(node: Node, wanted: str, where: str, text: str) -> None:
    kind = check(node, text)
    if kind != wanted:
        what = f"expected type {SHOWN[wanted]} in {where}, got {SHOWN[kind]}"
        raise ExpressionError(what, text, node.at)


def _call(node: Call, text: str) -> None:
    wanted, optional, _ = SIGNATURES[node.name]
    got, most = len(node.args), len(wanted)
    where = f'in call to "{node.name}", got {got}'
    if not optional and got != most:
        raise ExpressionError(f"expected {most} argument(s) {where}", text, node.at)
    fewest = most - 1 if optional else most
    if got < fewest:
        raise ExpressionError(f"expected at least {fewest} argument(s) {where}", text, node.at)
    if optional > 0 and got > most:
        raise ExpressionError(f"expected at most {most} argument(s) {where}", text, node.at)
    for place, arg in enumerate(node.args):
        _expect(arg, wanted[min(place, most - 1)], f'call to function "{node.name}"', text)


def _aggregate(node: Aggregate, text: str) -> None:
    _expect(node.expr, VECTOR, "aggregation expression", text)
    if node.param is not None:
        _expect(node.param, STRING if node.op == "count_values" else SCALAR, "aggregation parameter", text)


def _binary(node: Binary, text: str) -> None:
    left, right = check(node.left, text), check(node.right, text)
    if node.bool_ and node.op not in COMPARISONS:
        raise ExpressionError("bool modifier can only be used on comparison operators", text, node.sign)
    if node.op in COMPARISONS and not node.bool_ and left == right == SCALAR:
        raise ExpressionError("comparisons between scalars must use BOOL modifier", text, node.sign)
    for side, kind in ((node.left, left), (node.right, right)):
        if kind not in {SCALAR, VECTOR}:
            what = "binary expression must contain only scalar and instant vector types"
            raise ExpressionError(what, text, side.at)
    if node.on and (both := sorted(set(node.names) & set(node.include))):
        what = f'label "{both[0]}" must not occur in ON and GROUP clause at once'
        raise ExpressionError(what, text, node.sign)
    if SCALAR in {left, right}:
        if node.names:
            raise ExpressionError("vector matching only allowed between instant vectors", text, node.at)
        if node.op in SETS:
            what = f'set operator "{node.op}" not allowed in binary scalar expression'
            raise ExpressionError(what, text, node.at)
    elif node.op in SETS and node.group:
        raise ExpressionError(f'no grouping allowed for "{node.op}" operation', text, node.at)
