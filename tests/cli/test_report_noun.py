"""`perftui report` and `timeline --md`: what was stored, as documents for people who were not there."""

from __future__ import annotations

import io
import re
import sys
import time
from xml.etree import ElementTree as ET

import pytest
from pypdf import PdfReader

from perftui.cli import main
from perftui.config import load, paths
from perftui.model.event import Event
from perftui.model.series import SeriesKey
from tests.cli.stored import fill

CONFIG = """
[env.bare]
kind = "production"
[env.bare.backends.shop]
kind = "scrape"
url = "http://127.0.0.1:9/metrics"
[env.bare.backends.cache]
kind = "valkey"
url = "redis://127.0.0.1:9/0"
password = "env:NO_SUCH_PASSWORD"
[env.bare.backends.db]
kind = "postgres"
dsn = "postgresql://u@127.0.0.1:9/x"
"""
SECONDS = 3000
NAMES = (
    ("shop", "http.requests_per_s"),
    ("shop", "http.p95_s"),
    ("shop", "http.error_ratio"),
    ("cache", "hit_ratio"),
    ("cache", "ops_per_s"),
    ("cache", "used_bytes"),
    ("cache", "evicted_per_s"),
    ("db", "p95_estimate_s"),
    ("db", "mean_s"),
    ("db", "tps"),
    ("db", "hit_ratio"),
    ("db", "connections"),
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Twelve series and two hundred events."""
    folder = tmp_path_factory.mktemp("report")
    path = folder / "config.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFTUI_STATE_DIR", str(folder / "state"))
        patch.setenv("PERFTUI_CONFIG", str(path))
        now = time.time()
        courses = {
            SeriesKey(source, name): lambda at, n=n: (
                0.05 + (at % (60 + n)) / 1000 + (0.5 if at > now - 60 else 0)
            )
            for n, (source, name) in enumerate(NAMES)
        }
        events = [Event(now - 2000 + n, "note", "bare", f"note number {n}", "日本 <b>") for n in range(198)]
        events += [
            Event(now - 900, "finding", "shop", "p95 is high", "p95 0.6 s", until=now - 600),
            Event(now - 500, "config", "cache", "maxmemory", "64 MiB -> 16 MiB", actor="ada"),
        ]
        fill("bare", courses, (now - SECONDS + n for n in range(SECONDS)), events)
        yield load(path)


def test_a_report_is_searchable_complete_and_small(stored, tmp_path):
    path = tmp_path / "report.pdf"
    before = time.process_time()
    assert main(["report", "--env", "bare", "--pdf", str(path), "--since", "1h"]) == 0
    took = time.process_time() - before
    pages = [page.extract_text() for page in PdfReader(path).pages]
    text = "\n".join(pages)
    assert "PRODUCTION bare" in pages[0]
    for word in ("Targets", "API p95", "Alerts", "Timeline", "note number 197", "Findings", "p95 is high"):
        assert word in text
    for layer in ("service", "cache", "database"):
        assert len([page for page in pages if f"Layer: {layer}" in page]) == 1
    assert all(f"{source}/{name}" in text for source, name in NAMES)
    assert "ada" in text
    assert "history.max_bytes" in text
    assert "env:NO_SUCH_PASSWORD" in text  # a reference, which is no secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size < 1 << 20
    assert took < 3.0
    print(f"12 charts, {len(pages)} pages: {took:.2f} CPU s, {path.stat().st_size:,} bytes")


def test_a_target_missed_hours_before_the_end_is_named(stored, tmp_path, monkeypatch):
    """Of a range the whole counts; of one after it, or before, nothing."""
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    now = time.time()
    slow = {
        SeriesKey("shop", "http.p95_s"): lambda at: 0.4 if now - 5 * 3600 < at < now - 4.9 * 3600 else 0.02
    }
    fill("bare", slow, (now - 6 * 3600 + 10 * n for n in range(2160)))
    told = {}
    for since in ("6h", "2h"):
        path = tmp_path / f"{since}.pdf"
        assert main(["report", "--env", "bare", "--pdf", str(path), "--since", since]) == 0
        told[since] = PdfReader(path).pages[0].extract_text()
    assert "Targets missed at some time: API p95." in told["6h"]
    assert "No target was seen missed." in told["2h"]


def test_fonts_are_embedded_and_charts_are_lines(stored, tmp_path):
    path = tmp_path / "report.pdf"
    assert (
        main(["report", "--env", "bare", "--pdf", str(path), "--screens", "cache", "--paper", "letter"]) == 0
    )
    reader = PdfReader(path)
    assert [round(float(side)) for side in reader.pages[0].mediabox[2:]] == [612, 792]
    fonts = [f.get_object() for page in reader.pages for f in page["/Resources"]["/Font"].values()]
    embedded = [f for f in fonts if "/FontFile2" in f.get("/FontDescriptor", {})]
    assert {str(f["/BaseFont"])[-6:].split("+")[-1] for f in embedded}
    page = next(p for p in reader.pages if "Layer: cache" in p.extract_text())
    assert "/XObject" not in page["/Resources"]
    assert page.get_contents().get_data().count(b" l ") > 4 * 100
    assert not any("Layer: service" in p.extract_text() for p in reader.pages)


def test_what_is_missing_is_said(stored, tmp_path, monkeypatch, capsys):
    assert main(["report", "--pdf", str(tmp_path / "x.pdf"), "--screens", "nope"]) == 2
    monkeypatch.setitem(sys.modules, "reportlab.pdfgen.canvas", None)
    assert main(["report", "--env", "bare", "--pdf", str(tmp_path / "x.pdf")]) == 2
    assert "pip install 'perftui[report]'" in capsys.readouterr().err
    assert not (tmp_path / "x.pdf").exists()


def test_an_empty_store_makes_no_report(stored, tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "elsewhere"))
    assert main(["report", "--env", "bare", "--pdf", str(tmp_path / "x.pdf")]) == 1
    assert not paths.state_dir().exists()


def test_a_post_mortem_has_its_charts_beside(stored, tmp_path):
    path = tmp_path / "incident.md"
    assert main(["timeline", "--env", "bare", "--since", "1h", "--md", "--out", str(path)]) == 0
    text = path.read_text()
    for head in ("# Post-mortem: PRODUCTION bare", "## Summary", "## Timeline", "## Actions", "## Findings"):
        assert head in text
    files = re.findall(r"!\[.*\]\((.+\.svg)\)", text)
    assert len(files) == 12
    for name in files:
        svg = (tmp_path / name).read_text()
        root = ET.parse(io.StringIO(svg)).getroot()
        lines = root.findall(".//{http://www.w3.org/2000/svg}polyline")
        assert max(len(line.get("points").split()) for line in lines) > 100
    assert "日本 &lt;b>" in text
    assert "maxmemory" in text.split("## Timeline")[1].split("## Alerts")[0]
    assert "p95 is high" in text.split("## Findings")[1]


def test_a_post_mortem_without_a_file_is_printed(stored, capsys):
    assert main(["timeline", "--env", "bare", "--md", "--since", "1h", "--kind", "config"]) == 0
    out = capsys.readouterr().out
    assert "maxmemory" in out
    assert "note number" not in out
    assert "--out FILE.md" in out
