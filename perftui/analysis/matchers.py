"""Label matchers and series selectors as text, with Prometheus' meaning of the four operators.

Patterns are RE2's, matched in linear time: nobody's silence or route holds the ruler up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from perftui.model.alerts import Matcher, Selector
from perftui.model.errors import ConfigError, ExpressionError

LONGEST = 1000  # characters of a selector or of a pattern

_ONE = re.compile(r'\s*([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(,|\Z)')
_ESCAPE = re.compile(r"\\(.)")
_SELECTOR = re.compile(
    r"(?:(?P<source>[^/{}@*]+)|@(?P<kind>[\w-]+\*?)|\*)/(?P<name>[^/{}]+)(?:\{(?P<in>.*)\})?\Z"
)


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """`{rule="HostCpuHigh", source=~"db.*"}` (braces may be left out); ConfigError says what is wrong."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    if len(inner) > LONGEST:
        raise ConfigError(f"matchers may have {LONGEST} characters, not {len(inner)}")
    found: list[Matcher] = []
    place = 0
    while place < len(inner.rstrip()):
        one = _ONE.match(inner, place)
        if one is None:
            raise ConfigError(
                f'{inner[place : place + 40]!r} is no matcher like source="db" or rule=~"cpu.*"'
            )
        found.append(_checked(Matcher(one[1], one[2], _ESCAPE.sub(r"\1", one[3]))))
        place = one.end()
    return tuple(found)


def _checked(matcher: Matcher) -> Matcher:
    if matcher.op in ("=~", "!~"):
        from perftui.analysis.promql.patterns import compiled

        try:
            compiled(matcher.value)
        except ExpressionError as error:
            raise ConfigError(f"{matcher}: not a pattern: {error}") from error
    return matcher


def parse_selector(text: str) -> Selector:
    """`backend/series`, `@kind/series` or `*/series`, then matchers in braces; ConfigError otherwise.

    `@kind*` means every kind that begins so.
    """
    found = _SELECTOR.match(text.strip()) if len(text) <= LONGEST else None
    if found is None:
        raise ConfigError(f"{text[:60]!r} is no series: write backend/series, @kind/series or */series")
    return Selector(
        found["name"].strip(),
        (found["source"] or "").strip(),
        found["kind"] or "",
        parse_matchers(found["in"] or ""),
    )


def matches(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether every matcher holds; a label that is not there counts as empty."""
    return all(_holds(matcher, labels.get(matcher.name, "")) for matcher in matchers)


def _holds(matcher: Matcher, value: str) -> bool:
    if matcher.op in ("=", "!="):
        return (value == matcher.value) is (matcher.op == "=")
    from perftui.analysis.promql.patterns import fits  # no configuration without a pattern needs it

    return fits(matcher.value, value) is (matcher.op == "=~")
