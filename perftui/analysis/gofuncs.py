"""What templates of rule files can call, with the results that Go and Prometheus give.

Source of names and results: Prometheus' template reference and the documentation of Go's text/template.
"""

from __future__ import annotations

import datetime as dt
import html
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote_plus

from perftui.analysis.promduration import parse_duration

Query = Callable[[str], Sequence[Mapping[str, Any]]]
"""An instant query: samples with `Labels` and `Value`."""

LONGEST_PATTERN = 1000
_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")
_BINARY = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_VERB = re.compile(r"%([-+# 0]*)(\d*)(?:\.(\d*))?([a-zA-Z%])")
_REFERENCE = re.compile(r"\$\$|\$(\w+)|\$\{(\w+)\}")
_KINDS = {str: "string", float: "float64", int: "int", bool: "bool"}


class CallError(Exception):
    """A function of a template was called with something it cannot take."""


class Fields(dict[str, Any]):
    """A value with named parts, as opposed to a map: a part that is not there is an error."""


def show(value: object) -> str:
    """A value as Go prints it."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return go_float(value, "g", None)
    if isinstance(value, dt.datetime):
        fraction = f"{value:%f}".rstrip("0")
        return f"{value:%Y-%m-%d %H:%M:%S}{'.' + fraction if fraction else ''} +0000 UTC"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{show(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(map(show, value)) + "]"
    return str(value)


def go_float(value: float, verb: str, precision: int | None) -> str:
    """`%v`, `%g`, `%.3f` … of a number."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if verb in "gv" and precision is None:
        return _shortest(value)
    return f"%.{6 if precision is None else precision}{'g' if verb == 'v' else verb}" % value


def _shortest(value: float) -> str:
    """The fewest digits that read back as the same; an exponent below -4 and from 6 on."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    power = len(text) - 1 + exponent
    minus = "-" if sign else ""
    if value == 0:
        return f"{minus}0"
    if -4 <= power < 6:
        return f"{Decimal(repr(value)).normalize():f}"
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{minus}{text[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"


def number(value: object) -> float:
    """Whatever can be a number as one."""
    if isinstance(value, bool) or value is None:
        raise CallError(f"can't convert {show(value)} to float")
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError as error:
            raise CallError(f'strconv.ParseFloat: parsing "{value}": invalid syntax') from error
    raise CallError(f"can't convert {type(value).__name__} to float")


def _scaled(value: float, steps: Sequence[str], factor: float) -> str:
    prefix = ""
    for step in steps:
        if (abs(value) < factor) if factor > 1 else (abs(value) >= 1):
            break
        prefix, value = step, (value / factor if factor > 1 else value * 1000)
    return go_float(value, "g", 4) + prefix


def humanize(value: object) -> str:
    """`1.235k`, `12m`."""
    v = number(value)
    if v == 0 or not math.isfinite(v):
        return go_float(v, "g", 4)
    return _scaled(v, _LARGE, 1000) if abs(v) >= 1 else _scaled(v, _SMALL, 1)


def humanize1024(value: object) -> str:
    """`1.5Gi`."""
    v = number(value)
    return _scaled(v, _BINARY, 1024) if abs(v) > 1 and math.isfinite(v) else go_float(v, "g", 4)


def humanize_duration(value: object) -> str:
    """`1h 2m 3s`, `12ms`."""
    v = number(value)
    if not math.isfinite(v):
        return go_float(v, "g", 4)
    if abs(v) < 1:
        return "0s" if v == 0 else _scaled(v, _SMALL, 1) + "s"
    sign, v = ("-" if v < 0 else ""), abs(v)
    minutes, seconds = divmod(int(v), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{go_float(v, 'g', 4)}s"


def humanize_percentage(value: object) -> str:
    """`12.5%` of 0.125."""
    return go_float(number(value) * 100, "g", 4) + "%"


def _time(value: object) -> dt.datetime:
    v = number(value)
    try:
        return dt.datetime.fromtimestamp(math.trunc(v * 1000) / 1000, dt.UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise CallError(f"{show(v)} cannot be represented as a time") from error


def humanize_timestamp(value: object) -> str:
    """`2015-10-21 07:28:00 +0000 UTC`."""
    v = number(value)
    return show(_time(v)) if math.isfinite(v) else go_float(v, "g", 4)


def printf(form: str, *values: object) -> str:
    """Go's format verbs."""
    left = list(values)

    def one(found: re.Match[str]) -> str:
        flags, width, precision, verb = found.groups()
        if verb == "%":
            return "%"
        if not left:
            return f"%!{verb}(MISSING)"
        text = _verb(left.pop(0), flags, None if precision is None else int(precision or 0), verb)
        if len(width) > 3:
            raise CallError(f"a width of {width} is too much")
        wide = int(width or 0)
        if "-" in flags:
            return text.ljust(wide)
        return text.zfill(wide) if "0" in flags and verb not in "sqvt" else text.rjust(wide)

    text = _VERB.sub(one, form)
    extra = ", ".join(f"{_kind(value)}={show(value)}" for value in left)
    return f"{text}%!(EXTRA {extra})" if left else text


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "map[string]string")


