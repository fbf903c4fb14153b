"""Lines of a web server's access log: method, route template, status and duration of one request.

Formats: the combined one of Apache and nginx, with nginx' `$request_time` (seconds) behind it where it is
there; any nginx `log_format`; and JSON lines, with the field names known that nginx' users, Caddy (`duration`
in seconds), Traefik (`Duration` in nanoseconds) and Envoy's examples have.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

COMMON = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent'
METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PROPFIND")
)
UNITS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
MOST_ROUTES = 200
OTHER = "other"
LONGEST_ROUTE = 128
LONGEST_PATH = 512  # characters of a path that are looked at: visitors send any
MOVED = ("301", "308")

# Paths into a JSON line, dots between; durations with the unit their server writes.
METHOD = ("method", "request_method", "request.method", "RequestMethod", "http.method")
TARGET = ("uri", "path", "request_uri", "request.uri", "RequestPath", "url", "http.path")
REQUEST = ("request",)
STATUS = ("status", "DownstreamStatus", "response_code", "status_code", "http.status_code")
TOOK: Mapping[str, str] = {
    "request_time": "s",
    "duration": "s",
    "Duration": "ns",
    "duration_ms": "ms",
    "latency": "s",
    "response_time": "s",
    "upstream_response_time": "s",
}
_NAMED = re.compile(r"\\?\$(\w+)")
_ID = re.compile(
    r"\d+|[0-9a-fA-F]{8,}|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|(?=[^/]*\d)[\w-]{20,}|[^/]{48,}"
)


class Request(NamedTuple):
    """One request; `seconds` is NaN where the log does not tell."""

    method: str
    path: str
    status: str
    seconds: float


Reader = Callable[[str], "Request | None"]


def reader(form: str, unit: str) -> Reader:
    """What makes a request of a line, None of one that is none; ValueError for what tells too little.

    `form` is `auto`, `combined`, `json`, or an nginx log_format; `unit` of durations, empty: as usual there.
    """
    if unit and unit not in UNITS:
        raise ValueError(f"a duration's unit is one of {', '.join(UNITS)}, not {unit[:20]!r}")
    if form == "json":
        return lambda line: _of_json(line, unit)
    usual = form in ("auto", "combined")
    plain = _pattern(COMMON if usual else form, r'(?: "(?:[^"\\]|\\.)*"){0,2}' if usual else "")
    known = {"request", "status"} <= plain.groupindex.keys()
    if not known and not {"request_method", "status"} <= plain.groupindex.keys():
        raise ValueError("a format needs $status, and $request or $request_method with $request_uri or $uri")

    def of_text(line: str) -> Request | None:
        found = plain.match(line)
        return _request(found.groupdict(), unit) if found else None

    if form != "auto":
        return of_text
    return lambda line: _of_json(line, unit) if line.startswith("{") else of_text(line)


def _pattern(form: str, then: str = "") -> re.Pattern[str]:
    """An expression of a log_format: each variable up to what follows it; the rest of the line is free."""
    parts, at, names = [], 0, set[str]()
    for found in _NAMED.finditer(form):
        literal, name = form[at : found.start()], found.group(1)
        after = form[found.end() : found.end() + 1]
        # What nobody reads may be anything: quoted fields can hold escaped quotes.
        body = r'(?:[^"\\]|\\.)*' if after == '"' else rf"[^{re.escape(after)}]*" if after else r"\S*"
        parts.append(re.escape(literal) + (f"(?P<{name}>{body})" if name not in names else body))
        names.add(name)
        at = found.end()
    tail = "" if "request_time" in names else r"(?:\s+(?P<request_time>\d+(?:\.\d+)?))?"
    return re.compile("".join(parts) + re.escape(form[at:]) + then + tail)


def _request(fields: Mapping[str, str | None], unit: str) -> Request | None:
    method, path = fields.get("request_method"), fields.get("request_uri") or fields.get("uri")
    if method is None:
        method, _, rest = (fields.get("request") or "").partition(" ")
        path = rest.rpartition(" ")[0] or rest
    took = fields.get("request_time") or fields.get("upstream_response_time")
    return _made(method, path or "", fields.get("status"), took, UNITS[unit or "s"])


def _of_json(line: str, unit: str) -> Request | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    method, path = _first(found, METHOD), _first(found, TARGET)
    if method is None and isinstance(text := _first(found, REQUEST), str):
        method, _, rest = text.partition(" ")
        path = rest.rpartition(" ")[0] or rest
    name = next((one for one in TOOK if _at(found, one) is not None), "")
    took = _at(found, name) if name else None
    return _made(method, path, _first(found, STATUS), took, UNITS[unit or TOOK.get(name, "s")])


def _first(found: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((value for name in names if (value := _at(found, name)) is not None), None)


def _at(found: Any, name: str) -> Any:
    if isinstance(found, dict) and name in found:
        value = found[name]
        return None if isinstance(value, (dict, list)) else value
    head, dot, rest = name.partition(".")
    return _at(found.get(head), rest) if dot and isinstance(found, dict) else None


def _made(method: Any, path: Any, status: Any, took: Any, factor: float) -> Request | None:
    code = str(status)
    if not (len(code) == 3 and code.isascii() and code.isdigit()):
        return None
    verb = str(method).upper()
    try:
        seconds = float(took) * factor
    except (TypeError, ValueError):
        seconds = math.nan
    seconds = seconds if 0 <= seconds < 86400 else math.nan
    return Request(verb if verb in METHODS else OTHER.upper(), str(path or "/"), code, seconds)


def bare(target: str) -> str:
    """The path of what was asked for: no host, no query."""
    path = target.partition("?")[0].partition("#")[0]
    return "/" + path.partition("://")[2].partition("/")[2] if "://" in path[:9] else path


def templated(path: str) -> str:
    """A bare path with `{id}` for numbers, ids and tokens, in characters that can be shown."""
    return _templated(path[:LONGEST_PATH])


@lru_cache(maxsize=5000)  # of at most 10 MB, whatever is asked for
def _templated(path: str) -> str:
    parts = path.split("/")
    route = "/".join("{id}" if _ID.fullmatch(part) else part for part in parts)[:LONGEST_ROUTE]
    return "".join(c if c.isprintable() else "?" for c in route) or "/"


class Routes:
    """Route templates instead of paths: the given ones first, else numbers, ids and tokens become `{id}`.

    The first `MOST_ROUTES` keep their names, the others are one: anybody may ask for any path. What was
    only ever refused (4xx) or moved for good (all of http to https) has no name either: so are scanners
    answered, which would take all names within minutes.
    """

    def __init__(self, templates: Iterable[str] = ()) -> None:
        self._given = tuple((one, _template(one)) for one in templates)
        self._known: set[str] = set()

    def of(self, request: Request) -> str:
        """The route of a request."""
        path = bare(request.path)
        given = next((name for name, pattern in self._given if pattern.fullmatch(path)), None)
        if given is not None:
            return given
        route = templated(path)
        if route not in self._known:
            nothing = request.status[0] == "4" or request.status in MOVED
            if nothing or len(self._known) >= MOST_ROUTES:
                return OTHER
            self._known.add(route)
        return route


def _template(text: str) -> re.Pattern[str]:
    """`/product/{id}` as an expression; `*` at its end takes the rest."""
    rest = text.endswith("*")
    pieces = re.split(r"\{\w*\}|:\w+", text.removesuffix("*"))
    return re.compile("[^/]+".join(map(re.escape, pieces)) + (".*" if rest else ""))
