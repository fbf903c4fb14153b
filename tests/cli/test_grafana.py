"""`export grafana` against a receiver that checks every request as Grafana's own description would."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import promql_parser
import pytest

from perftui.backends.grafana import Grafana
from perftui.cli import main
from perftui.config import load
from perftui.config.grafana import GrafanaSettings
from perftui.engines.grafana.push import Push
from perftui.export.grafana import annotation, dashboards, link
from perftui.model.errors import Lost, PartlyDone, Protocol, Refused
from perftui.model.event import Event
from tests.cli.stored import fill

SCHEMAS = json.loads((Path(__file__).parents[1] / "backends/schemas/grafana.json").read_text())
TOKEN = "glsa_right"


class Receiver:
    """Dashboards and annotations of a server that refuses what its description forbids."""

    def __init__(self) -> None:
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.annotations: dict[int, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.failing = ""
        self.most = 1000

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        if path == "/api/health":
            return 200, {"database": "ok", "version": "13.0.1"}
        if self.failing and self.failing in path:
            return 500, {"message": "boom"}
        if path == "/api/dashboards/db":
            return self.save(body)
        if path == "/api/annotations" and method == "POST":
            return self.annotate(body)
        if path == "/api/annotations":
            wanted = set(query["tags"])
            rows = [a for a in self.annotations.values() if wanted <= set(a["tags"])]
            return 200, [a for a in rows if int(query["from"][0]) <= a["time"] <= int(query["to"][0])]
        return self.one(method, path.rpartition("/")[2], "annotations" in path)

    def save(self, body: Any) -> tuple[int, Any]:
        jsonschema.validate(body, SCHEMAS["save"])
        made = body["dashboard"]
        version = self.dashboards.get(made["uid"], {}).get("version", 0) + 1
        self.dashboards[made["uid"]] = {**made, "id": 7, "version": version}
        return 200, {"status": "success", "url": f"/d/{made['uid']}/x", "version": version}

    def annotate(self, body: Any) -> tuple[int, Any]:
        jsonschema.validate(body, SCHEMAS["annotation"])
        if len(self.annotations) >= self.most:
            return 500, {"message": "full"}
        number = len(self.annotations) + 1
        self.annotations[number] = body
        return 200, {"message": "Annotation added", "id": number}

    def one(self, method: str, name: str, is_annotation: bool) -> tuple[int, Any]:
        kept: dict[Any, Any] = self.annotations if is_annotation else self.dashboards
        key: Any = int(name) if is_annotation else name
        if key not in kept:
            return 404, {"message": "not found"}
        found = kept.pop(key) if method == "DELETE" else kept[key]
        return 200, {"dashboard": found}


@pytest.fixture
def grafana() -> Iterator[tuple[Receiver, str]]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            url = urlsplit(self.path)
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
            status, said = 401, {"message": "Unauthorized"}
            if url.path == "/api/health" or self.headers.get("Authorization") == f"Bearer {TOKEN}":
                try:
                    status, said = receiver.answer(self.command, url.path, parse_qs(url.query), body)
                except jsonschema.ValidationError as error:
                    status, said = 400, {"message": error.message}
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _do  # noqa: N815 - names of the library

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield receiver, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def env(grafana: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    receiver, url = grafana
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    path = tmp_path / "config.toml"
    path.write_text(
        f'[grafana]\nurl = "{url}"\ntoken = "env:GRAFANA_TOKEN"\nfolder = "ops"\n'
        f'[grafana.metrics]\n"http.p95_s" = "{{url}}/d/slo?from={{from}}&to={{to}}&var-m={{series}}"\n[env.bare]\n'
    )
    path.chmod(0o600)
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))
    now = time.time()
    events = [
        Event(now - 120, "deploy", "shop", "release 42 <script>", "was 41", "ada"),
        Event(now - 90, "finding", "shop", "p95 is high", until=now - 30),
        Event(now - 9999, "note", "bare", "too old"),
    ]
    fill("bare", events=events)
    return receiver


def test_dashboards_and_events_arrive_once(env: Receiver, capsys: Any) -> None:
    push = ["export", "grafana", "--push", "--since", "1h", "--yes"]
    assert main(push) == 0
    assert "annotations added" in capsys.readouterr().out
    assert set(env.dashboards) == {d["uid"] for d in dashboards(GrafanaSettings())}
    texts = [a["text"] for a in env.annotations.values()]
    assert texts == ["shop: release 42 &lt;script>\nwas 41\nby ada", "shop: p95 is high"]
    span = env.annotations[2]
    assert span["timeEnd"] - span["time"] == pytest.approx(60_000, abs=2)
    assert {"perftui", "env:bare", "finding"} <= set(span["tags"])
    assert main(push) == 0
    assert len(env.annotations) == 2
    assert env.dashboards["perftui-cache"]["version"] == 2


def test_a_dry_run_and_a_no_write_nothing(env: Receiver, capsys: Any) -> None:
    assert main(["export", "grafana", "--push", "--dry-run"]) == 0
    assert "Grafana 13.0.1" in capsys.readouterr().out
    assert main(["export", "grafana", "--push"]) == 4
    assert not [asked for asked in env.asked if asked.startswith("POST")]
    assert TOKEN not in (load().path.parent / "state/audit.jsonl").read_text()


def test_a_wrong_token_is_named_and_not_shown(env: Receiver, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "glsa_wrong")
    assert main(["export", "grafana", "--push", "--yes"]) == 3
    said = capsys.readouterr().err
    assert "look at [grafana] token" in said
    assert "glsa_wrong" not in said


def test_links_carry_the_window(env: Receiver, capsys: Any) -> None:
    words = ["--from", "2026-07-01T14:00:00Z", "--to", "2026-07-01T15:00:00.5Z"]
    assert main(["export", "grafana", "--link", "--screen", "cache.tiers", "--source", "a b", *words]) == 0
    url = capsys.readouterr().out.split()[1]
    query = parse_qs(urlsplit(url).query)
    assert urlsplit(url).path == "/d/perftui-cache"
    assert query == {"from": ["1782914400000"], "to": ["1782918000500"], "var-source": ["a b"]}
    assert (
        main(["export", "grafana", "--link", "--screen", "overview", "--series", "http.p95_s", "--json"]) == 0
    )
    assert "/d/slo?" in json.loads(capsys.readouterr().out)["overview"]


def test_the_json_alone_is_printed_and_every_expression_parses(env: Receiver, capsys: Any) -> None:
    assert main(["export", "grafana"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == list(dashboards(load().grafana))
    expressions = [t["expr"] for d in printed for p in d["panels"] for t in p["targets"]]
    assert len(expressions) > 12
    for text in expressions:
        promql_parser.parse(text.replace("$__rate_interval", "1m").replace("$source", ".*"))
    for made in printed:
        jsonschema.validate({"dashboard": made}, SCHEMAS["save"])
        places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in made["panels"]]
        assert len(places) == len(set(places))


def test_a_link_template_with_an_unknown_field_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nope"):
        GrafanaSettings(link="{url}/{nope}")
    assert link(GrafanaSettings(), "cache", (0, 1), env="x") == ""


async def test_undo_puts_back_what_was_there(grafana: Any) -> None:
    receiver, url = grafana
    server = Grafana(url, TOKEN)
    old = {"uid": "perftui-cache", "title": "mine", "panels": [], "schemaVersion": 39}
    await server.save(old, "by hand")
    event = Event(1_700_000_000.0, "note", "x", "hello")
    action = Push(
        server, url, dashboards=dashboards(GrafanaSettings()), annotations=[annotation(event, "bare")]
    )
    plan = await action.plan()
    assert plan.reversible
    assert "1 over older ones" in plan.summary
    receipt = await action.run(lambda progress: None)
    assert receipt.done == len(receiver.dashboards) + 1
    await action.undo(receipt)
    assert {uid: d["title"] for uid, d in receiver.dashboards.items()} == {"perftui-cache": "mine"}
    assert receiver.annotations == {}
    await server.close()
    await server.close()


async def test_what_was_done_before_a_failure_is_told(grafana: Any) -> None:
    receiver, url = grafana
    server = Grafana(url, TOKEN)
    receiver.most = 1
    events = [Event(1_700_000_000.0 + n, "note", "x", f"n{n}") for n in range(3)]
    action = Push(server, url, dashboards=(), annotations=[annotation(e, "bare") for e in events])
    await action.plan()
    with pytest.raises(PartlyDone) as told:
        await action.run(lambda progress: None)
    assert told.value.receipt.done == 1
    assert told.value.receipt.untouched == 1
    await server.close()


async def test_every_failure_is_one_of_ours(grafana: Any) -> None:
    receiver, url = grafana
    with pytest.raises(Refused):
        await Grafana(url, "wrong").dashboard("x")
    with pytest.raises(Lost):
        await Grafana("http://127.0.0.1:9").version()
    receiver.failing = "dashboards"
    with pytest.raises(Lost):
        await Grafana(url, TOKEN).dashboard("x")
    receiver.failing = ""
    with pytest.raises(Protocol, match="400"):
        await Grafana(url, TOKEN).annotate({"text": "x", "time": "soon"})
    assert TOKEN not in repr(Grafana(url, TOKEN))


def test_a_push_is_taken_back_from_another_shell(env: Receiver, capsys: Any) -> None:
    old = {"uid": "perftui-cache", "title": "mine", "panels": [], "schemaVersion": 39}
    env.save({"dashboard": old, "message": "by hand", "overwrite": True})
    assert main(["export", "grafana", "--push", "--since", "1h", "--yes"]) == 0
    assert len(env.annotations) == 2
    assert main(["undo", "--dry-run"]) == 0
    assert "puts the older dashboards back" in capsys.readouterr().out
    assert len(env.annotations) == 2
    assert main(["undo", "--yes"]) == 0
    assert {uid: d["title"] for uid, d in env.dashboards.items()} == {"perftui-cache": "mine"}
    assert env.annotations == {}
    assert main(["undo", "--yes"]) == 4
