"""Characters of an expression → tokens with their positions, so that an error can point."""

from __future__ import annotations

import re
from typing import NamedTuple

from perftui.model.errors import ExpressionError

AGGREGATORS = frozenset(
    {"sum", "avg", "count", "min", "max", "group", "stddev", "stdvar"}
    | {"topk", "bottomk", "count_values", "quantile"}
)
OPERATORS = frozenset({"and", "or", "unless", "atan2"})
KEYWORDS = frozenset(
    {"offset", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "start", "end"}
)
LONGEST = 64_000  # characters of one expression

_DURATION = r"(?:[0-9]+(?:ms|[smhdwy]))+"
_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<duration>"""
    + _DURATION
    + r""")(?![\w.])
    |(?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.])
    |(?P<word>[A-Za-z_:][\w:]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    |(?P<sign>=~|!~|==|!=|<=|>=|[-+*/%^<>=(){}\[\],:@])""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{3})|(.))", re.DOTALL)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_UNITS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
_PART = re.compile(r"([0-9]+)(ms|[smhdwy])")
_ORDER = ("y", "w", "d", "h", "m", "s", "ms")


class Token(NamedTuple):
    """`kind` is word, keyword, operator, number, duration, string, sign or end."""

    kind: str
    text: str
    at: int

    @property
    def shown(self) -> str:
        """How an error names it."""
        if self.kind == "end":
            return "end of input"
        kind = {"word": "identifier", "sign": ""}.get(self.kind, self.kind)
        return f'{kind} "{self.text[:40]}"'.strip()


def tokens(text: str) -> list[Token]:
    """All tokens with an end token last; ExpressionError points at what is none."""
    if len(text) > LONGEST:
        raise ExpressionError(f"an expression may have {LONGEST} characters, not {len(text)}")
    found: list[Token] = []
    place, window = 0, False
    while place < len(text):
        if window and text[place] == ":":  # elsewhere it may begin a name
            found.append(Token("sign", ":", place))
            place += 1
            continue
        one = _TOKEN.match(text, place)
        if one is None:
            raise ExpressionError(_why(text, place), text, place)
        kind = str(one.lastgroup)
        if kind != "space":
            found.append(_token(kind, one[0], place))
            window = one[0] == "[" or (window and one[0] != "]")
        place = one.end()
    return [*found, Token("end", "", len(text))]


def _token(kind: str, text: str, at: int) -> Token:
    lower = text.lower()
    if kind == "word":
        if lower in OPERATORS:
            return Token("operator", lower, at)
        if lower in {"inf", "nan"}:
            return Token("number", lower, at)
        if lower in KEYWORDS:
            return Token("keyword", text, at)
    return Token(kind, text, at)


def _why(text: str, place: int) -> str:
    char = text[place]
    if char in "\"'`":
        return "unterminated quoted string" if char != "`" else "unterminated raw string"
    if char.isdigit() or (char == "." and text[place + 1 : place + 2].isdigit()):
        word = re.match(r"[\w.]+", text[place:])
        return f"bad number or duration syntax: {(word[0] if word else char)!r}"
    return f"unexpected character: {char!r}"


def number(text: str) -> float:
    """The value of a number token."""
    return float(int(text, 16)) if text[:2].lower() == "0x" else float(text)


def milliseconds(token: Token, text: str) -> int:
    """The length of a duration token; its units must fall and none may come twice."""
    parts = _PART.findall(token.text)
    order = [_ORDER.index(unit) for _, unit in parts]
    if order != sorted(set(order)):
        raise ExpressionError(f"not a valid duration string: {token.text!r}", text, token.at)
    total = sum(int(count) * _UNITS[unit] for count, unit in parts)
    if total >= 9_223_372_036_854:  # what fits into 64 bits of nanoseconds
        raise ExpressionError("duration out of range", text, token.at)
    return total


def unquoted(token: Token, text: str) -> str:
    """What a string token says."""
    if token.text[0] == "`":
        return token.text[1:-1].replace("\r", "")

    def char(found: re.Match[str]) -> str:
        code, octal, plain = found[1] or found[2] or found[3], found[4], found[5]
        if code or octal:
            value = int(code, 16) if code else int(octal, 8)
            if value <= 0x10FFFF and not 0xD800 <= value < 0xE000:
                return chr(value)
        elif plain in _PLAIN:
            return _PLAIN[plain]
        elif plain == token.text[0]:
            return str(plain)
        raise ExpressionError("invalid escape in a quoted string", text, token.at + 1 + found.start())

    return _ESCAPE.sub(char, token.text[1:-1])
