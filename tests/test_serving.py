"""The listener beside a session: what machines are told and may tell, and what is refused."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from perftui.config import load
from perftui.export.prometheus import OPENMETRICS, TEXT
from perftui.model.errors import ConfigError
from perftui.runtime.listener import MOST, Address, Answer, Listener
from perftui.serving import Serving, event_of
from tests.agents import agent, written
from tests.needs import needs
from tests.waiting import auntil, until

TOKEN = "a-secret-token"
HOST = '[env.lab]\nkind = "lab"\n[env.lab.backends.host]\n'


@asynccontextmanager
async def serving(
    tmp_path, monkeypatch, more: str = "", **how
) -> AsyncIterator[tuple[Serving, httpx.AsyncClient]]:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    config = load(written(tmp_path / "c.toml", HOST + more))
    session = Serving.open(config, config.environment, remember=True, agent=True)
    session.address = Address("127.0.0.1", 0, **how)
    try:
        await session.start()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{session.port}", trust_env=False) as client:
            yield session, client
    finally:
        await session.close()


async def test_metrics_come_in_the_format_and_packing_that_is_asked_for(tmp_path, monkeypatch):
    async with serving(tmp_path, monkeypatch) as (session, client):
        await until(lambda: session.looks["host"].reading is not None, 20)
        plain = await client.get("/metrics", headers={"accept-encoding": "identity"})
        assert plain.headers["content-type"] == TEXT
        assert "node_memory_MemTotal_bytes" in plain.text
        assert 'perftui_lease_held{loop="recorder"}' in plain.text
        async with client.stream(
            "GET",
            "/metrics",
            headers={"accept": "application/openmetrics-text; version=1.0.0", "accept-encoding": "gzip"},
        ) as answer:
            assert answer.headers["content-type"] == OPENMETRICS
            assert answer.headers["content-encoding"] == "gzip"
            raw = b"".join([part async for part in answer.aiter_raw()])
        assert len(list(text_string_to_metric_families(gzip.decompress(raw).decode()))) > 10
        assert (await client.head("/metrics")).status_code == 200
        assert (await client.get("/nothing")).status_code == 404
        assert (await client.post("/metrics")).status_code == 405
        assert (await client.get("/health")).json() == {"ok": True}


async def test_without_its_token_only_health_is_told(tmp_path, monkeypatch):
    async with serving(tmp_path, monkeypatch, token=TOKEN) as (session, client):
        assert (await client.get("/metrics")).status_code == 401
        wrong = {"authorization": "Bearer another"}
        assert (await client.get("/metrics", headers=wrong)).status_code == 401
        right = {"authorization": f"Bearer {TOKEN}"}
        assert (await client.get("/metrics", headers=right)).status_code == 200
        assert (await client.get("/health")).status_code == 200
        assert TOKEN not in repr(session.address)


async def test_a_deployment_told_by_a_pipeline_stands_on_the_timeline_and_in_the_store(tmp_path, monkeypatch):
    async with serving(tmp_path, monkeypatch, token=TOKEN) as (session, client):
        client.headers["authorization"] = f"Bearer {TOKEN}"
        told = {"title": "shop v42", "actor": "ci", "source": "shop", "ref": "abc123", "at": time.time() - 5}
        answer = await client.post("/events", content=json.dumps(told))
        assert answer.status_code == 202
        assert answer.json()["kind"] == "deploy"
        events = session.frame("events").report.events
        (event,) = [event for event in events if event.kind == "deploy"]
        assert (event.title, event.actor, event.source) == ("shop v42", "ci", "shop")

        async def stored():
            return [e for e in await session.memory.events.load() if e.kind == "deploy"]

        assert await auntil(stored, 20) == [event]
        wrong = await client.post("/events", content=b'{"title": 5}')
        assert (wrong.status_code, wrong.json()) == (400, {"error": "title is text"})
        assert (await client.post("/events", content=b"x" * (MOST + 1))).status_code == 413


async def test_figures_that_are_pushed_are_figures_of_the_business(tmp_path, monkeypatch):
    more = (
        '[env.lab.backends.pushed]\nkind = "statsd"\nport = 0\n'
        '[business.plans]\nkind = "gauge"\nsource = "pushed"\nread = "plans"\nby = "plan"\nevery = 1.0\n'
    )
    async with serving(tmp_path, monkeypatch, more, token=TOKEN) as (session, client):
        assert (await client.post("/figures", content="plans:7|g")).status_code == 401
        client.headers["authorization"] = f"Bearer {TOKEN}"
        await until(lambda: session.sources("FigureTaker"), 20)
        answer = await client.post("/figures", content="plans:7|g|#plan:pro\nplans:30|g|#plan:free\nwhat")
        assert (answer.status_code, answer.json()) == (202, {"taken": 2, "lost": 1})
        assert (await client.post("/figures", content="what")).status_code == 400

        def told():
            report = session.frame("business").report
            return report is not None and dict(report.metrics[0].parts)

        assert await until(told, 20) == {"pro": 7.0, "free": 30.0}


async def test_figures_need_a_token_and_somebody_who_takes_them(tmp_path, monkeypatch):
    async with serving(tmp_path, monkeypatch) as (_, client):
        assert (await client.post("/figures", content="a:1|c")).status_code == 403
    async with serving(tmp_path, monkeypatch, token=TOKEN) as (_, client):
        client.headers["authorization"] = f"Bearer {TOKEN}"
        answer = await client.post("/figures", content="a:1|c")
        assert (answer.status_code, "kind statsd" in answer.text) == (404, True)


async def test_events_need_a_token(tmp_path, monkeypatch):
    async with serving(tmp_path, monkeypatch) as (_, client):
        assert (await client.post("/events", content=b'{"title": "a"}')).status_code == 403


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("{", "no JSON"),
        ("[1]", "no JSON object"),
        ("[" * 40_000, "no JSON"),
        ("{}", "title is needed"),
        ('{"title": "a", "colour": 1}', "unknown field colour"),
        ('{"title": "a", "kind": "link"}', "kind is one of deploy, note"),
        ('{"title": "a", "at": "yesterday"}', "at is epoch seconds or ISO 8601"),
        ('{"title": "a", "at": "2026-01-01T00:00:00"}', "at is epoch seconds or ISO 8601"),
        ('{"title": "a", "at": 5000}', "at lies in the future"),
        ('{"title": "a", "at": NaN}', "at is epoch seconds"),
        ('{"title": "a", "at": true}', "at is epoch seconds"),
        ('{"title": "a", "at": 50, "until": 40}', "until lies before at"),
    ],
)
def test_what_is_no_event_is_said(body, wrong):
    with pytest.raises(ValueError, match=wrong):
        event_of(body.encode(), "lab", 100.0)


def test_an_event_is_bounded_and_knows_its_time():
    body = {"title": "x" * 9000, "at": "1970-01-01T01:00:50+01:00", "until": 60, "kind": "note"}
    event = event_of(json.dumps(body).encode(), "lab", 100.0)
    assert (event.at, event.until, event.kind, event.source) == (50.0, 60.0, "note", "lab")
    assert len(event.title) == 500


def test_addresses():
    assert Address.of("127.0.0.1:9464") == Address("127.0.0.1", 9464)
    assert Address.of("[::1]:80").host == "::1"
    assert Address.of(":80").host == "127.0.0.1"
    assert Address.of("0.0.0.0:80").open
    assert not Address.of("0.0.0.0:80", TOKEN).open
    for wrong in ("", "localhost", "a:b", "a:99999"):
        with pytest.raises(ConfigError, match="no address to listen on"):
            Address.of(wrong)


async def test_a_taken_port_and_a_bad_certificate_are_said(tmp_path):
    async def nothing(_request):
        return Answer(200, b"")

    one = Listener(Address("127.0.0.1", 0), {("GET", "/"): nothing}, frozenset())
    port = one.bind()
    with pytest.raises(ConfigError, match="cannot listen on"):
        Listener(Address("127.0.0.1", port), {}, frozenset()).bind()
    one.close()
    bad = Listener(Address("127.0.0.1", 0, certificate=str(tmp_path / "none.pem")), {}, frozenset())
    with pytest.raises(ConfigError, match="cannot use the certificate"):
        await bad.run()


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("perftui.runtime.listener.PATIENCE", 0.1)
    async with serving(tmp_path, monkeypatch, token=TOKEN) as (session, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", session.port)
        writer.write(
            f"POST /events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n"
            "content-length: 10\r\n\r\nab".encode()
        )
        async with asyncio.timeout(10):
            assert b" 408 " in await reader.readline()
        writer.close()


@pytest.mark.slow
async def test_a_prometheus_scrapes_both_formats_and_sees_the_same(tmp_path):
    program = shutil.which("prometheus")
    needs("prometheus", found=program is not None, how="install prometheus")
    config = written(tmp_path / "c.toml", HOST)
    async with agent(config, tmp_path / "state", "--metrics", "127.0.0.1:0") as one:
        port = (await one.says("listening on")).rpartition(":")[2]
        (tmp_path / "p.yml").write_text(
            "scrape_configs:\n- job_name: perftui\n  scrape_interval: 1s\n"
            f"  static_configs:\n  - targets: ['127.0.0.1:{port}']\n"
        )
        listen = Listener(Address("127.0.0.1", 0), {}, frozenset())
        own = listen.bind()
        listen.close()
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={tmp_path}/p.yml",
            f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address=127.0.0.1:{own}",
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{own}", trust_env=False) as client:

                async def asked(query):
                    try:
                        answer = await client.get("/api/v1/query", params={"query": query})
                    except httpx.HTTPError:
                        return []
                    return answer.json()["data"]["result"] if answer.status_code == 200 else []

                # This Prometheus asks for OpenMetrics first; the text format is asked for by hand below.
                up = await auntil(lambda: asked('up{job="perftui"} == 1'), 30)
                assert up
                cpu = await auntil(lambda: asked("sum(rate(node_cpu_seconds_total[10s])) > 0"), 30)
                assert float(cpu[0]["value"][1]) > 0
                assert await asked("perftui_build_info")
                targets = (await client.get("/api/v1/targets")).json()["data"]["activeTargets"]
                assert [t["lastError"] for t in targets] == [""]
                metadata = (await client.get("/api/v1/metadata")).json()["data"]
                kinds = {name: entry[0]["type"] for name, entry in metadata.items()}
                assert kinds["perftui_source_read_duration_seconds"] == "summary"
                assert kinds["node_memory_MemTotal_bytes"] == "gauge"
                assert {k for n, k in kinds.items() if n.startswith("node_cpu_seconds")} == {"counter"}
                text = await client.get(f"http://127.0.0.1:{port}/metrics", headers={"accept": "text/plain"})
                assert text.headers["content-type"] == TEXT
        finally:
            process.terminate()
            await process.wait()
