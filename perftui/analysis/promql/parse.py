"""Text → a checked plan: Prometheus' grammar by precedence climbing, errors with their position."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from perftui.analysis.promql.check import check
from perftui.analysis.promql.lexer import AGGREGATORS, Token, milliseconds, number, tokens, unquoted
from perftui.analysis.promql.patterns import compiled, fits
from perftui.analysis.promql.signatures import SIGNATURES
from perftui.analysis.promql.tree import (
    Aggregate,
    Binary,
    Call,
    Moment,
    Node,
    Number,
    Paren,
    Plan,
    Selector,
    Subquery,
    Text,
    Unary,
)
from perftui.model.alerts import Matcher
from perftui.model.errors import ExpressionError
from perftui.model.metrics import GENERATION_2, NAME, Dialect

LEVELS = (
    ("or",),
    ("and", "unless"),
    ("==", "!=", "<=", "<", ">=", ">"),
    ("+", "-"),
    ("*", "/", "%", "atan2"),
    ("^",),
)
LEVEL = {op: level for level, ops in enumerate(LEVELS) for op in ops}
COMPARISONS = frozenset(LEVELS[2])
POWER = LEVEL["^"]
DEEPEST = 100  # nested levels, and
MOST_OPERATORS = 200  # of one expression: far from the interpreter's own limit together

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")


@lru_cache(maxsize=2048)
def parse(text: str, dialect: Dialect = GENERATION_2) -> Plan:
    """The plan of an expression; ExpressionError says what and where, as `1:5: parse error: …`."""
    root = _Parser(text, dialect).whole()
    return Plan(text, root, check(root, text))


class _Parser:
    """One pass over the tokens."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self.text = text
        self.new = dialect.generation >= 3
        self.tokens = tokens(text)
        self.place = 0
        self.depth = 0
        self.open = 0  # round brackets
        self.operators = 0

    def whole(self) -> Node:
        if self.now.kind == "end":
            raise ExpressionError("no expression found in input", self.text, 0)
        node = self.expression(0)
        if self.now.kind != "end":
            raise self.unexpected()
        return node

    @property
    def now(self) -> Token:
        return self.tokens[self.place]

    def next(self) -> Token:
        token = self.tokens[self.place]
        self.place = min(self.place + 1, len(self.tokens) - 1)
        if token.kind == "sign" and token.text in "()":
            self.open += 1 if token.text == "(" else -1
        return token

    def is_(self, *texts: str) -> bool:
        return self.now.kind in {"sign", "operator"} and self.now.text in texts

    def word(self, *texts: str) -> bool:
        return self.now.kind in {"word", "keyword"} and self.now.text.lower() in texts

    def take(self, text: str) -> bool:
        if not self.is_(text):
            return False
        self.next()
        return True

    def want(self, text: str, where: str = "") -> Token:
        if not self.is_(text):
            raise self.unexpected(where, f'"{text}"')
        return self.next()

    def fail(self, message: str, at: int) -> ExpressionError:
        return ExpressionError(message, self.text, at)

    def unexpected(self, where: str = "", wanted: str = "") -> ExpressionError:
        if self.now.kind == "end" and where == "label matching":
            return self.fail("unexpected end of input inside braces", self.now.at)
        if self.now.kind == "end" and self.open:
            return self.fail("unclosed left parenthesis", self.now.at)
        tail = (f" in {where}" if where else "") + (f", expected {wanted}" if wanted else "")
        return self.fail(f"unexpected {self.now.shown}{tail}", self.now.at)

    # expressions

    def expression(self, level: int) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fail(f"nested deeper than {DEEPEST} levels", self.now.at)
        left = self.unary()
        while (op := self._operator()) and LEVEL[op] >= level:
            left = self.binary(left, op)
        self.depth -= 1
        return left

    def _operator(self) -> str:
        return self.now.text if self.now.kind in {"sign", "operator"} and self.now.text in LEVEL else ""

    def binary(self, left: Node, op: str) -> Node:
        sign = self.next().at
        self.operators += 1
        if self.operators > MOST_OPERATORS:
            raise self.fail(f"more than {MOST_OPERATORS} operators", sign)
        flag = self.word("bool")
        if flag:
            self.next()
        matching = self.matching()
        right = self.expression(LEVEL[op] + (0 if LEVEL[op] == POWER else 1))
        return replace(matching, at=left.at, op=op, left=left, right=right, bool_=flag, sign=sign)

    def matching(self) -> Binary:
        """`on (…)` or `ignoring (…)`, then `group_left (…)`; operands come later."""
        found = Binary(self.now.at, "", _NOTHING, _NOTHING)
        if not self.word("on", "ignoring"):
            return found
        on = self.next().text.lower() == "on"
        found = replace(found, on=on, names=self.names("grouping opts"))
        if self.word("group_left", "group_right"):
            side = self.next().text.lower().removeprefix("group_")
            include = self.names("grouping opts") if self.is_("(") else ()
            found = replace(found, group=side, include=include)
        return found

    def unary(self) -> Node:
        if not self.is_("+", "-"):
            return self.postfix(self.atom())
        sign = self.next()
        inner = self.expression(POWER)
        if isinstance(inner, Number):
            return Number(sign.at, -inner.value if sign.text == "-" else inner.value)
        return Unary(sign.at, sign.text, inner)

    def atom(self) -> Node:
        token = self.now
        if token.kind == "number":
            return Number(token.at, number(self.next().text))
        if token.kind == "duration" and self.new:
            return Number(token.at, milliseconds(self.next(), self.text) / 1000)
        if token.kind == "string":
            return Text(token.at, unquoted(self.next(), self.text))
        if self.take("("):
            inner = self.expression(0)
            self.want(")")
            return Paren(token.at, inner)
        if self.is_("{"):
            return self.selector("", token.at)
        if token.kind in {"word", "keyword"}:
            return self.named()
        raise self.unexpected()

    def named(self) -> Node:
        token = self.next()
        lower = token.text.lower()
        called = self.is_("(")
        if lower in AGGREGATORS and (called or self.word("by", "without")):
            return self.aggregate(lower, token.at)
        if called and token.kind == "word":
            return self.call(token)
        return self.selector(token.text, token.at)

    # selectors and what may follow them

    def selector(self, name: str, at: int) -> Selector:
        matchers = self.matchers() if self.is_("{") else []
        if name:
            clash = next((m for m in matchers if m.name == NAME), None)
            if clash is not None:
                raise self.fail(f'metric name must not be set twice: "{name}" or "{clash.value}"', at)
            matchers.append(Matcher(NAME, "=", name))
        if all(self.takes_empty(m) for m in matchers):
            raise self.fail("vector selector must contain at least one non-empty matcher", at)
        return Selector(at, tuple(matchers))

    def takes_empty(self, matcher: Matcher) -> bool:
        if matcher.op in {"=", "!="}:
            return (matcher.value == "") is (matcher.op == "=")
        return (compiled(matcher.value).fullmatch("") is not None) is (matcher.op == "=~")

    def matchers(self) -> list[Matcher]:
        self.want("{")
        found: list[Matcher] = []
        while not self.is_("}"):
            found.append(self.matcher())
            if not self.take(",") and not self.is_("}"):
                raise self.unexpected("label matching", "',' or '}'")
        self.next()
        return found

    def matcher(self) -> Matcher:
        token = self.next()
        if token.kind == "string" and self.new:
            name = unquoted(token, self.text)
            if self.is_(",", "}"):
                return Matcher(NAME, "=", name)
        elif token.kind in {"word", "keyword", "operator"} and _LABEL.match(token.text):
            name = token.text
        else:
            self.place -= token.kind != "end"
            raise self.unexpected("label matching", "identifier or '}'")
        if not self.is_("=", "!=", "=~", "!~"):
            raise self.unexpected("label matching", "label matching operator")
        op = self.next().text
        if self.now.kind != "string":
            raise self.unexpected("label matching", "string")
        value = self.next()
        return self.checked(Matcher(name, op, unquoted(value, self.text)), value.at)

    def checked(self, matcher: Matcher, at: int) -> Matcher:
        if matcher.op in {"=~", "!~"}:
            try:
                fits(matcher.value, "")
            except ExpressionError as error:
                raise self.fail(str(error), at) from error
        return matcher

    def postfix(self, node: Node) -> Node:
        while True:
            if self.is_("["):
                node = self.window(node)
            elif self.word("offset"):
                node = self.offset(node)
            elif self.is_("@"):
                node = self.moment(node)
            else:
                return node

    def window(self, node: Node) -> Node:
        bracket = self.next()
        length = self.duration()
        if self.take(":"):
            step = 0 if self.is_("]") else self.duration()
            self.want("]", "subquery selector")
            return Subquery(node.at, node, length, step)
        self.want("]", "range selector" if self.now.kind != "end" else "subquery or range")
        if not isinstance(node, Selector) or node.window:
            raise self.fail("ranges only allowed for vector selectors", node.at)
        if node.fixed:
            raise self.fail("no offset modifiers allowed before range", bracket.at)
        if node.moment is not None:
            raise self.fail("no @ modifiers allowed before range", bracket.at)
        return replace(node, window=length)

    def duration(self) -> int:
        token = self.next()
        if token.kind == "duration":
            length = milliseconds(token, self.text)
        elif token.kind == "number" and self.new:
            length = round(number(token.text) * 1000)
        else:
            self.place -= token.kind != "end"
            raise self.unexpected("", "duration")
        if not length:
            raise self.fail("duration must be greater than 0", token.at)
        return length

    def offset(self, node: Node) -> Node:
        at = self.next().at
        negative = self.take("-")
        length = self.duration()
        if not isinstance(node, Selector | Subquery):
            raise self.fail(
                "offset modifier must be preceded by an instant vector selector or range vector selector"
                " or a subquery",
                node.at,
            )
        if node.fixed:
            raise self.fail("offset may not be set multiple times", at)
        return replace(node, offset=-length if negative else length, fixed=True)

    def moment(self, node: Node) -> Node:
        at = self.next().at
        moment = self._moment()
        if not isinstance(node, Selector | Subquery):
            raise self.fail(
                "@ modifier must be preceded by an instant vector selector or range vector selector"
                " or a subquery",
                node.at,
            )
        if node.moment is not None:
            raise self.fail("@ <timestamp> may not be set multiple times", at)
        return replace(node, moment=moment)

    def _moment(self) -> Moment:
        if self.word("start", "end"):
            word = self.next().text.lower()
            self.want("(")
            self.want(")")
            return word
        sign = -1 if self.take("-") else 1
        if sign > 0:
            self.take("+")
        if self.now.kind != "number":
            raise self.unexpected("@", "timestamp")
        token = self.next()
        value = sign * number(token.text)
        if not math.isfinite(value):
            raise self.fail(f"timestamp out of bounds for @ modifier: {value}", token.at)
        return float(math.floor(abs(value) * 1000 + 0.5)) * (1 if value >= 0 else -1)

    # calls

    def names(self, where: str) -> tuple[str, ...]:
        self.want("(", where)
        found: list[str] = []
        while not self.is_(")"):
            token = self.next()
            if token.kind in {"word", "keyword", "operator", "number"} and _LABEL.match(token.text):
                found.append(token.text)
            elif token.kind == "string" and self.new:
                found.append(unquoted(token, self.text))
            else:
                self.place -= token.kind != "end"
                raise self.unexpected(where, "label")
            if not self.take(",") and not self.is_(")"):
                raise self.unexpected(where, "',' or ')'")
        self.next()
        return tuple(found)

    def arguments(self, read: Callable[[], Node]) -> tuple[Node, ...]:
        self.want("(")
        found: list[Node] = []
        if self.take(")"):
            return ()
        while True:
            found.append(read())
            if self.take(")"):
                return tuple(found)
            if not self.take(","):
                raise self.unexpected("", "',' or ')'")
            if self.is_(")"):
                raise self.fail("trailing commas not allowed in function call args", self.now.at)

    def argument(self) -> Node:
        return self.expression(0)

    def call(self, token: Token) -> Node:
        if token.text not in SIGNATURES:
            raise self.fail(f'unknown function with name "{token.text}"', token.at)
        return Call(token.at, token.text, self.arguments(self.argument))

    def aggregate(self, op: str, at: int) -> Node:
        grouping = self.grouping()
        args = self.arguments(self.argument)
        grouping = self.grouping() or grouping or ((), False)
        takes = 2 if op in {"topk", "bottomk", "count_values", "quantile"} else 1
        if not args:
            raise self.fail("no arguments for aggregate expression provided", at)
        if len(args) != takes:
            what = f"wrong number of arguments for aggregate expression provided, expected {takes}"
            raise self.fail(f"{what}, got {len(args)}", at)
        return Aggregate(at, op, args[-1], args[0] if takes == 2 else None, *grouping)

    def grouping(self) -> tuple[tuple[str, ...], bool] | None:
        if not self.word("by", "without"):
            return None
        without = self.next().text.lower() == "without"
        return self.names("grouping opts"), without


_NOTHING = Number(0, 0.0)