def _verb(value: object, flags: str, precision: int | None, verb: str) -> str:
    plus = "+" if "+" in flags else ""
    is_int, is_float = type(value) is int, type(value) is float
    if is_float and verb in "feEgGv":
        assert isinstance(value, float)
        text = go_float(value, verb, precision)
        return plus + text if value >= 0 and not text.startswith("+") else text
    if is_int and verb in "dvxXob":
        text = format(value, "d" if verb == "v" else verb)
        return plus + text if isinstance(value, int) and value >= 0 else text
    if verb == "q" and isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        return f'"{escaped}"'
    if verb == "t" and isinstance(value, bool):
        return show(value)
    if verb == "v" or (verb == "s" and not (is_int or is_float or isinstance(value, bool))):
        return show(value)[:precision]
    return f"%!{verb}({_kind(value)}={show(value)})"


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression of bounded size."""
    if len(text) > LONGEST_PATTERN:
        raise CallError(f"a pattern may have {LONGEST_PATTERN} characters")
    try:
        return re.compile(text)
    except re.error as error:
        raise CallError(f"error parsing regexp: {error}") from error


def _replace(text: str, by: str, value: str) -> str:
    def filled(found: re.Match[str]) -> str:
        def reference(part: re.Match[str]) -> str:
            name = part[1] or part[2]
            if name is None:
                return "$"
            try:
                return found[int(name) if name.isdigit() else name] or ""
            except IndexError:
                return ""

        return _REFERENCE.sub(reference, by)

    return pattern(text).sub(filled, value)


def _first(vector: Sequence[Any]) -> Any:
    if not vector:
        raise CallError("first() called on vector with no elements")
    return vector[0]


def _compare(op: Callable[[Any, Any], bool], a: object, b: object) -> bool:
    if _kind(a) != _kind(b):
        raise CallError("incompatible types for comparison")
    return op(a, b)


def _equal(a: object, *others: object) -> bool:
    if not others:
        raise CallError("missing argument for comparison")
    return any(_compare(operator.eq, a, other) for other in others)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key, "")
        else:
            try:
                value = value[key]
            except (IndexError, TypeError) as error:
                raise CallError(f"index out of range: {show(key)}") from error
    return value


def _length(value: Any) -> int:
    try:
        return len(value)
    except TypeError as error:
        raise CallError(f"len of type {_kind(value)}") from error


def _title(text: str) -> str:
    return re.sub(r"(?<![\w'])\w", lambda found: found[0].upper(), text)


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise CallError(str(error)) from error


def _print(*values: object) -> str:
    """Spaces stand between two values of which neither is a text."""
    text = ""
    for before, value in zip((None, *values), values, strict=False):
        apart = text and not isinstance(before, str) and not isinstance(value, str)
        text += (" " if apart else "") + show(value)
    return text


def _link(tab: int, expression: str) -> str:
    return f"/graph?g0.expr={quote_plus(expression)}&g0.tab={tab}"


def _host(text: str) -> str:
    return text.rpartition(":")[0] if re.search(r":\d+\Z", text) else text


def _bare_host(text: str) -> str:
    host, port = _host(text), text[len(_host(text)) :]
    return (host if re.fullmatch(r"[\d.]+|\[.*\]", host) else host.split(".")[0]) + port


def functions(query: Query) -> dict[str, Callable[..., Any]]:
    """Everything that can be called, by name."""
    return {
        "and": lambda *values: next((v for v in values if not v), values[-1]),
        "args": lambda *values: {f"arg{number_}": value for number_, value in enumerate(values)},
        "eq": _equal,
        "externalURL": str,
        "first": _first,
        "ge": partial(_compare, operator.ge),
        "graphLink": partial(_link, 0),
        "gt": partial(_compare, operator.gt),
        "html": html.escape,
        "humanize": humanize,
        "humanize1024": humanize1024,
        "humanizeDuration": humanize_duration,
        "humanizePercentage": humanize_percentage,
        "humanizeTimestamp": humanize_timestamp,
        "index": _index,
        "label": lambda name, sample: sample["Labels"].get(name, ""),
        "le": partial(_compare, operator.le),
        "len": _length,
        "lt": partial(_compare, operator.lt),
        "match": lambda text, value: pattern(text).search(value) is not None,
        "ne": lambda a, b: not _compare(operator.eq, a, b),
        "not": lambda value: not value,
        "or": lambda *values: next((v for v in values if v), values[-1]),
        "parseDuration": _duration,
        "pathPrefix": str,
        "print": _print,
        "printf": printf,
        "println": lambda *values: " ".join(map(show, values)) + "\n",
        "query": query,
        "reReplaceAll": _replace,
        "safeHtml": str,
        "sortByLabel": lambda name, vector: sorted(vector, key=lambda s: s["Labels"].get(name, "")),
        "stripDomain": _bare_host,
        "stripPort": _host,
        "strvalue": lambda sample: sample["Labels"].get("__value__", ""),
        "tableLink": partial(_link, 1),
        "title": _title,
        "toLower": str.lower,
        "toTime": _time,
        "toUpper": str.upper,
        "urlquery": quote_plus,
        "value": lambda sample: sample["Value"],
    }


NAMES = frozenset(functions(lambda _: ()))
