"""Access logs of the servers people have, and what hostile visitors make of them."""

from __future__ import annotations

import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.accesslines import (
    LONGEST_ROUTE,
    MOST_ROUTES,
    OTHER,
    Request,
    Routes,
    _templated,
    reader,
    templated,
)

HEAD = "203.0.113.7 - frank [10/Oct/2026:13:55:36 +0000] "
COMBINED = HEAD + '"GET /product/17?x=1 HTTP/1.1" 200 2326 "http://a/" "Mozilla \\"x\\" (a)"'
CADDY = {"level": "info", "ts": 1.5, "request": {"method": "PUT", "uri": "/a/b", "host": "h"}, "status": 201}
TRAEFIK = {"RequestMethod": "GET", "RequestPath": "/x", "DownstreamStatus": 502, "Duration": 1_500_000}


@pytest.mark.parametrize(
    ("form", "unit", "line", "wanted"),
    [
        ("auto", "", COMBINED, ("GET", "/product/17?x=1", "200", None)),
        ("combined", "", COMBINED + " 0.250", ("GET", "/product/17?x=1", "200", 0.25)),
        ("combined", "us", COMBINED + " 250000", ("GET", "/product/17?x=1", "200", 0.25)),
        ("auto", "", HEAD + '"POST / HTTP/2.0" 404 -', ("POST", "/", "404", None)),
        ('$status "$request" $request_time', "", '503 "GET /a HTTP/1.1" 1.5', ("GET", "/a", "503", 1.5)),
        ("$request_method $uri $status", "", "DELETE /a/b 204", ("DELETE", "/a/b", "204", None)),
        ("json", "", json.dumps(CADDY | {"duration": 0.003}), ("PUT", "/a/b", "201", 0.003)),
        ("auto", "", json.dumps(TRAEFIK), ("GET", "/x", "502", 0.0015)),
        (
            "json",
            "ms",
            '{"request":"GET /q HTTP/1.1","status":"200","request_time":"12"}',
            ("GET", "/q", "200", 0.012),
        ),
        ("auto", "", HEAD + '"\\x16\\x03\\x01" 400 226 "-" "-"', ("OTHER", "\\x16\\x03\\x01", "400", None)),
    ],
)
def test_a_line_of_each_server_is_a_request(form, unit, line, wanted):
    found = reader(form, unit)(line)
    assert found is not None
    method, path, status, seconds = found
    assert (method, path if method != "OTHER" else wanted[1], status) == wanted[:3]
    assert (None if math.isnan(seconds) else seconds) == (
        wanted[3] if wanted[3] is None else pytest.approx(wanted[3])
    )


@pytest.mark.parametrize(
    "line", ["", "{", '{"status": 200', "[1]", "hello world", '{"status": [200]}', '{"status": 99999}']
)
def test_what_is_no_request_is_none(line):
    assert reader("auto", "")(line) is None


@pytest.mark.parametrize(
    ("form", "unit"), [("$status", ""), ("$request", ""), ("nonsense", ""), ("auto", "h")]
)
def test_a_format_that_tells_too_little_is_refused(form, unit):
    with pytest.raises(ValueError, match=r"needs|unit"):
        reader(form, unit)


@given(st.text(max_size=300))
def test_no_line_is_an_error(line):
    for form in ("auto", "json"):
        reader(form, "")(line)


def route(path, status="200", given=()):
    return Routes(given).of(Request("GET", path, status, 0.0))


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/product/17?x=1", "/product/{id}"),
        ("/u/0f8fad5b-d9cb-469f-a165-70867728950e/x", "/u/{id}/x"),
        ("/file/deadbeefcafe", "/file/{id}"),
        ("/api/v2/users", "/api/v2/users"),
        ("http://127.0.0.1:80/a/9", "/a/{id}"),
        ("/", "/"),
        ("/t/" + "eyJhbGciOi1" * 9, "/t/{id}"),
        ("/a\x1b[2J\u202e", "/a?[2J?"),
    ],
)
def test_ids_are_no_part_of_a_route(path, template):
    assert route(path) == template


def test_given_templates_come_first():
    given = ("/shop/:name", "/static/*", "/v/{a}/{b}")
    assert route("/shop/rose", given=given) == "/shop/:name"
    assert route("/static/js/app.js", given=given) == "/static/*"
    assert route("/v/1/x", given=given) == "/v/{a}/{b}"
    assert route("/v/1/x/y", given=given) == "/v/{id}/x/y"


def test_visitors_cannot_make_routes_without_end():
    routes = Routes()
    for status in ("301", "308", "400", "401", "403", "404", "405", "429"):
        for n in range(MOST_ROUTES):
            scanned = Request("GET", f"/wp-{chr(97 + n % 26)}{'x' * (n // 26)}.php", status, 0.0)
            assert routes.of(scanned) == OTHER
    names = {
        routes.of(Request("GET", f"/page-{chr(97 + n % 26)}{'x' * (n // 26)}", "200", 0.0))
        for n in range(500)
    }
    assert len(names) == MOST_ROUTES + 1
    assert OTHER in names
    assert routes.of(Request("GET", "/page-a", "404", 0.0)) == "/page-a"


def test_paths_of_any_length_are_remembered_in_little_memory():
    _templated.cache_clear()
    tracemalloc.start()
    try:
        for n in range(6000):
            templated(f"/\U0001f600{n}/" + "a" * 16_000)
        assert tracemalloc.get_traced_memory()[0] < 20e6
    finally:
        tracemalloc.stop()
    assert templated("/a/" + "b/" * 10_000) == ("/a/" + "b/" * 100)[:LONGEST_ROUTE]
