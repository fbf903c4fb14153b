"""Pages at the edge: what their headers say, what is not modified, and their purge at a real Varnish."""

import asyncio
import json
import threading
import time

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from perftui.backends.valkey import Valkey
from perftui.backends.varnish import Varnish, VarnishOptions
from perftui.instrument.cache.edge import (
    EdgeHeaders,
    EdgeRelay,
    edge_tag,
    key_tag,
    many_tag,
    page,
    used,
    whole_tag,
)
from perftui.lab.edge.varnish import VarnishServer, program
from perftui.lab.ports import free_port
from perftui.model.cdn import PurgeRequest
from perftui.model.options import ValkeyOptions
from perftui.model.purgequeue import unpack
from tests.needs import needs
from tests.waiting import auntil, until

OURS = ("cache-control", "cdn-cache-control", "surrogate-key", "cache-tag", "etag", "last-modified")


def app_of(handler, status=200, headers=(), chunks=(b"hello",)):
    """An application that calls `handler`, then answers."""

    async def app(scope, receive, send):
        handler()
        told = [(n.encode(), v.encode()) for n, v in headers]
        await send({"type": "http.response.start", "status": status, "headers": told})
        for at, chunk in enumerate(chunks):
            await send({"type": "http.response.body", "body": chunk, "more_body": at < len(chunks) - 1})

    return EdgeHeaders(app)


async def get(app, method="GET", **headers):
    transport = httpx.ASGITransport(app=app)
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        return await client.request(method, "/", headers=told)


def product():
    page("5m", browser=10, stale="1m", stale_error="1h", tags=["home"])
    used("shop", "p:1", ["products", "two words"], 42.9, last_modified=1_700_000_000.0)
    used("shop", "p:2", [], 900.0)


async def test_a_page_lives_as_long_as_what_it_was_made_of_and_has_its_tags():
    answer = await get(app_of(product))
    grace = "stale-while-revalidate=60, stale-if-error=3600"
    assert answer.headers["cache-control"] == f"public, max-age=10, s-maxage=42, {grace}"
    assert answer.headers["cdn-cache-control"] == f"max-age=42, {grace}"
    tags = ["home", "k:shop:p:1", "products", "two%20words", "k:shop:p:2", "n:shop"]
    assert answer.headers["surrogate-key"].split() == tags
    assert answer.headers["cache-tag"].split(",") == tags
    assert answer.headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert answer.text == "hello"


async def test_nothing_is_said_of_a_page_that_was_not_declared():
    answer = await get(
        app_of(lambda: used("shop", "a", ["t"], 60.0), headers=[("cache-control", "max-age=1")])
    )
    assert {n: v for n, v in answer.headers.items() if n in OURS} == {"cache-control": "max-age=1"}


@pytest.mark.parametrize(
    ("app", "asked"),
    [
        (app_of(product, headers=[("set-cookie", "a=b")]), {}),
        (app_of(product), {"authorization": "Bearer x"}),
        (app_of(product, headers=[("cache-control", "private")]), {}),
    ],
)
async def test_what_is_one_visitors_own_stays_private(app, asked):
    answer = await get(app, **asked)
    assert answer.headers["cache-control"].startswith("private")
    assert "surrogate-key" not in answer.headers
    assert "cdn-cache-control" not in answer.headers


async def test_what_went_stale_is_not_kept():
    def stale():
        page("5m")
        used("shop", "a", [], -3.0)

    assert "s-maxage=0" in (await get(app_of(stale))).headers["cache-control"]


@pytest.mark.parametrize("status", [500, 302, 206])
async def test_only_whole_answers_are_kept(status):
    assert "cdn-cache-control" not in (await get(app_of(product, status=status))).headers


async def test_too_many_tags_become_one_that_every_removal_reaches():
    def many():
        page("5m")
        for n in range(1000):
            used("shop", f"product:{n}", [f"tag:{n}"], 60.0)

    assert (await get(app_of(many))).headers["surrogate-key"].split() == ["m:shop", "n:shop"]

    def unreachable():
        page("5m", tags=[f"a-long-tag-{n:0>100}" for n in range(100)])

    answer = await get(app_of(unreachable))
    assert "s-maxage=0" in answer.headers["cache-control"]


async def test_an_etag_answers_conditional_requests():
    app = app_of(product)
    first = await get(app)
    etag = first.headers["etag"]
    for asked in (etag, f'"other", W/{etag}', "*"):
        again = await get(app, if_none_match=asked)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["surrogate-key"] == first.headers["surrogate-key"]
        assert "content-length" not in again.headers
    assert (await get(app, if_none_match='"other"')).status_code == 200
    since = {"if_modified_since": "Tue, 14 Nov 2023 22:13:20 GMT"}
    assert (await get(app, **since)).status_code == 304
    assert (await get(app, if_none_match='"other"', **since)).status_code == 200
    assert (await get(app, if_modified_since="Mon, 13 Nov 2023 22:13:20 GMT")).status_code == 200
    assert (await get(app, if_modified_since=b"\xff nonsense")).status_code == 200
    assert (await get(app_of(product, chunks=(b"other",)))).headers["etag"] != etag


async def test_a_declared_version_needs_no_reading():
    app = app_of(lambda: page("1m", etag='v "7"'), chunks=(b"a", b"b"))
    answer = await get(app)
    assert (answer.headers["etag"], answer.text) == ('"v%20%227%22"', "ab")
    assert (await get(app, "HEAD", if_none_match='"v%20%227%22"')).status_code == 304
    assert "etag" not in (await get(app_of(lambda: page("1m"), chunks=(b"a", b"b")))).headers


