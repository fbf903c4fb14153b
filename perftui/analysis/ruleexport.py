"""Our rules and a rule file as a file that a Prometheus server of some version loads as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any, Final

from perftui.analysis.metricnames import PREFIX, UP_SERVED, label_name, metric_name
from perftui.analysis.promduration import show_duration
from perftui.model.alerts import UP, Rule, Selector
from perftui.model.errors import ConfigError

Version = tuple[int, int]
NEWEST: Final = (3, 99)
GROUP: Final = PREFIX
KEEP_SINCE: Final = (2, 42)
OFFSET_SINCE: Final = (2, 53)
LABELS_SINCE: Final = (3, 0)
SINCE: Final = {"keep_firing_for": KEEP_SINCE, "query_offset": OFFSET_SINCE, "labels": LABELS_SINCE}


def version_of(text: str) -> Version:
    """`2.42` or `v3.1.0` as numbers; ConfigError otherwise."""
    found = re.match(r"v?(\d{1,3})\.(\d{1,4})(\.|\Z)", text)
    if found is None:
        raise ConfigError(f"{text!r} is no version such as 2.42")
    return int(found[1]), int(found[2])


def expression(rule: Rule, kinds: Mapping[str, str]) -> str:
    """The condition of one of our rules in PromQL; `kinds` maps backends to their kind.

    Its names are those of our own series, and of an agent's `/metrics` but for `up` (a server has its own).
    """
    value = _reduced(rule, _selector(rule.series, kinds))
    if rule.per:
        whole = Selector(rule.per, rule.series.source, rule.series.kind)
        value = f"{value} / {_selector(whole, kinds)}"
    condition = f"{value} {rule.op} {rule.threshold!r}".removesuffix(".0")
    if not rule.traffic:
        return condition
    names = [_name(Selector(n, rule.series.source, rule.series.kind), kinds) for n in rule.traffic]
    whose = "source, node" if rule.series.kind.endswith("*") else "source"  # one of several servers
    asked = f'sum by ({whose}) ({{__name__=~"{"|".join(names)}"}})'
    return f"{condition} and on ({whose}) {asked} >= {rule.traffic_above!r}"


def _reduced(rule: Rule, selector: str) -> str:
    return selector if rule.how == "last" else f"{rule.how}_over_time({selector}[{show_duration(rule.over)}])"


def _name(series: Selector, kinds: Mapping[str, str]) -> str:
    """Its name, or a pattern of those it has in several kinds."""
    if series.kind.endswith("*") and series.name != UP:
        there = sorted({kind for kind in kinds.values() if series.of_kind(kind)})
        return "|".join(metric_name(series.name, kind) for kind in there or [series.kind[:-1]])
    kind = series.kind or kinds.get(series.source, "")
    return metric_name(series.name, kind) if kind or series.name == UP else _any_kind(series.name)


def _any_kind(name: str) -> str:
    return metric_name(name, "KIND").replace("KIND", "[a-z0-9]+")


def _selector(series: Selector, kinds: Mapping[str, str]) -> str:
    name = _name(series, kinds)
    several = "[" in name or "|" in name
    inner = [f'__name__=~"{name}"'] if several else []
    inner += [f"source={json.dumps(series.source)}"] if series.source else []
    if series.name == UP and series.kind:
        op, kind = ("=~", f"{series.kind[:-1]}.*") if series.kind.endswith("*") else ("=", series.kind)
        inner.append(f"kind{op}{json.dumps(kind)}")
    inner += [f"{label_name(m.name)}{m.op}{json.dumps(m.value, ensure_ascii=False)}" for m in series.matchers]
    labels = "{" + ", ".join(inner) + "}" if inner else ""
    return labels if several else name + labels


def exported(
    rules: Sequence[Rule], interval: float, kinds: Mapping[str, str], version: Version = NEWEST
) -> tuple[str, list[str]]:
    """Our own rules as a file, and what an older server makes of them."""
    lines = [
        "# Written by perftui alerts export: its own rules over the series that perftui exposes.",
        "groups:",
        f"- name: {GROUP}",
        f"  interval: {show_duration(interval)}",
        "  rules:",
    ]
    said = []
    for rule in rules:
        if rule.off:
            lines.append(f"  # {rule.name} is switched off")
            continue
        lines += _rule(rule, kinds, version)
        if rule.keep and version < KEEP_SINCE:
            said.append(f"{rule.name}: keep_firing_for is left out, {_shown(version)} does not know it")
    return "\n".join(lines) + "\n", said


def _rule(rule: Rule, kinds: Mapping[str, str], version: Version) -> Iterable[str]:
    yield f"  - alert: {json.dumps(rule.name)}"
    yield f"    expr: {json.dumps(_served(rule, kinds), ensure_ascii=False)}"
    if rule.hold:
        yield f"    for: {show_duration(rule.hold)}"
    if rule.keep and version >= KEEP_SINCE:
        yield f"    keep_firing_for: {show_duration(rule.keep)}"
    labels = {**{label_name(n): v for n, v in rule.labels}, "severity": rule.severity.name.lower()}
    yield "    labels:"
    for name, text in labels.items():
        yield f"      {name}: {json.dumps(text, ensure_ascii=False)}"
    yield "    annotations:"
    yield f"      summary: {json.dumps(f'{rule.title} of {{{{ $labels.source }}}}', ensure_ascii=False)}"
    yield f"      {PREFIX}_unit: {json.dumps(rule.unit)}"
    yield f'      {PREFIX}_limit: "{rule.limit}"'


def _served(rule: Rule, kinds: Mapping[str, str]) -> str:
    """The expression over what an agent serves."""
    text = expression(rule, kinds)
    return re.sub(rf"^{UP}(?=[ {{])", UP_SERVED, text) if rule.series.name == UP else text


def _shown(version: Version) -> str:
    return f"Prometheus {version[0]}.{version[1]}"


def folded(text: str, version: Version = NEWEST) -> tuple[str, list[str]]:
    """A rule file for a server of this version: comments and order stay, newer fields are folded or told."""
    if not any(re.search(rf"^\s*(- )?{name}\s*:", text, re.MULTILINE) for name in SINCE):
        return text, []
    if version >= max(SINCE.values()):
        return text, []
    yaml = round_trip()
    data = yaml.load(text)
    said: list[str] = []
    for group in (data or {}).get("groups") or []:
        said += _fold_group(group, version)
    return dumped(yaml, data), said


def _fold_group(group: Any, version: Version) -> Iterable[str]:
    name = group.get("name", "")
    if version < OFFSET_SINCE and group.pop("query_offset", None) is not None:
        yield f"{name}: query_offset is left out, {_shown(version)} does not know it"
    labels = group.pop("labels", None) if version < LABELS_SINCE else None
    for rule in group.get("rules") or []:
        if labels:
            own = rule.setdefault("labels", {})
            for label, value in labels.items():
                own.setdefault(label, value)
        if version < KEEP_SINCE and rule.pop("keep_firing_for", None) is not None:
            whose = f"{name}/{rule.get('alert', '')}"
            yield f"{whose}: keep_firing_for is left out, {_shown(version)} does not know it"
    if labels:
        yield f"{name}: the group's labels are in its rules now"


def joined(text: str, ours: str, *, into: bool = False) -> str:
    """A rule file with our group after its own; `into` one of its name. Its comments and order stay."""
    yaml = round_trip()
    data = yaml.load(text) if text.strip() else None
    if not data or not data.get("groups"):
        comments = [line for line in text.splitlines() if line.lstrip().startswith("#")]
        return "\n".join((*comments, ours))
    groups = {group.get("name"): group for group in data["groups"]}
    for group in yaml.load(ours)["groups"]:
        if into and group["name"] in groups:
            groups[group["name"]]["rules"].extend(group["rules"])
        else:
            data["groups"].append(group)
    return dumped(yaml, data)


def round_trip() -> Any:
    """A reader and writer of YAML that keeps comments, order and quotes."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 4096
    return yaml


def dumped(yaml: Any, data: Any) -> str:
    """What such a writer makes of data it has read."""
    out = StringIO()
    yaml.dump(data, out)
    return out.getvalue()
