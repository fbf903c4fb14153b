"""Where Grafana is, and what its links look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LINK = "{url}/d/{uid}?from={from}&to={to}&var-source={source}"


def _option(default: Any, help_: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help_, **more})


@dataclass(frozen=True, slots=True)
class GrafanaSettings:
    """A Grafana beside us. Links are templates with {url} {uid} {env} {source} {series} {from} {to}."""

    url: str = _option("", "Where it is, such as https://grafana.internal; empty: no links, no pushing.")
    token: str = _option("", "Token of a service account that may write dashboards.", secret=True)
    datasource: str = _option("", "Uid of the Prometheus data source of our dashboards; empty: its default.")
    folder: str = _option("", "Uid of the folder our dashboards go into; empty: the general one.")
    link: str = _option(LINK, "Template of the link of a screen that `dashboards` does not name.")
    dashboards: Mapping[str, str] = field(
        default_factory=dict, metadata={"help": "Screen (`cache`) or tab (`cache.tiers`) to its link."}
    )
    metrics: Mapping[str, str] = field(
        default_factory=dict, metadata={"help": "Series (`http.p95_s`) to its link."}
    )

    def __post_init__(self) -> None:
        for text in (self.link, *self.dashboards.values(), *self.metrics.values()):
            if text is not None:
                filled(text, dict.fromkeys(FIELDS, ""))


FIELDS = ("url", "uid", "env", "source", "series", "from", "to")


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with its fields; ValueError for one there is not. Values arrive quoted."""
    import re

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise ValueError(f"link {template!r} has {{{found[1]}}}: there are {', '.join(FIELDS)}")
        return values[found[1]]

    return re.sub(r"\{(\w+)\}", value, template)
