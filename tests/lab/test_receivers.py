"""The lab's receivers: channels that lead there, what arrives listed, bad bodies refused as the vendor would."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from perftui.backends import CHANNELS
from perftui.backends.httppost import HttpPost
from perftui.backends.pagerduty import PagerDuty
from perftui.lab import Lab, LabOptions
from perftui.lab.receiverpart import ReceiverPart
from perftui.lab.receivers import READ, SERVICES
from perftui.lab.shapecheck import operation
from perftui.model.channels import PagerDutyOptions
from perftui.model.notify import Request
from perftui.runtime.loading import load
from tests.backends.test_senders import NOTE
from tests.notices import receivers_up, ways


async def test_the_part_alone_offers_channels_and_lists_what_came(monkeypatch):
    async with Lab(LabOptions(parts=("receivers",))) as lab:
        part = lab.part(ReceiverPart)
        text = lab.config_toml()
        for kind in ("pagerduty", "slack", "email", "sms", "webhook"):
            assert f"[channels.{kind}]" in text
        assert '"file:' in text
        post = HttpPost()
        sender = PagerDuty("p", PagerDutyOptions("a" * 32, base_url=part.receivers.url), post)
        assert (await sender.deliver(NOTE, "")).sent
        status = part.status()
        json.dumps(status)
        assert status["arrived"] == {name: int(name == "pagerduty") for name in SERVICES}
        port = status["port"]
        await lab.part_down("receivers")
        assert part.endpoints() == {}
        assert "[channels" not in lab.config_toml()
        await lab.part_up("receivers")
        assert part.status()["port"] == port
        await post.close()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v2/enqueue", {"routing_key": "a", "event_action": "shout", "dedup_key": "x"}, 400),
        ("/v2/enqueue", {"routing_key": "a", "event_action": "trigger", "dedup_key": "x"}, 400),
        ("/v2/enqueue", {"routing_key": "a" * 32, "event_action": "resolve", "dedup_key": "x"}, 202),
        ("/api/chat.postMessage", {"channel": "C0123"}, 200),
        ("/hook", {"version": "3"}, 400),
    ],
)
async def test_what_the_vendor_would_not_have_is_not_had(path, body, status):
    async with receivers_up() as receivers:
        post = HttpPost()
        headers = {"Content-Type": "application/json"}
        reply = await post(Request(receivers.url + path, json.dumps(body).encode(), headers))
        await post.close()
        (arrival,) = receivers.arrivals
    assert reply.status == status
    assert bool(arrival.problems) is (status != 202)
    if path.startswith("/api"):
        assert json.loads(reply.body)["ok"] is False


SENDERS = {
    "pagerduty": ("pagerduty", ("ok", "400", "429", "500"), {}),
    "incidents": ("pagerduty", ("ok", "400", "401", "429"), {"api_token": "y_NbAkKc66ryYTWUXYEu"}),
    "oncalls": ("pagerduty", ("ok", "400", "403", "429"), {"api_token": "y_NbAkKc66ryYTWUXYEu"}),
    "slack-post": ("slack", ("ok", "400", "429", "ok:false"), {}),
    "slack-update": ("slack", ("ok", "400", "429", "ok:false"), {}),
    "slack-webhook": ("slack", ("ok", "400", "429", "500"), {"token": "", "channel": ""}),
    "sms": ("sms", ("ok", "400", "401", "429", "500"), {}),
    "webhook": ("webhook", ("ok",), {}),
}


@pytest.mark.parametrize("name", SENDERS)
async def test_what_the_receivers_answer_is_what_the_vendors_publish(name):
    """Each answer a script can ask for, read from the wire and held against the published one."""
    kind, answers, more = SENDERS[name]
    async with receivers_up() as receivers:
        post = Telling(HttpPost())
        made = ways(receivers)[kind].options()
        if name == "slack-webhook":
            more = {**more, "webhook": f"{receivers.url}/services/T000/B000/XXXX"}
        if name in READ:
            more = {**more, "api_url": receivers.url}
            receivers.acked["thread"], receivers.duty["PI7DH85"] = "anna", ["Anna Berg", "Ben"]
        sender = load(CHANNELS[kind])("x", replace(made, **more), post)
        service = name.partition("-")[0]
        receivers.script[service] = list(answers)
        for _ in answers:
            if name == "incidents":
                await sender.acknowledged(["thread"])
            elif name == "oncalls":
                await sender.on_duty(["PI7DH85"])
            else:
                await sender.deliver(NOTE, "C1/1700000000.000001" if name == "slack-update" else "")
        await post.inner.close()
    assert [one.problems for one in receivers.arrivals] == [()] * len(answers)
    for reply in post.replies:
        said = reply.body.decode()
        assert operation(name).odd(reply.status, json.loads(said) if said.startswith("{") else said) == ()
    assert operation(name).odd(418, {})


class Telling:
    """Passes requests on and takes the replies down."""

    def __init__(self, inner):
        self.inner = inner
        self.replies = []

    async def __call__(self, request):
        self.replies.append(await self.inner(request))
        return self.replies[-1]


async def test_a_message_that_comes_twice_counts_once():
    async with receivers_up() as receivers:
        post = HttpPost()
        sender = PagerDuty("p", PagerDutyOptions("a" * 32, base_url=receivers.url), post)
        for note in (NOTE, replace(NOTE, at=20.0)):
            await sender.deliver(note, "")
        await post.close()
    assert len(receivers.arrivals) == 2
    assert len(receivers.counted("pagerduty")) == 1
