"""Looking from a shell: the same frames and the same cells as the console, from real systems."""

import csv
import io
import json
import re
import stat
from xml.etree import ElementTree as ET

import pytest

from perftui.cli import main
from perftui.lab.ports import free_port

CACHE = '[env.{name}]\nkind = "{kind}"\n[env.{name}.backends.sessions]\nkind = "valkey"\n'
FAST = ["--within", "15", "--seconds", "0.1"]


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PERFTUI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def write(tmp_path, monkeypatch):
    def _write(text):
        file = tmp_path / "config.toml"
        file.write_text(text)
        file.chmod(0o600)
        monkeypatch.setenv("PERFTUI_CONFIG", str(file))

    return _write


@pytest.fixture
def cache(write, valkey, monkeypatch):
    """A configuration with one real Valkey, its password beside it."""
    monkeypatch.setenv("PERFTUI_TEST_PW", valkey.password)
    address = f'url = "redis://127.0.0.1:{valkey.port}/0"\npassword = "env:PERFTUI_TEST_PW"\n'
    write(CACHE.format(name="shop", kind="test") + address)
    return valkey


@pytest.fixture
def nobody(write):
    """A configuration whose only system does not answer."""
    write(CACHE.format(name="shop", kind="test") + f'url = "redis://127.0.0.1:{free_port()}/0"\n')


def test_list_names_every_tab(capsys):
    assert main(["show", "--list"]) == 0
    tabs = capsys.readouterr().out.split()
    assert "cache.tiers" in tabs
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+", tab) for tab in tabs)


def test_an_unknown_tab_names_the_nearest(capsys):
    assert main(["show", "cache.teirs"]) == 2
    assert "did you mean cache.tiers?" in capsys.readouterr().err
    assert main(["show"]) == 2


def test_show_gives_reports_as_json_without_a_secret(cache, capsys):
    assert main(["show", "cache.tiers", "--json", *FAST]) == 0
    out = capsys.readouterr().out
    made = json.loads(out)
    frame = made["frames"]["cache"]
    assert (made["tab"], made["environment"]) == ("cache.tiers", "shop")
    assert frame["health"]["sessions"]["link"] == "live"
    assert frame["report"] is not None
    assert cache.password not in out


def test_show_gives_the_table_as_csv(cache, capsys):
    assert main(["show", "cache.tiers", "--csv", *FAST]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) >= 2
    assert {len(row) for row in rows} == {len(rows[0])}


def test_show_gives_the_picture_as_text(cache, capsys):
    assert main(["show", "cache", "--size", "100x30", *FAST]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 30
    assert "shop" in lines[0]
    assert any("sessions" in line for line in lines)


def test_a_lost_system_is_3_and_told(nobody, capsys):
    assert main(["show", "cache.tiers", "--json", *FAST]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["frames"]["cache"]["health"]["sessions"]["link"] == "lost"
    assert "sessions is lost" in err


def test_backends_tell_link_age_and_powers(cache, capsys):
    assert main(["backends", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["backends"]
    assert (row["name"], row["kind"], row["link"], row["error"]) == ("sessions", "valkey", "live", "")
    assert 0 <= row["age"] < 10
    assert 0 < row["took"] < 5
    assert "KeyPurger" in row["powers"]


def test_backends_name_what_is_lost(nobody, capsys):
    assert main(["backends"]) == 3
    assert re.search(r"sessions\s+valkey\s+lost", capsys.readouterr().out)


def test_a_missing_secret_refuses_one_system_by_its_key(cache, monkeypatch, capsys):
    monkeypatch.delenv("PERFTUI_TEST_PW")
    assert main(["backends", "--json"]) == 3
    (row,) = json.loads(capsys.readouterr().out)["backends"]
    assert row["link"] == "refused"
    assert "env.shop.backends.sessions.password" in row["error"]


def test_snapshot_writes_private_files_that_agree(cache, tmp_path):
    svg, text = tmp_path / "a.svg", tmp_path / "a.txt"
    words = ["snapshot", "cache.tiers", "--size", "80x24", "--theme", "light"]
    assert main([*words, "--svg", str(svg), "--text", str(text), *FAST]) == 0
    assert stat.S_IMODE(svg.stat().st_mode) == stat.S_IMODE(text.stat().st_mode) == 0o600
    root = ET.fromstring(svg.read_text())
    drawn = {word.text for word in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {w for w in text.read_text().split() if w.isascii() and w.isalpha()} <= drawn
    assert root.get("viewBox") == "0 0 960 576"
    assert cache.password not in svg.read_text()


def test_snapshot_without_a_file_goes_to_the_export_folder(nobody, tmp_path):
    assert main(["snapshot", "cache.tiers", *FAST]) == 3
    names = sorted(p.name for p in (tmp_path / "state" / "exports").iterdir())
    assert [
        re.fullmatch(r"perftui-shop-cache\.tiers-\d{8}T\d{6}\.\d{3}Z\.(svg|txt)", n) is not None
        for n in names
    ] == [
        True,
        True,
    ]


def test_production_marks_its_pictures_and_starts_read_only(write, capsys):
    write(CACHE.format(name="eu", kind="production") + 'url = "redis://127.0.0.1:1/0"\n')
    assert main(["snapshot", "cache.tiers", "--svg", "-", *FAST]) == 3
    out, err = capsys.readouterr()
    assert "<title>perftui PRODUCTION eu cache.tiers</title>" in out
    assert "read-only" in err


def test_no_color_leaves_two_colours(nobody, monkeypatch, capsys):
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["snapshot", "cache.tiers", "--svg", "-", *FAST]) == 3
    assert len(set(re.findall(r"#[0-9a-f]{6}", capsys.readouterr().out))) == 2


def test_a_size_that_is_none_is_usage():
    assert main(["snapshot", "cache.tiers", "--size", "big"]) == 2
