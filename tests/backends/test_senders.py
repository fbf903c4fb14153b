"""Each sender's requests against the vendors' shapes and limits, with hostile words in the alerts."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from dataclasses import replace
from email import message_from_bytes, policy

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.backends import CHANNEL_OPTIONS, CHANNELS
from perftui.backends.alertmanager import Alertmanager
from perftui.backends.httppost import HttpPost
from perftui.backends.pagerduty import PagerDuty
from perftui.backends.slack import Slack
from perftui.backends.sms import Sms
from perftui.backends.smtp import Email, mail
from perftui.backends.webhook import Webhook
from perftui.lab.shapecheck import problems, shape
from perftui.model import channels as options
from perftui.model.finding import Severity
from perftui.model.notify import Line, Notification, Reply, Request, What
from perftui.runtime.loading import load
from tests.notices import receivers_up

HOSTILE = 'x\r\nBcc: evil@example.org\x1b[31m <!channel> & "\u202e' + "y" * 5000
LINE = Line("f" * 16, HOSTILE, HOSTILE, Severity.CRITICAL, HOSTILE, "97 % > 95 %", 5.0, (("a", HOSTILE),))
LINE = replace(LINE, evidence=(HOSTILE,) * 10)
NOTE = Notification(
    "key",
    "c",
    What.TRIGGER,
    "thread",
    "thread@1",
    10.0,
    "lab",
    Severity.CRITICAL,
    HOSTILE,
    (LINE,) * 20,
    5000,
)
NOTE = replace(NOTE, to="+15005550009", who=HOSTILE, note=HOSTILE)
EVERY = list(What)


class Post:
    """Takes down what would be sent."""

    def __init__(self, status=200, body=b'{"ok": true, "channel": "C1", "ts": "1.2"}'):
        self.requests: list[Request] = []
        self.reply = Reply(status, body)

    async def __call__(self, request):
        self.requests.append(request)
        return self.reply

    @property
    def bodies(self):
        return [json.loads(request.body) for request in self.requests]


PD = options.PagerDutyOptions("a" * 32, client_url="https://perftui.example.org")
SLACK = options.SlackOptions("xoxb-1", "C0123")
MAIL = options.EmailOptions(to=("ops@example.org",), tls="none", port=1)
SMS = options.SmsOptions("AC" + "0" * 32, "secret", "+15005550006", ("+15005550009",))


async def test_each_way_says_which_of_a_group_is_over():
    ended = replace(LINE, title="pid 7 is at rest", over=True)
    note = replace(NOTE, lines=(replace(LINE, title="pid 8 is busy"), ended), total=2, title="busy", note="")
    post = Post(202)
    await PagerDuty("p", PD, post).deliver(note, "")
    assert post.bodies[0]["payload"]["custom_details"]["alerts"] == [
        "pid 8 is busy 97 % > 95 %",
        "pid 7 is at rest (over)",
    ]
    said = Post()
    await Slack("s", SLACK, said).deliver(note, "")
    rows = said.bodies[0]["blocks"][1]["text"]["text"].splitlines()
    assert [row[:18] for row in rows] == ["• pid 8 is busy 97", "✓ pid 7 is at rest"]
    text = mail(note, MAIL, "").get_body(("plain",)).get_content().splitlines()
    assert [row.split()[0] for row in text if "pid" in row] == ["firing", "over"]


@pytest.mark.parametrize("what", EVERY)
async def test_pagerduty_keeps_to_the_schema(what):
    post = Post(202)
    assert (await PagerDuty("p", PD, post).deliver(replace(NOTE, what=what), "")).sent
    (body,) = post.bodies
    jsonschema.validate(body, shape("pagerduty"))
    wanted = {What.ACKNOWLEDGE: "acknowledge", What.RESOLVE: "resolve"}.get(what, "trigger")
    assert (body["event_action"], body["dedup_key"]) == (wanted, "thread")
    assert "\x1b" not in json.dumps(body, ensure_ascii=False)


@pytest.mark.parametrize("what", EVERY)
async def test_slack_keeps_to_its_limits_and_marks(what):
    post = Post()
    outcome = await Slack("s", SLACK, post).deliver(replace(NOTE, what=what), "C1/1.2")
    assert outcome.sent
    for body in post.bodies:
        text = json.dumps(body, ensure_ascii=False)
        assert "<!channel>" not in text
        assert "\u202e" not in text
    methods = [request.url.rpartition("/")[2] for request in post.requests]
    if what in (What.REPEAT, What.ESCALATE):
        assert methods == ["chat.update", "chat.postMessage"]
        assert post.bodies[1]["thread_ts"] == "1.2"
    else:
        assert methods == ["chat.postMessage" if what in (What.DIGEST, What.TEST) else "chat.update"]


class Forgetful(Post):
    """A Slack that knows no message to edit, for the reason given."""

    def __init__(self, error):
        super().__init__(200, b'{"ok": true, "channel": "C1", "ts": "9.9"}')
        self.error = error

    async def __call__(self, request):
        reply = await super().__call__(request)
        if request.url.endswith("chat.update"):
            return Reply(200, json.dumps({"ok": False, "error": self.error}).encode())
        return reply


@pytest.mark.parametrize("error", ["message_not_found", "cant_update_message", "edit_window_closed"])
@pytest.mark.parametrize("what", [What.REPEAT, What.ESCALATE, What.ACKNOWLEDGE, What.RESOLVE])
async def test_a_message_that_is_gone_from_slack_is_posted_anew(what, error):
    post = Forgetful(error)
    outcome = await Slack("s", SLACK, post).deliver(replace(NOTE, what=what), "C1/1.2")
    assert (outcome.sent, outcome.ref, outcome.anew) == (True, "C1/9.9", True)
    assert [request.url.rpartition("/")[2] for request in post.requests] == [
        "chat.update",
        "chat.postMessage",
    ]
    posted = post.bodies[1]
    jsonschema.validate(posted, shape("slack-post"))
    assert posted["channel"] == "C1"
    assert "thread_ts" not in posted


async def test_another_refusal_of_an_edit_posts_nothing():
    post = Forgetful("channel_not_found")
    outcome = await Slack("s", SLACK, post).deliver(replace(NOTE, what=What.REPEAT), "C1/1.2")
    assert (outcome.sent, outcome.said, len(post.requests)) == (False, "channel_not_found", 1)


@pytest.mark.parametrize(
    ("status", "body", "sent", "again"),
    [
        (200, b'{"ok": true, "channel": "C", "ts": "1.1"}', True, False),
        (200, b'{"ok": false, "error": "invalid_auth"}', False, False),
        (200, b'{"ok": false, "error": "ratelimited"}', False, True),
        (200, b"<html>", False, True),
        (200, b"[]", False, True),
        (429, b"", False, True),
        (500, b"", False, True),
        (404, b"", False, False),
    ],
)
async def test_slack_says_no_with_status_200(status, body, sent, again):
    outcome = await Slack("s", SLACK, Post(status, body)).deliver(NOTE, "")
    assert (outcome.sent, outcome.again) == (sent, again)


async def test_an_incoming_webhook_of_slack_can_only_post():
    post = Post(200, b"ok")
    hook = options.SlackOptions(webhook="https://hooks.example.org/services/1")
    assert (await Slack("s", hook, post).deliver(NOTE, "C1/1.2")).sent
    assert post.requests[0].url == hook.webhook


async def test_a_short_message_fits_and_logs_in():
    async with receivers_up() as receivers:
        post = HttpPost()
        sender = Sms("s", replace(SMS, base_url=receivers.url), post)
        for what in EVERY:
            assert (await sender.deliver(replace(NOTE, what=what, key=what.value), "")).sent
        await post.close()
    assert len(receivers.counted("sms")) == len(EVERY)
    for arrival in receivers.arrivals:
        assert arrival.problems == ()
        assert arrival.body["To"] == NOTE.to


@pytest.mark.parametrize("what", EVERY)
def test_a_mail_has_one_line_a_header_and_a_thread(what):
    text = mail(replace(NOTE, what=what), MAIL, "<first@localhost>").as_bytes(policy=policy.SMTP)
    parsed = message_from_bytes(text, policy=policy.default)
    assert parsed["Bcc"] is None
    assert parsed["To"] == "ops@example.org"
    assert parsed["References"] == parsed["In-Reply-To"] == "<first@localhost>"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert "\x1b" not in parsed.get_body(("plain",)).get_content()
    assert "<!channel>" not in parsed.get_body(("html",)).get_content()


@given(st.text(max_size=300))
def test_no_words_of_an_alert_make_a_header(words):
    line = replace(LINE, title=words)
    text = mail(replace(NOTE, title=words, lines=(line,)), MAIL, "").as_bytes(policy=policy.SMTP)
    parsed = message_from_bytes(text, policy=policy.default)
    known = {"Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"}
    assert set(parsed.keys()) == known | {"MIME-Version", "Content-Type"}


@pytest.mark.parametrize("what", EVERY)
async def test_a_webhook_is_version_4_and_signed(what):
    post = Post(204, b"")
    hook = options.WebhookOptions("http://127.0.0.1:1/x", key="k", token="t")
    assert (await Webhook("w", hook, post).deliver(replace(NOTE, what=what), "")).sent
    (request,) = post.requests
    jsonschema.validate(json.loads(request.body), shape("webhook"))
    digest = hmac.new(b"k", request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Perftui-Signature"] == f"sha256={digest}"


async def test_an_alertmanager_hears_all_but_acknowledgements():
    post = Post(200, b"")
    sender = Alertmanager("a", options.AlertmanagerOptions(), post)
    assert (await sender.deliver(replace(NOTE, what=What.ACKNOWLEDGE), "")).sent
    assert post.requests == []
    await sender.deliver(replace(NOTE, what=What.RESOLVE), "")
    assert all(one["labels"]["alertname"] for one in post.bodies[0])


@pytest.mark.parametrize(
    ("answer", "again"), [("429", True), ("500", True), ("400", False), ("timeout", True)]
)
async def test_what_went_wrong_is_an_outcome_and_never_an_exception(answer, again, monkeypatch):
    wait = 0.3 if answer == "timeout" else 10.0
    monkeypatch.setattr("perftui.backends.smtp.WAIT", wait)
    async with receivers_up(**{name: [answer] for name in ("pagerduty", "webhook", "sms", "email")}) as there:
        there.retry_after = 7
        post = HttpPost(wait)
        senders = (
            PagerDuty("p", replace(PD, base_url=there.url), post),
            Webhook("w", options.WebhookOptions(f"{there.url}/hook"), post),
            Sms("s", replace(SMS, base_url=there.url), post),
            Email("e", replace(MAIL, port=there.smtp_port), post),
        )
        for outcome in await asyncio.gather(*(sender.deliver(NOTE, "") for sender in senders)):
            assert (outcome.sent, outcome.again) == (False, again)
            assert outcome.said
            assert outcome.after == (7 if answer == "429" and "HTTP" in outcome.said else 0)
        await post.close()


async def test_nobody_there_is_tried_again():
    post = HttpPost(0.5)
    outcome = await PagerDuty("p", replace(PD, base_url="http://127.0.0.1:1"), post).deliver(NOTE, "")
    assert (outcome.sent, outcome.again) == (False, True)
    outcome = await Email("e", MAIL, post).deliver(NOTE, "")
    assert (outcome.sent, outcome.again) == (False, True)
    outcome = await PagerDuty("p", replace(PD, base_url="no url"), post).deliver(NOTE, "")
    assert not outcome.sent
    await post.close()


@pytest.mark.parametrize("kind", CHANNELS)
def test_every_channel_explains_its_options_and_shows_no_secret(kind):
    made = {"pagerduty": PD, "slack": SLACK, "sms": SMS}.get(kind)
    cls = load(CHANNEL_OPTIONS[kind])
    assert load(CHANNELS[kind]).Options is cls
    for name, spec in cls.__dataclass_fields__.items():
        assert spec.metadata["help"], f"{kind}.{name}"
        assert not (spec.metadata["secret"] and spec.repr), f"{kind}.{name}"
    assert "secret" not in repr(made)
    assert "xoxb" not in repr(made)


@pytest.mark.parametrize(
    ("kind", "given_", "said"),
    [
        (options.SlackOptions, {}, "one of"),
        (options.SlackOptions, {"token": "x"}, "channel"),
        (options.EmailOptions, {"to": ("a@b.c\nBcc: d@e.f",)}, "no mail address"),
        (options.EmailOptions, {"to": ("a@b.c",), "tls": "none", "host": "mail.example.org"}, "unencrypted"),
        (options.EmailOptions, {}, "needs `to`"),
        (options.SmsOptions, {"account": SMS.account, "sender": "12"}, "no number"),
        (options.SmsOptions, {"account": "../x", "sender": "+4915112345678"}, "letters and digits"),
        (options.WebhookOptions, {}, "url"),
    ],
)
def test_options_that_cannot_work_are_refused(kind, given_, said):
    with pytest.raises(ValueError, match=said):
        kind(**given_)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["payload", "routing_key", "event_action", "dedup_key", "summary", "labels", "text"]
                ),
                inner,
            )
        ),
        max_leaves=12,
    )
)
def test_the_small_checker_agrees_with_jsonschema(value):
    for name in ("pagerduty", "slack-post", "sms", "webhook", "alertmanager"):
        valid = jsonschema.Draft202012Validator(shape(name)).is_valid(value)
        assert (not problems(value, shape(name))) is valid


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("slack-post", {"channel": "C1", "text": "x", "as_admin": True}, "has as_admin, which is unknown"),
        ("alertmanager", [{"labels": {"alertname": 5}}], "body[0].labels.alertname is no string"),
        ("alertmanager", [{"annotations": {}}], "body[0] lacks labels"),
        ("alertmanager", {"labels": {}}, "body is no array"),
    ],
)
def test_what_a_vendor_would_not_take_is_named(name, body, said):
    assert any(said in one for one in problems(body, shape(name)))
