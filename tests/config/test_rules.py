"""Alert rules as they are written."""

from __future__ import annotations

import pytest

from perftui.config import load
from perftui.config.effective import shown
from perftui.draw.ruletext import rule_text
from perftui.model.alertrules import DEFAULTS
from perftui.model.errors import ConfigError
from perftui.model.finding import Severity


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "config.toml"
        path.write_text(f"[env.x]\n{text}")
        path.chmod(0o600)
        return load(path)

    return read


def test_shipped_rules_are_in_force_and_can_be_changed(read):
    assert read("").rules().rules == DEFAULTS
    config = read('[alerts.rules.HostCpuHigh]\nabove = 0.5\nlasting = 60\nseverity = "critical"')
    (rule,) = [rule for rule in config.rules().rules if rule.name == "HostCpuHigh"]
    assert (rule.threshold, rule.hold, rule.severity) == (0.5, 60.0, Severity.CRITICAL)
    assert rule.series == DEFAULTS[0].series
    assert read("[alerts]\nshipped = false").rules().rules == ()


def test_an_own_rule(read, tmp_path):
    text = '[alerts.rules.tps]\nseries = "db/tps"\nbelow = 3\nhow = "avg"\nover = 60'
    config = read(text)
    assert rule_text(config.rules().rules[-1]) == "avg over 1 m of db/tps < 3"
    again = tmp_path / "again.toml"
    again.write_text(shown(config))
    again.chmod(0o600)
    assert load(again).rules() == config.rules()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[alerts.rules.a]\nseries = "x"\nabove = 1', "is no series"),
        ("[alerts.rules.a]\nabove = 1", "needs `series`"),
        ('[alerts.rules.a]\nseries = "a/b"', "one of `above` and `below`"),
        ('[alerts.rules.a]\nseries = "a/b"\nabove = 1\nbelow = 2', "one of `above` and `below`"),
        ('[alerts.rules.a]\nseries = "a/b"\nabove = 1\nhow = "avg"', "needs `over`"),
        ("[alerts.rules.HostCpuHigh]\nover = 9999", "1200 s at most"),
        ("[alerts.rules.HostCpuHigh]\nlasting = -1", "negative"),
        ("[alerts.rules.HostCpuHigh]\nabov = 1", "did you mean above"),
        ('[alerts.rules."finding:x"]\nseries = "a/b"\nabove = 1', "belong to the engines"),
        ('[env.x.backends.alerts]\nkind = "host"', "taken by perftui"),
    ],
)
def test_mistakes_are_told(read, text, said):
    with pytest.raises(ConfigError, match=said):
        read(text)
