"""`perftui monitor query` over our own history and on a real server: lines, JSON, charts, exit codes."""

import asyncio
import json
import time

import pytest

from perftui.cli import common, main
from perftui.config import paths
from perftui.model.metrics import labels_of
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.store import Store
from tests.needs import needs
from tests.promserver import PROGRAM, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    needs("prometheus", PROGRAM is not None, "install the package prometheus")
    running = Server(tmp_path_factory.mktemp("prometheus"))
    now = float(int(time.time()))
    running.push([(labels_of("seen", job="\x1b[31ma"), now - 60 + step, step) for step in range(60)])
    yield running
    running.stop()


@pytest.fixture
def config(tmp_path, monkeypatch):
    """An environment with a cache and a server that nobody needs to reach."""
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PERFTUI_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text(
        '[env.bare.backends.cache]\nkind = "valkey"\n[env.bare.backends.prom]\nkind = "prometheus"\n'
        'url = "http://127.0.0.1:9"\n'
    )
    (tmp_path / "config.toml").chmod(0o600)
    return tmp_path / "config.toml"


@pytest.fixture
def recorded(config):
    now = time.time()

    async def put():
        store = Store.open(str(paths.private_dir(paths.state_dir()) / "store.sqlite"), "bare")
        history = History(store, Clock())
        for step in range(60):
            samples = (Measure(SeriesKey("cache", "keys"), float(step)),)
            history.record(Reading("cache", now - 600 + step * 10, 0.0, samples, None))
        assert await history.flush()
        await store.close()

    asyncio.run(put())


def test_our_own_history_at_one_instant(recorded, capsys):
    assert main(["monitor", "query", "perftui_valkey_keys + 1"]) == 0
    assert capsys.readouterr().out == '{source="cache"}  60\n'
    assert main(["monitor", "query", "--json", "perftui_valkey_keys > 1000"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["result"] == []
    assert "nothing matches in our own history" in said.err
    assert main(["monitor", "query", "nobody", "--range", "1h", "--chart"]) == 1
    assert capsys.readouterr().out == ""


def test_a_range_of_it_as_lines_json_and_chart(recorded, capsys):
    words = ["monitor", "query", "perftui_valkey_keys", "--range", "5m", "--step", "1m"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert lines[0] == 'perftui_valkey_keys{source="cache"}'
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["step"], found["generation"]) == ("matrix", 60.0, 2)
    assert len(found["result"][0]["values"]) == 6
    assert main([*words, "--chart"]) == 0
    assert any("\u2800" < c < "\u28ff" for c in capsys.readouterr().out)


def test_scalars_strings_and_numbers_json_has_no_word_for(config, capsys):
    assert main(["monitor", "query", "1 / 0"]) == 0
    assert capsys.readouterr().out == "+Inf\n"
    assert main(["monitor", "query", "--json", "vector(NaN)"]) == 0
    assert json.loads(capsys.readouterr().out)["result"] == [{"labels": {}, "value": "NaN"}]
    assert main(["monitor", "query", '"word"']) == 0
    assert capsys.readouterr().out == "word\n"


def test_a_wrong_expression_is_shown_with_a_caret(config, capsys):
    assert main(["monitor", "query", "sum(rate(up))"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "1:10: parse error: expected type range vector" in lines[0]
    assert lines[1].endswith("  sum(rate(up))")
    assert lines[2].index("^") - lines[1].index("sum") == 9


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["up", "--chart"], 2, "a chart needs a range"),
        (["up", "--step", "5s"], 2, "a step needs a range"),
        (["up", "--server", "nobody"], 2, "there are: prom"),
        (["up", "--server", "prom"], 3, "cannot reach"),
        (["up", "--range", "400d", "--step", "1s"], 2, "a step of 3142s would do"),
        (["up", "--range", "soon"], 2, "no length of time"),
    ],
)
def test_refusals(config, capsys, words, code, said):
    assert main(["monitor", "query", *words]) == code
    assert said in capsys.readouterr().err


@pytest.mark.needs("prometheus")
def test_a_server_by_address(server, config, capsys):
    assert main(["monitor", "query", "max_over_time(seen[5m])", "--server", server.url]) == 0
    line = capsys.readouterr().out
    assert line.endswith("  59\n")
    assert "\x1b" not in line
    assert main(["monitor", "query", "count(seen)", "--server", server.url, "--range", "1m", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["server"].startswith("Prometheus 2.")
    assert found["exact"] is True
    assert main(["monitor", "query", "sum(", "--server", server.url]) == 2
    assert "1:5: parse error" in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "code"), [("\n", 0), ("no\n", 2), ("", 2)])
def test_enter_takes_the_step_that_would_do(recorded, capsys, monkeypatch, typed, code):
    async def line():
        return typed

    monkeypatch.setattr(common, "on_terminal", lambda: True)
    monkeypatch.setattr(common, "typed_line", line)
    words = ["monitor", "query", "vector(1)", "--range", "400d", "--step", "1s"]
    assert main([*words, "--json"]) == code
    said = capsys.readouterr()
    assert "a step of 3142s would do: enter takes it" in said.err
    assert not code or "parse" not in said.err
    if not code:
        assert json.loads(said.out)["step"] == 3142.0
