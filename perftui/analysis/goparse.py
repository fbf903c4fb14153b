"""Reads the text of a template into nodes, with the errors a server gives for a rule file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from perftui.analysis.gofuncs import NAMES

LONGEST_TEMPLATE = 64 << 10
DEEPEST = 40
VARIABLES = ("$", "$labels", "$externalLabels", "$externalURL", "$value")

_ACTION = re.compile(r"\{\{(-(?=\s))?")
_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<text>"(?:\\.|[^"\\\n])*")|(?P<raw>`[^`]*`)|(?P<char>'(?:\\.|[^'\\\n])')"""
    r"""|(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+))|(?P<field>\.\w+)"""
    r"""|(?P<name>\$\w*)|(?P<word>[A-Za-z_]\w*)|(?P<sign>:=|[=|(),.])""",
    re.DOTALL,
)
_ESCAPE = re.compile(r'\\(n|t|r|\\|"|\'|a|b|f|v|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[0-7]{3}|.)', re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_CONSTANTS = {"true": True, "false": False, "nil": None}


class TemplateError(ValueError):
    """A template that cannot be read."""


class Token(NamedTuple):
    """A piece of an action; `glued`: nothing stands before it."""

    kind: str
    text: str
    glued: bool


@dataclass(frozen=True, slots=True)
class Value:
    """An operand: `kind` is constant, dot, name, pipe or call; `path` the parts taken of it."""

    kind: str
    what: Any = None
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A function with operands, or one operand alone."""

    function: str
    operands: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Pipe:
    """Calls, each given the result of the one before; `names` are set to what comes out."""

    calls: tuple[Call, ...]
    names: tuple[str, ...] = ()
    new: bool = True


@dataclass(frozen=True, slots=True)
class Block:
    """An `if`, `range` or `with`, and what is done otherwise."""

    word: str
    pipe: Pipe
    then: tuple[Node, ...]
    other: tuple[Node, ...] = ()


Node = str | Pipe | Block


def parse_template(text: str) -> tuple[Node, ...]:
    """The nodes of a template; TemplateError in a server's words."""
    if len(text) > LONGEST_TEMPLATE:
        raise TemplateError(f"a template may have {LONGEST_TEMPLATE >> 10} KiB")
    return _Parser(_pieces(text)).template()


def _pieces(text: str) -> list[tuple[bool, str, int]]:
    """Text and actions in turn: (is it an action, what, line)."""
    found: list[tuple[bool, str, int]] = []
    place, trim = 0, False
    while True:
        start = _ACTION.search(text, place)
        plain = text[place : start.start()] if start else text[place:]
        plain = plain.lstrip() if trim else plain
        plain = plain.rstrip() if start and start[1] else plain
        if plain:
            found.append((False, plain, 0))
        if start is None:
            return found
        line = text.count("\n", 0, start.start()) + 1
        end, trim = _end(text, start.end(), line)
        inner = text[start.end() : end].rstrip("-" if trim else "")
        if not inner.strip().startswith("/*"):
            found.append((True, inner, line))
        place = end + 2


def _end(text: str, place: int, line: int) -> tuple[int, bool]:
    """Where an action's `}}` stands, and whether it trims what follows."""
    if text[place:].lstrip().startswith("/*"):
        end = text.find("*/", place)
        close = text.find("}}", end)
        if end < 0 or close < 0 or text[end + 2 : close].strip() not in ("", "-"):
            raise TemplateError(f"{line}: unclosed comment")
        return close, text[end + 2 : close].strip() == "-"
    while True:
        if text.startswith("}}", place):
            return place, False
        if re.match(r"\s-}}", text[place : place + 4]):
            return place + 2, True
        token = _TOKEN.match(text, place)
        if token is None or not token[0]:
            raise TemplateError(f"{line}: {_unread(text[place : place + 20])}")
        # a space may begin ` -}}`, so it is taken one character at a time
        place = place + 1 if token.lastgroup == "space" else token.end()


def _unread(text: str) -> str:
    if not text:
        return "unclosed action"
    if text[0] in "\"`'":
        return {'"': "unterminated quoted string", "`": "unterminated raw quoted string"}.get(
            text[0], "unterminated character constant"
        )
    return f"unexpected {text[0]!r} in command"


def _tokens(text: str, line: int) -> list[Token]:
    found: list[Token] = []
    place, glued = 0, False
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise TemplateError(f"{line}: {_unread(text[place:])}")
        if token.lastgroup != "space":
            found.append(Token(str(token.lastgroup), token[0], glued))
        glued = token.lastgroup != "space"
        place = token.end()
    return found


class _Parser:
    """Goes through the pieces with a stack of known variables."""

    def __init__(self, pieces: list[tuple[bool, str, int]]) -> None:
        self._pieces = pieces
        self._next = 0
        self._line = 1
        self._known: list[set[str]] = [set(VARIABLES)]
        self._tokens: list[Token] = []

    def template(self) -> tuple[Node, ...]:
        nodes, word = self._until(top=True)
        if word:
            raise self._wrong(f"unexpected {{{{{word}}}}}")
        return nodes

    def _wrong(self, text: str) -> TemplateError:
        return TemplateError(f"{self._line}: {text}")

    def _until(self, *, top: bool = False) -> tuple[tuple[Node, ...], str]:
        """Nodes up to `end` or `else` (whose word is returned), or to the end of the text."""
        nodes: list[Node] = []
        if len(self._known) > DEEPEST:
            raise self._wrong(f"nested more than {DEEPEST} deep")
        while self._next < len(self._pieces):
            action, text, line = self._pieces[self._next]
            self._next += 1
            if not action:
                nodes.append(text)
                continue
            self._line, self._tokens = line, _tokens(text, line)
            word = self._tokens[0].text if self._tokens and self._tokens[0].kind == "word" else ""
            if word in ("end", "else"):
                self._tokens.pop(0)
                return tuple(nodes), word
            if word in ("define", "template", "block", "break", "continue"):
                raise self._wrong(f"{word} is not understood here")
            nodes.append(self._block(word) if word in ("if", "range", "with") else self._whole("command"))
        if not top:
            raise self._wrong("unexpected EOF")
        return tuple(nodes), ""

    def _block(self, word: str) -> Block:
        self._tokens.pop(0)
        self._known.append(set())
        pipe = self._whole(word, ranged=word == "range")
        then, end = self._until()
        other: tuple[Node, ...] = ()
        if end == "else" and self._tokens and self._tokens[0].text in ("if", "with"):
            other = (self._block(self._tokens[0].text),)
        elif end == "else":
            other, end = self._until()
            if end != "end":
                raise self._wrong(f"unexpected {{{{{end}}}}}")
        self._known.pop()
        return Block(word, pipe, then, other)

    # pipelines

    def _whole(self, context: str, *, ranged: bool = False) -> Pipe:
        pipe = self._pipe(context, ranged=ranged)
        if self._tokens:
            raise self._wrong(f"unexpected {self._tokens[0].text!r} in {context}")
        return pipe

    def _names(self, *, ranged: bool) -> tuple[tuple[str, ...], bool]:
        """`$a :=`, `$a, $b :=`, `$a =`."""
        texts = [token.text for token in self._tokens[:4]]
        kinds = [token.kind for token in self._tokens[:4]]
        if ranged and kinds[:1] == ["name"] and texts[1:2] == [","] and texts[3:4] == [":="]:
            names, count = (texts[0], texts[2]), 4
        elif kinds[:1] == ["name"] and texts[1:2] in ([":="], ["="]):
            names, count = (texts[0],), 2  # type: ignore[assignment]
        else:
            return (), True
        new = texts[count - 1] == ":="
        del self._tokens[:count]
        return names, new

    def _pipe(self, context: str, *, ranged: bool = False) -> Pipe:
        names, new = self._names(ranged=ranged)
        calls: list[Call] = []
        while True:
            calls.append(self._call(context, first=not calls))
            if not (self._tokens and self._tokens[0].text == "|" and self._tokens[0].kind == "sign"):
                break
            self._tokens.pop(0)
        for name in names:
            if new:
                self._known[-1].add(name)
            else:
                self._check(name)
        return Pipe(tuple(calls), names, new)

    def _call(self, context: str, *, first: bool) -> Call:
        function = ""
        operands: list[Value] = []
        while self._tokens and not (self._tokens[0].kind == "sign" and self._tokens[0].text in "|)"):
            token = self._tokens[0]
            named = token.kind == "word" and token.text not in _CONSTANTS
            if named and not operands and not function:
                self._tokens.pop(0)
                function = self._function(token.text)
            else:
                operands.append(self._operand())
        if not function and not operands:
            raise self._wrong(f"missing value for {context}")
        if not function and not first:
            raise self._wrong("non executable command in pipeline stage 2")
        return Call(function, tuple(operands))

    def _function(self, name: str) -> str:
        if name not in NAMES:
            raise self._wrong(f'function "{name}" not defined')
        return name

    def _check(self, name: str) -> None:
        if not any(name in known for known in self._known):
            raise self._wrong(f'undefined variable "{name}"')

    def _operand(self) -> Value:
        token = self._tokens.pop(0)
        found = self._plain(token)
        path: list[str] = []
        while self._tokens and self._tokens[0].kind == "field" and self._tokens[0].glued:
            path.append(self._tokens.pop(0).text[1:])
        return Value(found.kind, found.what, (*found.path, *path))

    def _plain(self, token: Token) -> Value:
        if token.kind == "field":
            return Value("dot", path=(token.text[1:],))
        if token.kind == "name":
            self._check(token.text)
            return Value("name", token.text)
        if token.kind == "word":
            if token.text in _CONSTANTS:
                return Value("constant", _CONSTANTS[token.text])
            return Value("call", Call(self._function(token.text), ()))
        if token.kind in ("text", "raw", "char", "number"):
            return Value("constant", _constant(token))
        if token.text == ".":
            return Value("dot")
        if token.text == "(":
            inner = self._pipe("parenthesized pipeline")
            if not self._tokens or self._tokens[0].text != ")":
                raise self._wrong("unclosed left paren")
            self._tokens.pop(0)
            return Value("pipe", inner)
        raise self._wrong(f"unexpected {token.text!r} in operand")


def _constant(token: Token) -> str | int | float:
    if token.kind == "raw":
        return token.text[1:-1]
    if token.kind == "number":
        try:
            return int(token.text, 0)
        except ValueError:
            return float(token.text)
    text = _ESCAPE.sub(_unescaped, token.text[1:-1])
    return ord(text) if token.kind == "char" else text


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "xu" and len(code) > 1:
        return chr(int(code[1:], 16))
    return chr(int(code, 8)) if code.isdigit() else _ESCAPES.get(code, code)
