"""What we tell Grafana: links with our window in them, dashboards over our metric names, annotations."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from perftui.analysis.metricnames import metric_name
from perftui.config.grafana import GrafanaSettings, filled
from perftui.draw.clean import inert
from perftui.export.exposition import DURATIONS, REQUESTS
from perftui.export.gather import CHAPTERS, SCREENS
from perftui.model.event import Event

TAG = "perftui"
SCHEMA = 39  # of the dashboard's JSON; older and newer servers read it
UNITS = {"ratio": "percentunit", "s": "s", "bytes": "bytes", "1/s": "ops", "bytes/s": "Bps"}
_RATE = "[$__rate_interval]"
_FROM = '{source=~"$source"}'
_FAILED = '{source=~"$source",status=~"5.."}'

EXPRESSIONS: Mapping[tuple[str, str], str] = {
    ("host", "cpu.busy_ratio"): f'1 - avg(rate(node_cpu_seconds_total{{mode="idle"}}{_RATE}))',
    ("host", "memory.used_ratio"): "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
    ("host", "load.1m"): "node_load1",
    ("scrape", "http.requests_per_s"): f"sum by (source) (rate({REQUESTS}_total{_FROM}{_RATE}))",
    (
        "scrape",
        "http.p95_s",
    ): f"histogram_quantile(0.95, sum by (le, source) (rate({DURATIONS}_bucket{_FROM}{_RATE})))",
    ("scrape", "http.error_ratio"): f"sum by (source) (rate({REQUESTS}_total{_FAILED}{_RATE}))"
    f" / sum by (source) (rate({REQUESTS}_total{_FROM}{_RATE}))",
}
"""Figures that our exposition tells in another form than as one gauge."""


def uid(screen: str) -> str:
    """The lasting name of a screen's dashboard."""
    return f"perftui-{screen}"


def link(
    settings: GrafanaSettings,
    view: str,
    window: tuple[float, float],
    *,
    env: str,
    source: str = "",
    series: str = "",
) -> str:
    """Where Grafana shows a tab (`cache.tiers`) or series over a window; "" without an address."""
    if not settings.url:
        return ""
    screen = view.partition(".")[0]
    template = settings.metrics.get(series) or settings.dashboards.get(view)
    template = template or settings.dashboards.get(screen) or settings.link
    values = {
        "uid": uid(screen),
        "env": env,
        "source": source or "All",
        "series": series,
        "from": str(round(window[0] * 1000)),
        "to": str(round(window[1] * 1000)),
    }
    quoted = {name: quote(value, safe="") for name, value in values.items()}
    return filled(template, {"url": settings.url.rstrip("/"), **quoted})


def dashboards(settings: GrafanaSettings) -> tuple[dict[str, Any], ...]:
    """One dashboard a screen, a row of panels a layer."""
    return tuple(_dashboard(screen, settings) for screen in SCREENS)


def _dashboard(screen: str, settings: GrafanaSettings) -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    for _, layer, kinds, names in (chapter for chapter in CHAPTERS if chapter[0] == screen):
        for name in names:
            panels.append(_panel(len(panels), f"{layer}: {name}", kinds, name, settings.datasource))
    return {
        "uid": uid(screen),
        "title": f"perftui {screen}",
        "tags": [TAG],
        "timezone": "utc",
        "schemaVersion": SCHEMA,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_variable(settings.datasource)]},
        "annotations": {"list": [_shown_annotations()]},
        "panels": panels,
    }


def _panel(number: int, title: str, kinds: Sequence[str], name: str, datasource: str) -> dict[str, Any]:
    from perftui.config.rules import unit_of

    found = dict.fromkeys(EXPRESSIONS.get((k, name)) or metric_name(name, k) + _FROM for k in kinds)
    targets = [
        {"refId": chr(ord("A") + n), "expr": expr, "legendFormat": "{{source}}", **_of(datasource)}
        for n, expr in enumerate(found)
    ]
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "gridPos": {"h": 8, "w": 12, "x": number % 2 * 12, "y": number // 2 * 8},
        "fieldConfig": {"defaults": {"unit": UNITS.get(unit_of(name), "short")}, "overrides": []},
        "targets": targets,
        **_of(datasource),
    }


def _of(datasource: str) -> dict[str, Any]:
    return {"datasource": {"type": "prometheus", "uid": datasource}} if datasource else {}


def _variable(datasource: str) -> dict[str, Any]:
    query = {"query": "label_values(perftui_source_up, source)", "refId": "source"}
    return {
        "name": "source",
        "type": "query",
        "query": query,
        "includeAll": True,
        "multi": True,
        "refresh": 2,
        "current": {"text": "All", "value": "$__all"},
        **_of(datasource),
    }


def _shown_annotations() -> dict[str, Any]:
    return {
        "name": "perftui",
        "enable": True,
        "iconColor": "orange",
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "target": {"type": "tags", "tags": [TAG], "matchAny": True, "limit": 500},
    }


def annotation(event: Event, env: str) -> dict[str, Any]:
    """An event for `POST /api/annotations`; its last tag tells it from every other."""
    mark = hashlib.sha256(repr((env, event.identity)).encode("utf-8", "backslashreplace")).hexdigest()[:16]
    text = f"{event.source}: {event.title}" + (f"\n{event.detail}" if event.detail else "")
    by = f"\nby {event.actor}" if event.actor else ""
    body: dict[str, Any] = {
        "time": round(event.at * 1000),
        "tags": [TAG, f"env:{env}", event.kind, f"event:{mark}"],
        "text": "\n".join(inert(line, 500) for line in f"{text}{by}".splitlines()).replace("<", "&lt;"),
    }
    return body if event.until is None else {**body, "timeEnd": round(event.until * 1000)}
