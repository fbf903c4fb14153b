"""Short messages through Amazon SNS, the second carrier beside Twilio's API.

One `Publish` to a number a message: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html, signed
by botocore (SigV4) and sent by the one client all senders use.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar
from urllib.parse import urlencode

from perftui.analysis.smstext import fitted
from perftui.backends.aws import credentials, domain
from perftui.model.channels import SnsOptions
from perftui.model.errors import BackendError
from perftui.model.notify import Notification, Outcome, Post, Request, judged

VERSION = "2010-03-31"
AGAIN = (b"Throttl", b"ExpiredToken", b"RequestExpired")  # refusals with status 400 or 403 that pass


class Sns:
    """One segment a message, sent as transactional: such go out first."""

    kind: ClassVar[str] = "sns"
    Options: ClassVar[type] = SnsOptions
    libraries: ClassVar[tuple[str, ...]] = ("botocore.auth", "botocore.session")
    pace: float = 1.0
    folds: bool = True

    def __init__(self, name: str, options: SnsOptions, post: Post) -> None:
        self.name = name
        self.hourly = options.hourly
        self._options = options
        self._post = post
        self._keys: Any = None

    def recipients(self, to: tuple[str, ...]) -> tuple[str, ...]:
        """The person's number, else those of the channel."""
        return to or self._options.to

    async def deliver(self, what: Notification, ref: str) -> Outcome:
        """One signed form post; 200 is yes. SNS knows no key that would drop a message sent twice."""
        try:
            request = await asyncio.to_thread(self._signed, urlencode(self._form(what)))
        except BackendError as error:
            return Outcome(False, str(error))
        reply = await self._post(request)
        if reply.status in (400, 403) and any(b"<Code>" + code in reply.body for code in AGAIN):
            return Outcome(False, f"HTTP {reply.status}: asked to come again", again=True, after=reply.after)
        return judged(reply, 200)

    def _form(self, what: Notification) -> dict[str, str]:
        o = self._options
        told = {
            "AWS.SNS.SMS.SMSType": "Transactional",
            "AWS.SNS.SMS.SenderID": o.sender_id,
            "AWS.MM.SMS.OriginationNumber": o.sender,
        }
        form = {
            "Action": "Publish",
            "Version": VERSION,
            "PhoneNumber": what.to,
            "Message": fitted(what.words),
        }
        for number, (name, value) in enumerate(((n, v) for n, v in told.items() if v), 1):
            entry = f"MessageAttributes.entry.{number}"
            form[f"{entry}.Name"] = name
            form[f"{entry}.Value.DataType"] = "String"
            form[f"{entry}.Value.StringValue"] = value
        return form

    def _signed(self, body: str) -> Request:
        """The request with its signature; temporary keys may be renewed here, which takes the network."""
        if self._keys is None:
            self._keys = credentials(self.name, self._options)
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        o = self._options
        url = o.base_url.rstrip("/") or f"https://sns.{o.region}.{domain(o.region)}"
        content = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        request: Any = AWSRequest("POST", f"{url}/", data=body.encode(), headers=content)
        SigV4Auth(self._keys.get_frozen_credentials(), "sns", o.region).add_auth(request)
        return Request(f"{url}/", body.encode(), dict(request.headers.items()))
