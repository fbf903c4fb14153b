"""`perftui monitor metrics` prints what an agent would serve."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from perftui.cli import main
from tests.agents import written

CONFIG = '[env.lab]\nkind = "lab"\n[env.lab.backends.host]\n'
GONE = (
    '[env.lab]\nkind = "lab"\n[env.lab.backends.app]\nkind = "scrape"\nurl = "http://127.0.0.1:9/metrics"\n'
)


def test_it_prints_what_was_read(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    config = written(tmp_path / "c.toml", CONFIG)
    assert main(["monitor", "metrics", "--openmetrics", "--config", str(config)]) == 0
    families = {f.name: f for f in text_string_to_metric_families(capsys.readouterr().out)}
    modes = {s.labels["mode"] for s in families["node_cpu_seconds"].samples}
    assert {"user", "system", "idle", "iowait"} <= modes
    assert families["perftui_source_up"].samples[0].value == 1


def test_nothing_that_can_be_read_is_three(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    config = written(tmp_path / "c.toml", GONE)
    assert main(["monitor", "metrics", "--config", str(config)]) == 3
    said = capsys.readouterr()
    assert 'perftui_source_up{kind="scrape",source="app"} 0' in said.out
    assert "app could not be read" in said.err
