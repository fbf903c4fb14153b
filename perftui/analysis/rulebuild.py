"""From metric, operator, threshold, `for` and severity to a rule as Prometheus has them, in a rule file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from perftui.analysis.matchers import parse_selector
from perftui.analysis.promduration import parse_duration, show_duration
from perftui.analysis.promql import parse
from perftui.analysis.promql import tree as ast
from perftui.analysis.promrules import WORDS as RANKS
from perftui.analysis.ruleexport import dumped, expression, round_trip
from perftui.model.alerts import Labels, Rule, Selector
from perftui.model.errors import ConfigError, ExpressionError
from perftui.model.finding import Severity
from perftui.model.metrics import ServerRule

GROUP: Final = "built"
WORDS: Final = {"above": ">", "below": "<"}
OPERATORS: Final = (">", "<", ">=", "<=", "==", "!=")
SEVERITIES: Final = ("info", "warning", "critical")
_LINE = re.compile(
    r"(?P<metric>.+?)\s+(?P<op>>=|<=|==|!=|>|<|above|below)\s+(?P<value>[-+]?[\d.]+(?:e[-+]?\d+)?)"
    r"(?:\s+for\s+(?P<hold>\w+))?(?:\s+(?P<severity>info|warning|critical))?\s*\Z",
    re.IGNORECASE,
)
_FIELDS = ("metric", "op", "value", "hold", "severity")


def metric_of(text: str, kinds: Mapping[str, str]) -> str:
    """`backend/series`, `@kind/series` and `*/series` as PromQL names them; all else as it stands."""
    source = text.strip().partition("/")[0]
    if source in kinds or source.startswith("@") or source == "*":
        try:
            selector = parse_selector(text)
        except ConfigError:
            return text.strip()
        made = expression(Rule("", "", selector, ">", 0.0), kinds)
        return made.rpartition(" > ")[0]
    return text.strip()


def condition(metric: str, op: str, threshold: float) -> str:
    """`metric op threshold`; ExpressionError says where a metric is none."""
    op = WORDS.get(op, op)
    if op not in OPERATORS:
        raise ExpressionError(f"{op!r} is no operator: {' '.join(OPERATORS)}, above or below")
    if not math.isfinite(threshold):
        raise ExpressionError(f"a threshold is a number, not {threshold}")
    whole = isinstance(parse(metric).root, ast.Selector | ast.Call | ast.Aggregate)
    made = f"{metric if whole else f'({metric})'} {op} {threshold!r}".removesuffix(".0")
    parse(made)
    return made


def read_line(text: str) -> tuple[str, str, float, str, str]:
    """`METRIC > 0.9 for 5m critical` in its parts; `for` and severity may be left out; else ConfigError."""
    found = _LINE.match(text.strip())
    if found is None:
        raise ConfigError("write METRIC > THRESHOLD for 5m critical (for and severity may be left out)")
    metric, op, value, hold, severity = (found[name] for name in _FIELDS)
    try:
        return metric, op.lower(), float(value), hold or "0s", (severity or "warning").lower()
    except ValueError:
        raise ConfigError(f"{value!r} is no number") from None


def drafted(name: str, text: str, kinds: Mapping[str, str]) -> Rule:
    """The rule that a line such as `METRIC > 0.9 for 5m critical` makes; ConfigError says what is wrong."""
    metric, op, threshold, hold, severity = read_line(text)
    expr = condition(metric_of(metric, kinds), op, threshold)
    try:
        seconds = parse_duration(hold)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    level, labels = RANKS.get(severity, Severity.WARNING), (("severity", severity),)
    return Rule(
        name, name, Selector(name), op="", hold=seconds, severity=level, labels=labels, expr=expr, group=GROUP
    )


def with_rule(
    text: str,
    name: str,
    expr: str,
    *,
    hold: str = "0s",
    labels: Labels = (),
    annotations: Labels = (),
    group: str = GROUP,
    interval: float = 0.0,
) -> str:
    """A rule file with one alert more, at the end of `group`; comments and order of the file stay."""
    rule: dict[str, Any] = {"alert": name, "expr": expr}
    if hold not in ("", "0s"):
        rule["for"] = hold
    rule |= {word: dict(pairs) for word, pairs in (("labels", labels), ("annotations", annotations)) if pairs}
    yaml = round_trip()
    data = yaml.load(text) if text.strip() else None
    if not data or not data.get("groups"):
        comments = "".join(f"{line}\n" for line in text.splitlines() if line.lstrip().startswith("#"))
        data, head = {"groups": []}, comments
    else:
        head = ""
    there = next((one for one in data["groups"] if one.get("name") == group), None)
    if there is None:
        there = {"name": group, **({"interval": show_duration(interval)} if interval else {}), "rules": []}
        data["groups"].append(there)
    there.setdefault("rules", []).append(rule)
    return head + dumped(yaml, data)


def taken(rule: ServerRule, server: str, *, watch: bool) -> dict[str, Any]:
    """What makes a rule of ours of a server's: judged here over its series, or its own verdict watched."""
    said: dict[str, Any] = {"labels": dict(rule.labels), "server": server, "group": f"of {server}"}
    if watch:
        watched = f'ALERTS{{alertname={json.dumps(rule.name, ensure_ascii=False)}, alertstate="firing"}}'
        return {**said, "name": rule.name, "metric": watched, "annotations": dict(rule.annotations)}
    annotations = dict(rule.annotations)
    hold = show_duration(rule.hold) if rule.hold else "0s"
    return {**said, "name": rule.name, "metric": rule.expr, "hold": hold, "annotations": annotations}