async def test_a_file_that_the_server_sends_itself_has_its_start_before_it():
    async def app(_scope, _receive, send):
        product()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": "/srv/tea.html"})

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/tea", "headers": []}
    await EdgeHeaders(app)(scope, None, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.pathsend"]
    told = dict(sent[0]["headers"])
    assert b"s-maxage=42" in told[b"cache-control"]
    assert b"etag" not in told  # of a body that nobody saw


async def test_a_cookie_reaches_who_has_the_page_already():
    app = app_of(product, headers=[("set-cookie", "a=b"), ("etag", '"v1"')])
    answer = await get(app, **{"if-none-match": '"v1"'})
    assert (answer.status_code, answer.headers["set-cookie"]) == (200, "a=b")


async def test_other_requests_pass_untouched():
    answer = await get(app_of(product), "POST")
    assert not set(OURS) & set(answer.headers)


@given(st.text(max_size=300), st.text(max_size=300))
def test_tags_fit_a_header_and_stay_apart(one, two):
    assert unpack(json.dumps([edge_tag(one)]).encode()) == (edge_tag(one),)
    assert (edge_tag(one) == edge_tag(two)) == (one == two)


@pytest.fixture
async def console(l2, store):
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{l2.port}/0", password=l2.password))
    yield made
    await made.close()


async def test_removals_wait_in_l2_for_the_console(store, console):
    relay = EdgeRelay(store, "shop")
    await relay.purge(keys=["p:1"], tags=["products", "two words"])
    await relay.purge(everything=True)
    await EdgeRelay(store, "other").purge(tags=["x"] * 1200)
    look = await console.queued_purges(100)
    # of one millisecond, those of either queue may come first
    ours = [p for p in look.purges if many_tag("shop") in p.tags]
    assert ours[0].tags == (key_tag("shop", "p:1"), "products", "two%20words", many_tag("shop"))
    assert ours[1].tags == (whole_tag("shop"), many_tag("shop"))
    assert [len(p.tags) for p in look.purges if p not in ours] == [501, 501, 201]
    assert look.waiting == 5
    assert abs(look.purges[0].at - time.time()) < 10
    assert len((await console.queued_purges(1)).purges) == 1
    assert await console.unqueue([(p.queue, p.id) for p in ours]) == 2
    assert (await console.queued_purges(100)).waiting == 3


async def test_hostile_queues_are_told_apart(l2, store, console):
    await EdgeRelay(store, "shop").purge(tags=["good"])
    async with l2.client() as client:
        for text in (
            b"[]",
            b"[" * 9000,
            b'["a b"]',
            b'["\\u001b[31m"]',
            b'"a"',
            b'["' + b"a" * 300 + b'"]',
            b"[1]",
            b"\xff",
        ):
            await client.xadd("__purges:shop", {"tags": text})
        await client.xadd("__purges:shop", {"x": "y"})
        await client.set("__purges:odd", "x")
        await client.zadd("__purges", {"__purges:odd": 1, "secret": 2, "__purges:gone": 3})
    look = await console.queued_purges(100)
    assert [p.tags[0] for p in look.purges] == ["good"]
    assert len(look.unreadable) == 9
    assert await console.unqueue(look.unreadable) == 9


@pytest.fixture
def origin():
    """A service behind an edge: its one page is made of an entry with a tag."""
    asked, port = [], free_port()

    async def app(scope, receive, send):
        if scope["path"] != "/health":
            asked.append(scope["path"])
            page("1m")
            used("shop", scope["path"], ["products"], 50.0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    server = uvicorn.Server(uvicorn.Config(EdgeHeaders(app), port=port, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield port, asked, server
    server.should_exit = True
    thread.join(5)


async def test_varnish_keeps_a_page_until_its_tag_is_removed(origin, server_folder, store, console):
    needs("varnish", program() is not None)
    port, asked, server = origin
    await until(lambda: server.started)
    edge = VarnishServer(server_folder, port, "cache-edge")
    await edge.start()
    backend = Varnish(
        "edge",
        VarnishOptions(url=edge.url, dir=str(edge.workdir), purge_url=edge.purge_url, token=edge.token),
    )
    await backend.open()
    try:
        async with httpx.AsyncClient(base_url=edge.url, trust_env=False) as client:

            async def visit(path):
                answer = await client.get(path)
                return answer.status_code, answer.headers.get("x-cache")

            await auntil(lambda: _healthy(client))
            paths = ("/products/1", "/products/2")
            assert [await visit(path) for path in paths] == [(200, "MISS")] * 2
            assert [await visit(path) for path in paths] == [(200, "HIT")] * 2
            await EdgeRelay(store, "shop").purge(keys=["/products/1"])
            look = await console.queued_purges(10)
            await backend.purge_edge(PurgeRequest("tag", look.purges[0].tags))
            assert [await visit(path) for path in paths] == [(200, "MISS"), (200, "HIT")]
            await backend.purge_edge(PurgeRequest("tag", ("products",)))
            assert [await visit(path) for path in paths] == [(200, "MISS")] * 2
            etag = (await client.get(paths[0])).headers["etag"]
            assert (await client.get(paths[0], headers={"if-none-match": etag})).status_code == 304
            assert asked.count(paths[0]) == 3
    finally:
        await backend.close()
        await edge.stop()


async def _healthy(client):
    await asyncio.sleep(0)
    return (await client.get("/health")).status_code == 200
