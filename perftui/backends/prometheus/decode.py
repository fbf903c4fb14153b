"""The query API's JSON → our values; whatever has another shape raises what reading a wrong shape raises."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from perftui.model.alerts import Labels
from perftui.model.errors import BackendError, ExpressionError, Lost, Protocol, Unsupported
from perftui.model.metrics import (
    GENERATION_2,
    GENERATION_3,
    Answer,
    Flavour,
    MetricMeta,
    Point,
    ServerAlert,
    ServerRule,
    Window,
)

LONGEST = 400  # characters of a server's sentence
_PLACE = re.compile(r"(\d+):(\d+): parse error: (.*)", re.DOTALL)
_MAJOR = re.compile(r"v?(\d+)\.")


def body(name: str, status: int, content: bytes) -> dict[str, Any]:
    """The JSON object of an answer, errors of the API included."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):  # a stranger's nesting is no limit of ours
        found = None
    if isinstance(found, dict) and found.get("status") in {"success", "error"}:
        return found
    if status in {404, 405}:
        raise Unsupported(f"{name}: there is no query API at this address (HTTP {status}): check the path")
    if status >= 500:
        raise Lost(f"{name}: the server answers HTTP {status}")
    raise Protocol(f"{name}: the answer (HTTP {status}) is not one of the query API")


def refusal(name: str, expr: str, said: Mapping[str, Any]) -> BackendError | ExpressionError:
    """The error an answer with status `error` stands for."""
    kind, text = str(said.get("errorType", "")), str(said.get("error", ""))[:LONGEST]
    if kind in {"bad_data", "execution"} or not kind:
        found = _PLACE.search(text)
        if found and expr:
            return ExpressionError(found[3], expr, _offset(expr, int(found[1]), int(found[2])))
        return ExpressionError(f"{name}: {text}")
    if kind == "not_found":
        return Unsupported(f"{name}: {text or 'there is no such thing'}")
    return Lost(f"{name}: the server could not answer ({kind}): {text}")


def _offset(expr: str, line: int, column: int) -> int:
    lines = expr.split("\n")
    before = sum(len(text) + 1 for text in lines[: line - 1])
    # The server counts bytes.
    part = lines[line - 1].encode()[: column - 1] if line <= len(lines) else b""
    return before + len(part.decode(errors="ignore"))


def labels(metric: Any) -> Labels:
    """A JSON object of labels."""
    return tuple(sorted((str(name), str(value)) for name, value in metric.items()))


def answer(whole: Any) -> Answer:
    """What an instant or range query came to."""
    data = whole["data"]
    kind, result = str(data["resultType"]), data["result"]
    said = tuple(str(text)[:LONGEST] for text in whole.get("warnings") or ())
    if kind == "vector":
        points = (Point(labels(r["metric"]), float(r["value"][1])) for r in result if "value" in r)
        return Answer(kind, tuple(points), warnings=said + _histograms(result))
    if kind == "matrix":
        return Answer(kind, matrix=tuple(map(_window, result)), warnings=said + _histograms(result))
    if kind == "scalar":
        return Answer(kind, (Point((), float(result[1])),), warnings=said)
    if kind == "string":
        return Answer(kind, text=str(result[1]), warnings=said)
    raise ValueError(f"a result of type {kind[:40]!r}")


def _histograms(result: Any) -> tuple[str, ...]:
    count = sum("histogram" in r or "histograms" in r for r in result)
    return (f"{count} series of native histograms are left out",) if count else ()


def _window(row: Any) -> Window:
    values = row.get("values", ())
    return Window(labels(row["metric"]), [float(at) for at, _ in values], [float(v) for _, v in values])


def flavour(whole: Any) -> Flavour:
    """Product, version and dialect from a server's build."""
    data = whole["data"]
    version = str(data.get("version", ""))[:60]
    application = str(data.get("application", ""))[:60]
    lower = f"{application} {version}".lower()
    for word, product in (("victoria", "VictoriaMetrics"), ("mimir", "Mimir"), ("thanos", "Thanos")):
        if word in lower:
            # VictoriaMetrics computes rates by rules of its own; Mimir evaluates as generation 3 does.
            newer = GENERATION_3 if product == "Mimir" else GENERATION_2
            return Flavour(product, version, newer, exact=product != "VictoriaMetrics")
    major = _MAJOR.match(version)
    newer = GENERATION_3 if major and int(major[1]) >= 3 else GENERATION_2
    return Flavour(application or "Prometheus", version, newer)


def label_sets(whole: Any) -> tuple[Labels, ...]:
    """Of the series endpoint."""
    return tuple(labels(metric) for metric in whole["data"])


def names(whole: Any) -> tuple[str, ...]:
    """Of the label endpoints."""
    return tuple(str(name) for name in whole["data"])


def metadata(whole: Any) -> dict[str, MetricMeta]:
    """By metric; the first of several targets' words counts."""
    return {
        str(name): MetricMeta(str(m[0].get("type", "")), str(m[0].get("help", "")), str(m[0].get("unit", "")))
        for name, m in whole["data"].items()
        if m
    }


def rules(whole: Any) -> tuple[ServerRule, ...]:
    """All groups' rules in order."""
    return tuple(_rule(group, rule) for group in whole["data"]["groups"] for rule in group["rules"])


def _rule(group: Any, rule: Any) -> ServerRule:
    return ServerRule(
        str(group["name"]),
        str(group.get("file", "")),
        float(group.get("interval", 0)),
        str(rule["type"]),
        str(rule["name"]),
        str(rule["query"]),
        float(rule.get("duration", 0)),
        labels(rule.get("labels") or {}),
        labels(rule.get("annotations") or {}),
        str(rule.get("health", "")),
        str(rule.get("lastError", ""))[:LONGEST],
        str(rule.get("state", "")),
        float(rule.get("evaluationTime", 0)),
    )


def alerts(whole: Any) -> tuple[ServerAlert, ...]:
    """What the server holds."""
    return tuple(
        ServerAlert(
            labels(a["labels"]),
            labels(a.get("annotations") or {}),
            str(a["state"]),
            _epoch(str(a["activeAt"])),
            float(a["value"]),
        )
        for a in whole["data"]["alerts"]
    )


def _epoch(text: str) -> float:
    # Nanoseconds are more digits than Python reads.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()
