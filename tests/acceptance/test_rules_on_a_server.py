"""What is exported runs on a Prometheus server as it is, and both rulers say the same of the same samples."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

from perftui.analysis.burnrate import Promise, promise_rules
from perftui.analysis.promql import Shelf, evaluate, parse
from perftui.analysis.ruleexport import exported, joined
from perftui.analysis.rulefile import read_rules
from perftui.model.alertrules import DEFAULTS
from perftui.model.metrics import labels_of
from perftui.runtime.groupruler import GroupRuler
from perftui.runtime.rulefiles import RuleShelf
from tests.needs import needs
from tests.promserver import PROGRAM, Server
from tests.waiting import until_now

pytestmark = pytest.mark.slow

KINDS = {"web": "host", "db": "postgres", "cache": "valkey", "edge": "varnish", "shop": "scrape"}
HAND = """\
groups:
- name: by-hand
  interval: 1s
  rules:
{rules}
"""
RULE = '  - alert: Hand{n}\n    expr: up{{job=~"j{n}.*"}} == 0 or sum by (job) (rate(x_total[5m])) > {n}\n    for: {n}m\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    needs("prometheus", PROGRAM is not None, "apt-get install prometheus")
    tmp_path = tmp_path_factory.mktemp("rules")
    hand = HAND.format(rules="".join(RULE.format(n=n) for n in range(400)))
    promise = promise_rules(Promise("shop", 0.999, "avg_over_time(perftui_scrape_http_error_ratio[$window])"))
    promise = promise.replace("interval: 1m", "interval: 1s")
    ours, said = exported(DEFAULTS, 1.0, KINDS, (2, 42))
    assert said == []
    text = joined(joined(hand, promise), ours)
    (tmp_path / "rules.yml").write_text(text)
    config = {"global": {"evaluation_interval": "1s"}, "rule_files": [str(tmp_path / "rules.yml")]}
    found = Server(tmp_path / "server", json.dumps(config))
    found.rules, found.file = read_rules(text), tmp_path / "rules.yml"
    yield found
    found.stop()


def asked(server, path):
    with urllib.request.urlopen(f"{server.url}/api/v1/{path}", timeout=20) as answer:
        return json.load(answer)["data"]


def test_a_server_loads_and_evaluates_all_of_it(server):
    def evaluated():
        rules = [rule for group in asked(server, "rules")["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] == "ok" for rule in rules) else None

    rules = until_now(evaluated, 60)
    assert len(rules) == len(server.rules.rules) > 420
    assert sorted((r["name"], r.get("duration", 0)) for r in rules) == sorted(
        (rule.name, rule.hold) for rule in server.rules.rules
    )


async def test_both_say_the_same_of_the_same_samples(server):
    now, shelf = time.time(), Shelf()
    rows = [
        *((labels_of("up", job=f"j{n}", instance="a"), now, float(n % 2)) for n in range(40)),
        (labels_of("perftui_host_cpu_busy_ratio", source="web"), now, 0.97),
        (labels_of("perftui_postgres_connections", source="db"), now, 95.0),
        (labels_of("perftui_postgres_max_connections", source="db"), now, 100.0),
        (labels_of("perftui_source_up", source="edge", kind="varnish"), now, 0.0),
    ]
    for row in rows:
        shelf.append(*row)
    server.push(rows)

    def theirs():
        found = asked(server, "alerts")["alerts"]
        return sorted(
            (sorted(a["labels"].items()), sorted(a["annotations"].items()), float(a["value"])) for a in found
        )

    async def ask(expression, at):
        return evaluate(parse(expression), shelf, at)

    kept = RuleShelf(str(server.file))
    await kept.refresh()
    done = await GroupRuler(kept, shelf, lambda source: ask).tick(now + 2, {})
    ours = sorted((sorted(a.labels), sorted(a.annotations), a.value) for a in done.active.values())
    assert len(ours) > 20
    assert {"DbConnectionsHigh", "BackendLost", "HostCpuCritical"} <= {a.rule for a in done.active.values()}
    until_now(lambda: theirs() == ours, 60)
