"""`perftui config`: a first file, its check, what is in force."""

import json
import stat

import pytest

from perftui.cli import main


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "conf" / "config.toml"
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))
    return path


def test_init_writes_once_for_its_owner_alone(file, capsys, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")
    assert main(["config", "init"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{file}\n"
    assert "REDIS_URL is set" in err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "hunter2" not in file.read_text()
    assert main(["config", "init"]) == 4
    assert main(["config", "init", "--force"]) == 0
    assert main(["config", "check"]) == 0


def test_init_can_print(file, capsys):
    assert main(["config", "init", "--print"]) == 0
    assert "[env.dev]" in capsys.readouterr().out
    assert not file.exists()


def test_check_tells_every_mistake(file, capsys):
    file.parent.mkdir()
    file.write_text("[ui]\nthem = 1\n[env.a]\nkin = 2\n")
    assert main(["config", "check"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split("config.toml:")[1] for line in err.splitlines()] == [
        "2: unknown key ui.them (did you mean theme?)",
        "4: unknown key env.a.kin (did you mean kind?)",
    ]


def test_show_tells_no_secret_and_path_the_file(file, capsys, monkeypatch):
    monkeypatch.setenv("PERFTUI_TEST_PW", "hunter2")
    file.parent.mkdir()
    file.write_text('[env.a.backends.c]\nkind = "valkey"\npassword = "env:PERFTUI_TEST_PW"\n')
    file.chmod(0o600)
    assert main(["config", "show"]) == 0
    shown = capsys.readouterr().out
    assert 'password = "env:PERFTUI_TEST_PW"' in shown
    assert main(["config", "show", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["tables"]["env.a.backends.c"]["password"] == "env:PERFTUI_TEST_PW"
    assert "hunter2" not in shown + json.dumps(made)
    assert main(["config", "path"]) == 0
    assert capsys.readouterr().out == f"{file}\n"


def test_schema_is_json(capsys):
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "perftui configuration"


def test_keys_shows_the_effective_map(file, capsys):
    file.parent.mkdir()
    file.write_text('[keys]\nquit = "Q"\n[env.a]\n')
    file.chmod(0o600)
    assert main(["keys", "global", "--json"]) == 0
    keys = {row["id"]: row["keys"] for row in json.loads(capsys.readouterr().out)}
    assert keys["quit"] == ["Q"]
    file.write_text('[keys]\nquti = "Q"\n[env.a]\n')
    assert main(["keys"]) == 2
    assert "config.toml:1" in capsys.readouterr().err
