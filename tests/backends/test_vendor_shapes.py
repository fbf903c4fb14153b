"""Every request of every sender, whole: method, path, headers and body, against what the vendors publish."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest

from perftui.analysis.smstext import septets
from perftui.backends.alertmanager import Alertmanager
from perftui.backends.pagerduty import PagerDuty
from perftui.backends.slack import Slack
from perftui.backends.sms import Sms
from perftui.backends.webhook import Webhook
from perftui.lab.shapecheck import _read, fields, operation, problems, shape
from perftui.model import channels as options
from perftui.model.finding import Severity
from perftui.model.notify import Request, What
from tests.backends.test_senders import EVERY, NOTE, PD, SLACK, SMS, Post

HOOK = options.SlackOptions(webhook="https://hooks.slack.com/services/T000/B000/XXXX")
GROUP = replace(SMS, sender="MG" + "a" * 32)
BARE = replace(NOTE, lines=(), total=0, who="", note="", title="x")
READ = ("incidents", "oncalls")
NAMES = ("pagerduty", *READ, "slack-post", "slack-update", "slack-webhook", "sms", "webhook")


def name_of(request: Request) -> str:
    path = urlsplit(request.url).path
    return next(
        name for name in (*NAMES[:-1], "alertmanager", "webhook") if operation(name).path.search(path)
    )


def wrong(request: Request, body=None) -> tuple[str, ...]:
    """What the vendor would not have of it; `body` in place of its own."""
    name, place = name_of(request), urlsplit(request.url)
    headers = {k.lower(): v for k, v in request.headers.items()}
    if request.user:
        headers["authorization"] = "Basic QUM6c2VjcmV0"
    found = value_of(request) if body is None else body
    assert len(request.body) <= operation(name).most
    return operation(name).wrong(request.method, place.path, headers, found)


def value_of(request: Request):
    if name_of(request) in READ:
        return fields(name_of(request), urlsplit(request.url).query)
    return dict(parse_qsl(request.body.decode())) if request.user else json.loads(request.body)


async def requests(note, ref="C1/1.2") -> list[Request]:
    """What every channel makes of one notification."""
    post = Post()
    made = (
        PagerDuty("p", PD, post),
        Slack("s", SLACK, post),
        Slack("h", HOOK, post),
        Sms("m", SMS, post),
        Sms("g", GROUP, post),
        Webhook("w", options.WebhookOptions("https://ops.example.org/hook"), post),
        Alertmanager("a", options.AlertmanagerOptions(), post),
    )
    for sender in made:
        await sender.deliver(note, ref)
    reader = PagerDuty("p", replace(PD, api_token="y_NbAkKc66ryYTWUXYEu"), post)
    await reader.acknowledged((note.thread,))
    await reader.on_duty(("PI7DH85", "PA1B2C3"))
    return post.requests


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("note", [NOTE, BARE], ids=["hostile", "bare"])
@pytest.mark.parametrize("what", EVERY)
async def test_what_is_sent_is_what_the_vendor_publishes(what, note, severity):
    seen = set()
    for ref in ("", "C1/1700000000.000001"):
        for request in await requests(replace(note, what=what, severity=severity), ref):
            assert wrong(request) == (), request.url
            jsonschema.validate(value_of(request), shape(name_of(request)))
            seen.add(name_of(request))
    there = set(NAMES) | ({"alertmanager"} if what is not What.ACKNOWLEDGE else set())
    assert seen == there - ({"slack-update"} if what in (What.DIGEST, What.TEST) else set())


async def test_a_body_that_leaves_its_shape_is_noticed():
    """Each name that is needed taken away, an unknown one added, another type: all are problems."""
    for what in (What.TRIGGER, What.RESOLVE):
        for request in await requests(replace(NOTE, what=what)):
            value = value_of(request)
            if isinstance(value, list):
                assert wrong(request, [{**value[0], "more": 1}]), request.url
                continue
            assert wrong(request, {**value, "more": 1}), request.url
            for name in operation(name_of(request)).body.get("required", ()):
                assert wrong(request, {k: v for k, v in value.items() if k != name}), (request.url, name)
                assert wrong(request, {**value, name: {"a": 1}}), (request.url, name)
            assert wrong(replace(request, headers={}, user=""), value), request.url
            assert wrong(replace(request, method="PATCH")), request.url


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("pagerduty", {"payload": {"summary": "x" * 1025}}, "payload.summary has 1025 characters"),
        ("pagerduty", {"payload": {"severity": "fatal"}}, "payload.severity is none of"),
        ("pagerduty", {"payload": {"timestamp": "2026-13-01T00:00:00Z"}}, "payload.timestamp does not look"),
        ("pagerduty", {"dedup_key": "x" * 256}, "dedup_key has 256 characters"),
        ("pagerduty", {"images": [{"src": "http://x"}]}, "images[0].src"),
        ("pagerduty", {"event_action": "resolve"}, "lacks dedup_key"),
        ("pagerduty", {"event_action": "trigger"}, "lacks payload"),
        ("slack-post", {"blocks": [{"type": "divider"}] * 51}, "has 51 items"),
        (
            "slack-post",
            {"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]},
            "blocks[0]",
        ),
        ("slack-post", {"channel": "C1"}, "lacks text"),
        ("slack-update", {"thread_ts": "1700000000.000001"}, "thread_ts, which is unknown"),
        ("slack-webhook", {"channel": "C1", "text": "x"}, "channel, which is unknown"),
        ("sms", {"To": "5550009"}, "To does not look"),
        ("sms", {"To": "+15005550009", "From": "+15005550006"}, "lacks Body"),
        ("sms", {"To": "+15005550009", "Body": "x"}, "lacks From"),
        ("sms", {"Body": "x" * 1601}, "Body has 1601 characters"),
        ("webhook", {"groupLabels": {"a": 1}}, "groupLabels.a is no string"),
        ("alertmanager", [{"labels": {}, "status": "firing"}], "status, which is unknown"),
        ("alertmanager", [{"labels": {}, "startsAt": "yesterday"}], "startsAt does not look"),
    ],
)
def test_limits_and_names_of_the_vendors(name, body, said):
    assert any(said in one for one in problems(body, shape(name)))
    assert not jsonschema.Draft202012Validator(shape(name)).is_valid(body)


async def test_no_message_is_billed_twice():
    for what in EVERY:
        post = Post(201)
        await Sms("s", SMS, post).deliver(replace(NOTE, what=what, title="Ж" * 300), "")
        body = value_of(post.requests[0])["Body"]
        assert (septets(body) or 0) <= 160
        assert septets(body) is not None or len(body.encode("utf-16-le")) <= 140


def test_an_account_of_twilio_is_one():
    with pytest.raises(ValueError, match="AC and 32"):
        options.SmsOptions("AC1", "t", "+15005550006")
    with pytest.raises(ValueError, match="no number"):
        replace(SMS, sender="MGnot-a-service")
    assert options.SmsOptions("AC1", "t", "+15005550006", base_url="https://sms.example.org").account == "AC1"


def test_every_shape_says_what_it_was_compared_with():
    for name in ("alertmanager", "slack-blocks", "slack-headers", "slack-refusal", "slack-text", *NAMES):
        assert re.search(r"\w+/[\w-]+ [\w/.-]+ at [0-9a-f]{8}\b", _read(name)["$comment"]), name
