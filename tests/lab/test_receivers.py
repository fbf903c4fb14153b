"""The lab's receivers: channels that lead there, what arrives listed, bad bodies refused as the vendor would."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from perftui.backends.httppost import HttpPost
from perftui.backends.pagerduty import PagerDuty
from perftui.lab import Lab, LabOptions
from perftui.lab.receiverpart import ReceiverPart
from perftui.lab.receivers import SERVICES
from perftui.model.channels import PagerDutyOptions
from perftui.model.notify import Request
from tests.backends.test_senders import NOTE
from tests.notices import receivers_up


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
        ("/v2/enqueue", {"routing_key": "a", "event_action": "resolve", "dedup_key": "x"}, 202),
        ("/api/chat.postMessage", {"channel": "C0123"}, 200),
        ("/hook", {"version": "3"}, 400),
    ],
)
async def test_what_the_vendor_would_not_have_is_not_had(path, body, status):
    async with receivers_up() as receivers:
        post = HttpPost()
        reply = await post(Request(receivers.url + path, json.dumps(body).encode()))
        await post.close()
        (arrival,) = receivers.arrivals
    assert reply.status == status
    assert bool(arrival.problems) is (status != 202)
    if path.startswith("/api"):
        assert json.loads(reply.body)["ok"] is False


async def test_a_message_that_comes_twice_counts_once():
    async with receivers_up() as receivers:
        post = HttpPost()
        sender = PagerDuty("p", PagerDutyOptions("a" * 32, base_url=receivers.url), post)
        for note in (NOTE, replace(NOTE, at=20.0)):
            await sender.deliver(note, "")
        await post.close()
    assert len(receivers.arrivals) == 2
    assert len(receivers.counted("pagerduty")) == 1
