"""Short messages through SNS: what is sent and how it is signed, judged by an emulator that checks both."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from perftui.analysis.smstext import fitted
from perftui.backends.aws.sns import Sns
from perftui.backends.httppost import HttpPost
from perftui.config.notices import SMS as CONFIGURED
from perftui.model.channels import SnsOptions
from perftui.model.finding import Severity
from perftui.model.notify import SMS, Line, Notification, Reply, What
from perftui.runtime.noticewords import way_recipients
from tests.backends.awsserver import REGION, Aws

NUMBER = "+15005550009"
LINE = Line("f" * 16, "CPU busy", "host", Severity.CRITICAL, "HostCpuHigh", "97 % > 95 %", 5.0, ())
NOTE = Notification(
    "key", "c", What.TRIGGER, "t", "t@1", 10.0, "lab", Severity.CRITICAL, "CPU & \x1b[31m“busy”", (LINE,), 1
)
NOTE = replace(NOTE, to=NUMBER)


@pytest.fixture(scope="module")
def aws():
    one = Aws()
    yield one
    one.stop()


@pytest.fixture
def options(aws):
    return SnsOptions(REGION, aws.access_key, aws.secret_key, base_url=aws.url, to=(NUMBER,))


class Recording:
    """Sends for real, and keeps what was sent."""

    def __init__(self):
        self._post = HttpPost(10.0)
        self.requests = []

    async def __call__(self, request):
        self.requests.append(request)
        return await self._post(request)

    async def close(self):
        await self._post.close()


@pytest.fixture
async def post():
    one = Recording()
    yield one
    await one.close()


async def test_a_message_is_one_signed_publish_that_is_taken(options, post):
    sender = Sns("s", replace(options, sender_id="perftui"), post)
    assert sender.recipients(()) == (NUMBER,)
    for what in What:
        outcome = await sender.deliver(replace(NOTE, what=what), "")
        assert outcome.sent, outcome
    form = {name: value[0] for name, value in parse_qs(post.requests[0].body.decode()).items()}
    assert form["PhoneNumber"] == NUMBER
    assert form["Message"] == fitted(NOTE.words)
    assert "\x1b" not in form["Message"]
    assert form["MessageAttributes.entry.1.Value.StringValue"] == "Transactional"
    assert form["MessageAttributes.entry.2.Name"] == "AWS.SNS.SMS.SenderID"
    assert options.secret_key not in repr((options, sender, post.requests))


async def test_a_wrong_key_and_a_wrong_number_are_refused_for_good(options, post):
    wrong = await Sns("s", replace(options, secret_key="x" * 40), post).deliver(NOTE, "")
    assert (wrong.sent, wrong.again) == (False, False)
    assert "SignatureDoesNotMatch" in wrong.said
    odd = await Sns("s", options, post).deliver(replace(NOTE, to="nonsense"), "")
    assert (odd.sent, odd.again) == (False, False)
    assert "E164" in odd.said


@pytest.mark.parametrize(
    ("status", "body", "again"),
    [
        (400, b"<ErrorResponse><Error><Code>Throttling</Code>", True),
        (403, b"<ErrorResponse><Error><Code>ExpiredToken</Code>", True),
        (400, b"<ErrorResponse><Error><Code>OptedOut</Code>", False),
        (503, b"", True),
        (0, b"", True),
    ],
)
async def test_what_passes_is_tried_again(status, body, again):
    async def answer(_request):
        return Reply(status, body)

    outcome = await Sns("s", SnsOptions(REGION, "a", "b"), answer).deliver(NOTE, "")
    assert (outcome.sent, outcome.again) == (False, again)


async def test_without_keys_it_says_so_and_what_is_missing(post, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    outcome = await Sns("s", SnsOptions(REGION), post).deliver(NOTE, "")
    assert outcome.said == "s: no AWS credentials: give access_key and secret_key, or a profile"
    named = await Sns("s", SnsOptions(REGION, profile="nobody"), post).deliver(NOTE, "")
    assert "profile" in named.said
    monkeypatch.setitem(__import__("sys").modules, "botocore.session", None)
    missing = await Sns("s", SnsOptions(REGION), post).deliver(NOTE, "")
    assert "pip install 'perftui[aws]'" in missing.said
    assert post.requests == []


async def test_keys_of_the_environment_sign(aws, options, post, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.secret_key)
    bare = SnsOptions(REGION, base_url=options.base_url)
    assert (await Sns("s", bare, post).deliver(NOTE, "")).sent


async def test_each_region_has_its_address():
    asked = []

    async def answer(request):
        asked.append(request.url)
        return Reply(200)

    for region in ("eu-west-1", "cn-north-1"):
        await Sns("s", SnsOptions(region, "a", "b"), answer).deliver(NOTE, "")
    assert asked == ["https://sns.eu-west-1.amazonaws.com/", "https://sns.cn-north-1.amazonaws.com.cn/"]


def test_it_reaches_persons_as_the_other_carrier_does():
    assert CONFIGURED == SMS
    options = SnsOptions(REGION, to=(NUMBER,))
    assert way_recipients("sns", lambda: options, ()) == (NUMBER,)
    assert way_recipients("sns", lambda: options, ("+4915112345678",)) == ("+4915112345678",)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"region": "x.evil.example/"}, "region"),
        ({"region": REGION, "sender_id": "a b"}, "3 to 11"),
        ({"region": REGION, "access_key": "AKIA"}, "together"),
        ({"region": REGION, "to": ("12",)}, "no number"),
    ],
)
def test_options_that_cannot_work_are_refused(given, said):
    with pytest.raises(ValueError, match=said):
        SnsOptions(**given)
