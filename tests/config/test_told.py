"""What is in force can be shown, compared, described and started from; nothing tells a secret."""

import dataclasses
import tomllib

import pytest

from perftui.backends import BUILTIN
from perftui.config import BackendConfig, load
from perftui.config.describe import described, schema, toml_value
from perftui.config.effective import changes, shown
from perftui.config.settings import UiSettings
from perftui.config.starter import found, starter
from perftui.model.errors import ConfigError
from perftui.model.options import ValkeyClusterOptions, ValkeySentinelOptions

TEXT = """\
[ui]
theme = "light"
[keys]
"cache.purge" = "P"
[targets."api.p95"]
below = 0.1
[env.lab]
kind = "lab"
[env.lab.backends.cache]
kind = "valkey"
url = "redis://user@127.0.0.1:1/0"
password = "env:PERFTUI_TEST_PW"
[env.lab.backends.host]
"""


@pytest.fixture
def write(tmp_path):
    def _write(text):
        file = tmp_path / "config.toml"
        file.write_text(text)
        file.chmod(0o600)
        return file

    return _write


def test_shown_is_read_back_as_the_same(write):
    config = load(write(TEXT))
    again = load(write(shown(config)))
    assert changes(config, again) == ()
    assert (
        tomllib.loads(shown(config))["env"]["lab"]["backends"]["cache"]["password"] == "env:PERFTUI_TEST_PW"
    )


def test_a_secret_laid_over_by_code_is_masked(write):
    config = load(write(TEXT))
    lab = config.environments["lab"]
    cache = lab.backends["cache"]
    options = dataclasses.replace(cache.options, password="hunter2", url="redis://:hunter3@h/0")
    other = dataclasses.replace(lab, backends={"cache": BackendConfig("cache", "valkey", options)})
    text = shown(dataclasses.replace(config, environments={"lab": other}))
    assert "hunter" not in text
    assert "••••" in text


def test_secrets_arrive_when_a_backend_is_made(write, monkeypatch):
    cache = load(write(TEXT)).environment.backends["cache"]
    assert cache.options.password == "env:PERFTUI_TEST_PW"
    with pytest.raises(
        ConfigError, match=r"config.toml:9: env.lab.backends.cache.password: .*PERFTUI_TEST_PW"
    ):
        cache.resolved()
    monkeypatch.setenv("PERFTUI_TEST_PW", "hunter2")
    assert cache.resolved().password == "hunter2"
    assert "hunter2" not in repr(cache.resolved())


def test_changes_say_before_and_after(write):
    old = load(write(TEXT))
    new = load(
        write(TEXT.replace('"light"', '"dark"').replace("[keys]\n", "[keys]\nhelp = 'H'\n")), env="lab"
    )
    assert set(changes(old, new)) == {'ui.theme: "light" → "dark"', '+ keys.help = "H"'}


def test_the_starter_is_valid_and_its_offers_are_too(write, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/db")
    text = starter()
    assert "hunter2" not in text
    assert load(write(text)).environment.backends.keys() == {"host"}
    for hint in found():
        for line in hint.lines:
            assert f"# {line}\n" in text
            text = text.replace(f"# {line}\n", f"{line}\n")
    taken = load(write(text)).environment.backends
    assert {b.kind for b in taken.values()} == {"host", "valkey", "postgres"}
    assert "hunter2" in taken["cache"].resolved().url
    assert "hunter2" in taken["db"].resolved().dsn


def test_every_setting_of_the_starter_is_its_default(write):
    lines = [
        line.removeprefix("# ") if line.startswith("# ") and " = " in line and line[2].islower() else line
        for line in starter().splitlines()
        if not line.startswith(("# [", "# $"))
    ]
    commented = load(write(starter()))
    assert changes(commented, load(write("\n".join(lines)))) == ()


def test_the_schema_knows_every_section_and_kind():
    made = schema()
    assert set(made["$defs"]) == set(BUILTIN)
    assert made["properties"]["ui"]["properties"]["mouse"]["default"] is True
    assert "pattern" in made["$defs"]["valkey"]["properties"]["password"]


def test_every_key_is_described():
    assert all(key.help and key.type for key in described(UiSettings))


def test_toml_values_read_back():
    for value in ['a"\\\n\x1b\u202e', True, 1.5, [1, 2], {"a b": 1}]:
        assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


def test_what_writes_by_itself_is_off_where_nothing_may_be_changed():
    for options in (
        ValkeyClusterOptions("u", "me", "p", heartbeat=0.1),
        ValkeySentinelOptions("u", heartbeat=1.0),
    ):
        entry = BackendConfig("shards", "valkey-cluster", options)
        assert entry.resolved() == options
        quiet = entry.resolved(writes=False)
        assert quiet.heartbeat == 0.0
        assert (quiet.url, quiet.username, quiet.password) == (
            options.url,
            options.username,
            options.password,
        )
