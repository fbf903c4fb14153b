"""Maintenance windows and inhibitions as they are written, and where a mistake in one stands."""

from __future__ import annotations

import pytest

from perftui.config import load
from perftui.config.effective import shown
from perftui.model.errors import ConfigError

WINDOW = """
[alerts.maintenance.weekly]
match = 'source=~"db.*"'
when = "sat 02:00"
lasting = 7200
timezone = "Europe/Berlin"
note = "vacuum"
"""
HUSH = """
[alerts.inhibit.deploy]
source = 'rule="Deploying"'
target = 'severity="warning"'
equal = ["service"]
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "config.toml"
        path.write_text(f'[env.x]\nkind = "staging"\n{text}')
        path.chmod(0o600)
        return load(path)

    return read


def test_a_window(read, tmp_path):
    config = read(WINDOW)
    (window,) = config.rules().windows
    assert (window.name, window.cron, window.lasting) == ("weekly", "0 2 * * sat", 7200.0)
    assert (window.timezone, window.note) == ("Europe/Berlin", "vacuum")
    assert window.place == f"{tmp_path / 'config.toml'}:4"
    again = tmp_path / "again.toml"
    again.write_text(shown(config))
    again.chmod(0o600)
    assert load(again).rules().windows[0].cron == window.cron


def test_an_inhibition_beside_the_shipped_one(read):
    group = read(HUSH).rules()
    shipped, own = group.inhibitions
    assert shipped.name == "lost mutes the rest"
    assert (own.name, own.equal) == ("deploy", ("service",))
    assert [str(one) for one in own.target] == ['severity="warning"']
    assert dict(group.labels) == {"env": "staging", "environment": "x"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WINDOW.replace("sat 02:00", "sat 99:00"), r"config.toml:4: .*weekly: .*no cron expression"),
        (WINDOW.replace("Europe/Berlin", "Europe/Bern"), r"config.toml:4: .*no time zone 'Europe/Bern'"),
        (WINDOW.replace("7200", "5"), r"config.toml:4: .*from a minute to seven days"),
        (WINDOW.replace("'source=~\"db.*\"'", "''"), r"config.toml:4: .*needs `match`"),
        (WINDOW.replace("match =", "mach ="), r"config.toml:5: unknown key .*did you mean match"),
        (WINDOW.replace(".weekly]", '."a b"]'), r"config.toml: alerts: maintenance.a b: a name is letters"),
        (HUSH.replace("Deploying\"'", "Deploying'"), r"config.toml:4: .*deploy: `source`: "),
        (HUSH.replace("source =", "# source ="), r"config.toml:4: .*needs `source`"),
        (HUSH.replace('"service"', '"a-b"'), r"config.toml:4: .*`equal`: 'a-b' is no label's name"),
    ],
)
def test_mistakes_are_told_with_their_line(read, text, said):
    with pytest.raises(ConfigError, match=said):
        read(text)
