"""`perftui export metrics`: what was stored, as tables and objects, in bounded memory."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perftui.cli import main
from perftui.model.series import SeriesKey
from tests.cli.stored import fill

P95 = SeriesKey("shop", "http.p95_s")
RATE = SeriesKey("shop", "http.rate", (("route", "=cmd|x"),))
HITS = SeriesKey("cache", "hit_ratio")
SECONDS = 4000


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Two sources with an hour of samples each; when they began."""
    folder = tmp_path_factory.mktemp("export")
    path = folder / "config.toml"
    path.write_text("[env.bare]\n")
    path.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFTUI_STATE_DIR", str(folder / "state"))
        patch.setenv("PERFTUI_CONFIG", str(path))
        start = float(int(time.time()) - SECONDS - 10)
        courses = {
            P95: lambda at: (at - start) / 1000,
            RATE: lambda at: 3.0,
            HITS: lambda at: 0.9 if int(at) % 2 else None,
        }
        fill("bare", courses, (start + n for n in range(SECONDS)))
        yield start


def table(capsys, *words):
    assert main(["export", "metrics", *words]) == 0
    return list(csv.reader(io.StringIO(capsys.readouterr().out)))


def test_long_rows_hold_every_sample_once(begun, capsys):
    rows = table(capsys, "--from", "2h")
    assert rows[0] == ["time", "source", "series", "labels", "unit", "value"]
    p95 = [row for row in rows if row[2] == "http.p95_s"]
    assert len(p95) == SECONDS == len({row[0] for row in p95})
    assert sum(float(row[5]) for row in p95) == pytest.approx(sum(n / 1000 for n in range(SECONDS)))
    assert p95[0][4] == "s"
    assert p95[0][0].endswith(".000Z")
    assert len([row for row in rows if row[1] == "cache"]) == SECONDS // 2


def test_text_stays_what_it_was(begun, capsys):
    rows = table(capsys, "--from", "2h", "--series", "http.rate")
    assert {row[3] for row in rows[1:]} == {"route==cmd|x"}
    wide = table(capsys, "--from", "2h", "--wide", "--series", "*/http.*")
    assert wide[0] == ["time", "shop/http.p95_s [s]", "shop/http.rate{route==cmd|x} [1]"]


def test_wide_rows_hold_all_sources_of_an_instant(begun, capsys):
    rows = table(capsys, "--from", "2h", "--wide")
    assert rows[0] == [
        "time",
        "cache/hit_ratio [ratio]",
        "shop/http.p95_s [s]",
        "shop/http.rate{route==cmd|x} [1]",
    ]
    assert len(rows) == SECONDS + 1
    assert rows[1:] == sorted(rows[1:])
    assert sum(row[1] == "" for row in rows) == SECONDS // 2


def test_a_range_and_a_resolution(begun, capsys):
    edge = str(int(begun + 100))
    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun + 199))
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(edge)))
    rows = table(capsys, "--from", at, "--to", iso, "--series", "http.p95_s")
    assert [float(row[5]) for row in rows[1:]] == pytest.approx([n / 1000 for n in range(100, 200)])
    folded = table(capsys, "--from", "2h", "--series", "http.p95_s", "--step", "1m")
    stamps = [row[0] for row in folded[1:]]
    assert SECONDS / 60 <= len(stamps) <= SECONDS / 60 + 2
    assert len(stamps) == len(set(stamps))


def test_json_forms_agree(begun, capsys):
    assert main(["export", "metrics", "--from", "2h", "--json"]) == 0
    array = json.loads(capsys.readouterr().out)
    assert main(["export", "metrics", "--from", "2h", "--ndjson"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == array
    assert len(array) == 2 * SECONDS + SECONDS // 2
    assert {"time", "value", "source", "series", "labels", "unit"} == set(array[0])


def test_a_file_is_private(begun, tmp_path, capsys):
    path = tmp_path / "out.csv"
    assert main(["export", "metrics", "--from", "2h", "--out", str(path)]) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().out == ""
    assert len(path.read_text().splitlines()) == 2 * SECONDS + SECONDS // 2 + 1


def test_nothing_stored_is_a_no(begun, capsys):
    assert main(["export", "metrics", "--series", "nowhere/*"]) == 1
    assert main(["export", "metrics", "--wide", "--json"]) == 2
    assert main(["export", "metrics", "--from", "whenever"]) == 2


@pytest.mark.slow
def test_a_day_of_many_series_stays_in_bounds(tmp_path, monkeypatch):
    """17 h x 16 series, 980 thousand rows: the peak is measured in a process of its own."""
    path = tmp_path / "config.toml"
    path.write_text("[env.bare]\n")
    path.chmod(0o600)
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))
    start = time.time() - 61_300
    courses = {SeriesKey("v", f"m{n}"): (lambda at, n=n: at % 977 + n) for n in range(16)}
    fill("bare", courses, (start + n for n in range(61_300)))
    for shape in ("--long", "--wide"):
        out = tmp_path / "out.csv"
        script = (
            "from pathlib import Path\n"
            "from perftui.cli import main\n"
            f"code = main(['export', 'metrics', '--from', '1d', '{shape}', '--out', {str(out)!r}])\n"
            "seen = Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]\n"
            "print(code, int(seen) // 1024)\n"
        )
        said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        code, peak = map(int, said.stdout.split())
        with Path(out).open(encoding="utf-8") as file:
            rows = sum(1 for _ in file) - 1
        assert code == 0
        assert rows == (980_800 if shape == "--long" else 61_300)
        assert peak < 64, f"{shape}: {peak} MB"
        print(f"{shape}: {rows:,} rows, peak {peak} MB")
