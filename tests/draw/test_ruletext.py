"""Rules as lines."""

from __future__ import annotations

from perftui.draw.ruletext import condition, rule_text
from perftui.model.alertrules import DEFAULTS
from perftui.model.alerts import FINDING, Rule, Selector

SHIPPED = {rule.name: rule_text(rule) for rule in DEFAULTS}


def test_figures_of_shipped_rules_are_written_as_elsewhere() -> None:
    assert SHIPPED["HostCpuHigh"] == "avg over 30 s of */cpu.busy_ratio > 80.0% for 5 m"
    assert SHIPPED["CacheClientBuffers"].endswith(
        "/client_buffer_bytes / used_bytes > 10.0% for 5 m while client_buffer_bytes >= 16.0 MiB"
    )
    assert SHIPPED["CacheHitRatioLow"].endswith("< 90.0% for 5 m while hits_per_s + misses_per_s >= 1.67")
    assert not [text for text in SHIPPED.values() if "e+" in text]


def test_an_expression_stands_as_it_was_written() -> None:
    filed = Rule("A", "A", Selector(""), expr="up\n  == 16777216", hold=90.0, keep=600.0)
    assert rule_text(filed) == "up == 16777216 for 90 s keep 10 m"
    assert condition(Rule(f"{FINDING}x", "x", Selector("x"))) == "an engine finds it, with its own evidence"
