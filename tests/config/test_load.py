"""The file is read whole, checked whole, and production is never picked by accident."""

import pytest

from perftui.config import Config, load, reload
from perftui.draw.palette import THEMES
from perftui.model.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def _write(text, mode=0o600):
        file = tmp_path / "config.toml"
        file.write_text(text)
        file.chmod(mode)
        return file

    return _write


def test_environments_settings_keys_and_targets(write):
    config = load(
        write(
            '[ui]\ntheme = "light"\nmouse = false\n[history]\nmax_bytes = 1000\n'
            '[keys]\n"cache.purge" = "P"\napp.quit = "Q"\n'
            "[targets.'api.p95']\nbelow = 0.2\n[targets.mine]\nseries='db/commit_ratio'\nabove=0.9\n"
            '[env.one]\nlabel = "First"\n[env.two]\nkind = "staging"\nread_only = true\n'
        ),
        env="two",
    )
    assert config.ui.theme == "light"
    assert config.setting("ui.mouse") is False
    assert config.setting("history.max_bytes") == 1000
    assert config.keys == {"cache.purge": "P", "app.quit": "Q"}
    goals = {target.id: target for target in config.objectives()}
    assert (goals["api.p95"].goal, goals["api.p95"].unit, goals["api.p95"].kind) == (0.2, "s", "scrape")
    assert (goals["mine"].source, goals["mine"].series, goals["mine"].unit) == ("db", "commit_ratio", "ratio")
    assert goals["cache.hit"].above == 0.95
    assert config.environment.name == "two"
    assert config.environment.read_only
    assert not config.read_only
    assert config.environments["one"].label == "First"
    assert config.where("keys", "cache.purge").endswith("config.toml:7")


def test_all_mistakes_are_told_at_once(write):
    with pytest.raises(ConfigError) as caught:
        load(
            write(
                "[uii]\n[ui]\nthem = 1\n[env.a]\nkind = 'prodution'\n"
                "[env.a.backends.x]\nkind = 'valky'\n[env.a.backends.y]\n[keys]\na = 1\n[targets.t]\n"
            )
        )
    told = str(caught.value).splitlines()
    assert [line.split("config.toml:")[1] for line in told] == [
        "1: unknown key uii (did you mean ui?)",
        "3: unknown key ui.them (did you mean theme?)",
        '5: env.a.kind cannot be "prodution" (did you mean production?)',
        '7: env.a.backends.x: unknown kind "valky" (did you mean valkey?)',
        told[4].split("config.toml:")[1],
        "10: keys.a must be the name of a key, as text",
        told[6].split("config.toml:")[1],
        "11: targets.t needs one of `below` and `above`",
    ]
    assert "env.a.backends.y: needs `kind`" in told[4]
    assert "targets.t is no built-in target" in told[6]


def test_invalid_toml_names_its_line(write):
    with pytest.raises(ConfigError, match="line 2"):
        load(write("[ui]\ntheme = = 1\n"))


def test_a_named_file_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="perftui config init"):
        load(tmp_path / "none.toml")


def test_without_configuration_this_host_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_CONFIG", str(tmp_path / "none.toml"))
    config = load()
    assert config.environment.name == "local"
    assert "host" in config.environment.backends
    assert not config.exists


def test_a_file_open_to_others_is_a_warning(write):
    assert "chmod 600" in load(write("[env.a]\n", mode=0o644)).warnings[0]
    assert load(write("[env.a]\n", mode=0o600)).warnings == ()


PRODUCTION = '[env.prod]\nkind = "production"\n'


def test_production_is_never_picked_unasked(write):
    assert load(write(PRODUCTION + "[env.lab]\n")).chosen == "lab"
    with pytest.raises(ConfigError, match="--env"):
        load(write(PRODUCTION + PRODUCTION.replace("prod]", "eu]")))


def test_a_lone_production_is_picked_read_only_unless_named(write):
    unasked = load(write(PRODUCTION))
    assert unasked.chosen == "prod"
    assert unasked.read_only
    assert "read-only" in unasked.warnings[0]
    assert not load(write(PRODUCTION), env="prod").read_only


def test_an_unmarked_production_is_warned_of(write):
    assert 'kind = "production"' in load(write("[env.production]\n")).warnings[0]


def test_an_unknown_environment_names_the_nearest(write):
    with pytest.raises(ConfigError, match="did you mean staging"):
        load(write("[env.staging]\n"), env="stagng")


def test_flags_beat_the_file(write):
    file = write('[ui]\ntheme = "light"\n[env.a]\n')
    flagged = load(file, flags={"theme": "dark", "mouse": False, "read_only": True, "ascii": None})
    assert flagged.read_only
    assert (flagged.ui.theme, flagged.ui.mouse, flagged.ui.ascii) == ("dark", False, False)
    assert load(file).ui.theme == "light"


def test_themes_are_those_that_can_be_drawn(write):
    for theme in THEMES:
        assert load(write(f"[ui]\ntheme = '{theme}'\n[env.a]\n")).ui.theme == theme
    with pytest.raises(ConfigError, match="did you mean dark"):
        load(write("[ui]\ntheme = 'drak'\n"))


def test_reload_keeps_flags_and_environment(write):
    file = write("[env.a]\n[env.b]\n")
    config = load(file, env="b", flags={"mouse": False})
    write('[ui]\ntheme = "light"\n[env.a]\n[env.b]\nlabel = "B"\n')
    again = reload(config)
    assert isinstance(again, Config)
    assert (again.chosen, again.ui.mouse, again.ui.theme, again.environment.label) == (
        "b",
        False,
        "light",
        "B",
    )


def test_an_unknown_setting_is_an_error(write):
    with pytest.raises(ConfigError, match="no setting"):
        load(write("[env.a]\n")).setting("ui.nothing")
