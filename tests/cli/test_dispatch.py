"""One noun a module, one meaning an exit code."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from perftui import __version__
from perftui.cli import NOUNS, common, main
from perftui.model import errors
from perftui.model.action import Receipt


def test_version_and_help_need_no_noun(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"perftui {__version__}\n"
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n  {noun} " in told for noun in NOUNS)


def test_an_unknown_noun_names_the_nearest(capsys):
    assert main(["sclaing"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "did you mean scaling?" in err


@pytest.mark.parametrize("words", [["config"], ["config", "nothing"], ["keys", "--nothing"], ["--nothing"]])
def test_wrong_usage_is_2(words, capsys):
    assert main(words) == 2
    assert capsys.readouterr().out == ""


def test_help_of_a_noun_is_0(capsys):
    assert main(["config", "--help"]) == 0
    assert "schema" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), 2),
        (errors.Lost("x"), 3),
        (errors.Refused("x"), 3),
        (errors.Unsupported("x"), 3),
        (errors.Protocol("x"), 3),
        (errors.StoreError("x"), 3),
        (errors.PlanRejected("x"), 4),
        (errors.PartlyDone("x", Receipt("half", done=1)), 5),
        (errors.Cancelled("x"), 130),
        (errors.Cancelled("x", Receipt("half", done=1)), 5),
    ],
)
def test_every_error_has_its_code(error, code):
    assert common.exit_code(error) == code


def test_a_known_error_is_one_sentence_on_stderr(capsys):
    assert main(["config", "check", "--config", "/nonexistent/\x1b[31mx.toml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("perftui: there is no /nonexistent/")
    assert "\x1b" not in err


def start(words, **more):
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([sys.executable, "-m", "perftui", *words], env=env, text=True, **more)


def test_a_reader_that_leaves_is_no_error(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text("[env.a]\n")
    config.chmod(0o600)
    process = start(["keys", "--config", str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(20) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


def test_an_interrupt_is_130_while_a_system_keeps_silent(tmp_path):
    config = tmp_path / "c.toml"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        config.write_text(f'[env.a.backends.c]\nkind = "valkey"\nurl = "redis://127.0.0.1:{port}/0"\n')
        config.chmod(0o600)
        words = ["backends", "--within", "60", "--config", str(config)]
        process = start(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        silent.settimeout(30)
        with silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert (out, err) == ("", "")
