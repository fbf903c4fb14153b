"""Short messages through Twilio's REST API, or a service that speaks it."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote, urlencode

from perftui.analysis.smstext import fitted
from perftui.model.channels import SmsOptions
from perftui.model.notify import Notification, Outcome, Post, Request, judged


class Sms:
    """One segment a message: what does not fit is cut, never split and billed twice."""

    kind: ClassVar[str] = "sms"
    Options: ClassVar[type] = SmsOptions
    pace: float = 1.0
    folds: bool = True

    def __init__(self, name: str, options: SmsOptions, post: Post) -> None:
        self.name = name
        self.hourly = options.hourly
        self._options = options
        self._post = post

    def recipients(self, to: tuple[str, ...]) -> tuple[str, ...]:
        """The person's number, else those of the channel."""
        return to or self._options.to

    async def deliver(self, what: Notification, ref: str) -> Outcome:
        """One form post; 201 is yes. The key lets a relay drop what a crash made us send again."""
        sender = "MessagingServiceSid" if self._options.sender.startswith("MG") else "From"
        form = {"To": what.to, sender: self._options.sender, "Body": fitted(what.words)}
        account = quote(self._options.account, safe="")
        url = f"{self._options.base_url.rstrip('/')}/2010-04-01/Accounts/{account}/Messages.json"
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": what.key[:200]}
        login = (self._options.account, self._options.token)
        return judged(await self._post(Request(url, urlencode(form).encode(), headers, *login)), 201, 200)
