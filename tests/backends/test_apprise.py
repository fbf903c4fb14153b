"""Services by URL through the library, which talks to a real HTTP server on this machine."""

from __future__ import annotations

import asyncio
import builtins
import json
import logging
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from perftui.backends import CHANNELS
from perftui.backends.apprise import INSTALL, Apprise
from perftui.config import load
from perftui.model.channels import AppriseOptions
from perftui.model.errors import ConfigError
from perftui.model.finding import Severity
from perftui.model.notify import DeliveryState, Route, Telling, Way, What
from perftui.runtime.clock import Clock
from perftui.runtime.outbox import Outbox
from perftui.runtime.store import Store
from tests.backends.test_senders import EVERY, NOTE
from tests.notices import alert, notifier_up, report
from tests.waiting import auntil

SECRET = "hunter2hunter2"


class Server(ThreadingHTTPServer):
    """Takes what comes; `refuse` holds paths that are answered 500 or sent elsewhere."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.came, self.refuse, self.elsewhere = [], set(), set()
        self.place = f"127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = self.headers["Content-Type"].startswith("application/x-www-form")
        said = {k: v[0] for k, v in parse_qs(body).items()} if form else json.loads(body)
        self.server.came.append((self.path, said))
        moved = self.path in self.server.elsewhere
        self.send_response(500 if self.path in self.server.refuse else 307 if moved else 200)
        self.send_header("Location", f"http://{self.server.place}/stolen")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        """Nothing: the test reads what came."""


@contextmanager
def serving():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def server():
    with serving() as one:
        yield one


def sender(urls):
    return Apprise("more", AppriseOptions(urls), None)


async def test_every_service_has_the_words_and_how_bad_it_is(server):
    urls = f"json://me:{SECRET}@{server.place}/a form://{server.place}/b"
    for what in EVERY:
        assert (await sender(urls).deliver(replace(NOTE, what=what, key=what.value), "")).sent
    assert {path for path, _ in server.came} == {"/a", "/b"}
    assert len(server.came) == 2 * len(EVERY)
    for _, said in server.came:
        assert said["title"].startswith("[lab] ")
        assert "97 % > 95 %" in said["message"]
        assert "\x1b" not in said["title"] + said["message"]
        assert "… and 4980 more" in said["message"] or len(said["message"]) >= 3999
    types = {said["title"].split(":")[0]: said["type"] for _, said in server.came}
    assert types["[lab] resolved"] == "success"
    assert types["[lab] CRITICAL"] == "failure"
    await sender(urls).deliver(replace(NOTE, severity=Severity.INFO), "")
    assert server.came[-1][1]["type"] == "info"


async def test_who_has_it_does_not_get_it_again(server):
    one = sender(f"json://{server.place}/a json://{server.place}/b")
    server.refuse.add("/b")
    outcome = await one.deliver(NOTE, "")
    assert (outcome.sent, outcome.again, outcome.said) == (False, True, "not taken by 2 (json)")
    server.refuse.clear()
    assert (await one.deliver(NOTE, "")).sent
    assert sorted(path for path, _ in server.came) == ["/a", "/b", "/b"]
    assert (await one.deliver(replace(NOTE, key="other"), "")).sent
    assert len(server.came) == 5


async def test_a_redirect_takes_our_keys_nowhere(server):
    server.elsewhere.add("/a")
    assert not (await sender(f"json://me:{SECRET}@{server.place}/a").deliver(NOTE, "")).sent
    assert [path for path, _ in server.came] == ["/a"]


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        (f"bogus://{SECRET}", "URL 1 means no service"),
        (f"json://127.0.0.1/x {SECRET}", "URL 2 means no service"),
        (f"json://me:{SECRET}@127.0.0.1:1/{SECRET}", "not taken by 1 (json)"),
        (" ", "`urls` is empty"),
    ],
)
async def test_no_token_is_in_any_word(urls, said, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    outcome = await sender(urls).deliver(NOTE, "")
    assert (outcome.sent, outcome.again) == (False, True)
    assert said in outcome.said
    out, err = capfd.readouterr()
    assert SECRET not in outcome.said + caplog.text + out + err + repr(AppriseOptions(urls))


async def test_without_the_library_it_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "apprise":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    outcome = await sender("json://127.0.0.1/x").deliver(NOTE, "")
    assert (outcome.sent, outcome.said) == (False, INSTALL)


async def test_it_goes_through_the_outbox_like_the_others(server, tmp_path):
    """Refused twice, then taken: once on each service, and the delivery says so."""
    store = Store.open(str(tmp_path / "store.sqlite"), "lab")
    options = AppriseOptions(f"json://{server.place}/a json://{server.place}/b")
    way = Way("apprise", CHANNELS["apprise"], lambda: options)
    telling = Telling("lab", {}, {"more": way}, routes=(Route("all", (), ("more",), group_wait=0.0),))
    server.refuse.add("/b")
    clock = Clock()
    async with notifier_up(store, telling, clock) as notifier:
        notifier.look(report(clock.wall(), alert(now=clock.wall())))
        await notifier.tick()
        await auntil(lambda: asyncio.sleep(0, len([p for p, _ in server.came if p == "/b"]) >= 2), 20)
        server.refuse.clear()

        async def sent():
            return [one for one in await Outbox(store).deliveries() if one.state is DeliveryState.SENT]

        (delivery,) = await auntil(sent, 20)
    assert delivery.what is What.TRIGGER
    assert [path for path, _ in server.came].count("/a") == 1
    await store.close(2)


def test_urls_are_a_secret_that_stands_elsewhere(tmp_path, monkeypatch):
    path = tmp_path / "c.toml"
    path.write_text(f'[env.x]\n[channels.more]\nkind = "apprise"\nurls = "ntfy://{SECRET}"\n')
    with pytest.raises(ConfigError, match="is a secret and may not stand here") as caught:
        load(path, "x")
    assert SECRET not in str(caught.value)
    monkeypatch.setenv("MORE", f"ntfy://{SECRET}")
    path.write_text('[env.x]\n[channels.more]\nkind = "apprise"\nurls = "env:MORE"\n')
    made = load(path, "x").notices.channels["more"]
    assert made.options.urls == "env:MORE"
    assert made.resolved().urls == f"ntfy://{SECRET}"
    assert SECRET not in repr(made.resolved())
