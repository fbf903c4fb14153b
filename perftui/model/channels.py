"""What each kind of channel can be told; by itself, so that checking a configuration imports no sender."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_TWILIO = "https://api.twilio.com"
_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}\Z")
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}\Z")
_NUMBER = re.compile(r"\+[1-9]\d{6,14}\Z")
_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-\d{1,2}\Z")
_ADDRESS = re.compile(r"[^@\s<>\"',;:]+@[^@\s<>\"',;:]+\Z")


def _option(help_: str, default: Any = "", *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"help": help_, "secret": secret})


@dataclass(frozen=True, slots=True)
class PagerDutyOptions:
    """A service's Events API v2 integration."""

    routing_key: str = _option("integration key of the service", secret=True)
    base_url: str = _option("where events go", "https://events.pagerduty.com")
    client_url: str = _option("link shown with the incident")
    api_token: str = _option(
        "REST API token (reading is enough): acknowledgements made in PagerDuty count here", secret=True
    )
    api_url: str = _option("where the REST API is", "https://api.pagerduty.com")


@dataclass(frozen=True, slots=True)
class SlackOptions:
    """A bot token with a channel (messages are edited as things change), or an incoming webhook."""

    token: str = _option("bot token with chat:write", secret=True)
    channel: str = _option("channel id or name the bot posts to")
    webhook: str = _option("incoming webhook instead of a token: can only post", secret=True)
    base_url: str = _option("where the Web API is", "https://slack.com/api")

    def __post_init__(self) -> None:
        if bool(self.token) == bool(self.webhook):
            raise ValueError("takes one of `token` and `webhook`")
        if self.token and not self.channel:
            raise ValueError("a `token` needs the `channel` to post to")


@dataclass(frozen=True, slots=True)
class EmailOptions:
    """A mail server that takes our messages."""

    host: str = _option("mail server", "127.0.0.1")
    port: int = _option("its port", 587)
    tls: str = _option("`starttls`, `tls` from the first byte, or `none` (loopback only)", "starttls")
    username: str = _option("login; empty: none")
    password: str = _option("password of the login", secret=True)
    ca_file: str = _option("CA certificate of the server; empty: the system's")
    sender: str = _option("address mails come from", "perftui@localhost")
    to: tuple[str, ...] = _option("addresses mails go to", ())

    def __post_init__(self) -> None:
        if self.tls not in ("starttls", "tls", "none"):
            raise ValueError('`tls` is "starttls", "tls" or "none"')
        if self.tls == "none" and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("mail goes unencrypted to this machine only: set `tls`")
        if not self.to:
            raise ValueError("needs `to`: addresses mails go to")
        for address in (self.sender, *self.to):
            if not _ADDRESS.match(address) or not address.isprintable():
                raise ValueError(f"{address[:60]!r} is no mail address")


@dataclass(frozen=True, slots=True)
class SmsOptions:
    """Short messages by Twilio's Messages API, or one that speaks it."""

    account: str = _option("account SID")
    token: str = _option("auth token", secret=True)
    sender: str = _option("number messages come from, as +E.164, or a messaging service's SID (MG…)")
    to: tuple[str, ...] = _option("numbers messages go to where no person is named, as +E.164", ())
    base_url: str = _option("where the API is", _TWILIO)
    hourly: int = _option("most messages an hour to one number; the rest are summed up in one", 6)

    def __post_init__(self) -> None:
        if not self.account.isalnum():
            raise ValueError("`account` is an account SID: letters and digits")
        if self.base_url.rstrip("/") == _TWILIO and not _ACCOUNT.match(self.account):
            raise ValueError("`account` of Twilio is AC and 32 hexadecimal digits")
        numbers = (*self.to, *(() if _SERVICE.match(self.sender) else (self.sender,)))
        for number in numbers:
            if not _NUMBER.match(number):
                raise ValueError(f"{number[:30]!r} is no number like +4915112345678")


@dataclass(frozen=True, slots=True)
class SnsOptions:
    """Short messages by Amazon SNS, signed with a key of AWS; without one, the usual places are looked at."""

    region: str = _option("AWS region that sends, like eu-west-1")
    access_key: str = _option("access key id; empty: environment, profile or the machine's role")
    secret_key: str = _option("secret access key", secret=True)
    session_token: str = _option("session token of temporary keys", secret=True)
    profile: str = _option("profile of ~/.aws, where no key is given")
    sender_id: str = _option("sender shown where the country allows one: 3 to 11 letters and digits")
    sender: str = _option("number messages come from, as +E.164; empty: one of the account's pool")
    to: tuple[str, ...] = _option("numbers messages go to where no person is named, as +E.164", ())
    base_url: str = _option("where the API is; empty: the region's own")
    hourly: int = _option("most messages an hour to one number; the rest are summed up in one", 6)

    def __post_init__(self) -> None:
        if not _REGION.match(self.region):
            raise ValueError("`region` is a region of AWS, like eu-west-1")
        if self.sender_id and not (self.sender_id.isalnum() and 3 <= len(self.sender_id) <= 11):
            raise ValueError("`sender_id` is 3 to 11 letters and digits")
        if bool(self.access_key) != bool(self.secret_key):
            raise ValueError("takes `access_key` and `secret_key` together")
        for number in (*self.to, *((self.sender,) if self.sender else ())):
            if not _NUMBER.match(number):
                raise ValueError(f"{number[:30]!r} is no number like +4915112345678")


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Any program that takes Alertmanager's webhook (version 4)."""

    url: str = _option("where messages are posted")
    key: str = _option("key of the HMAC-SHA256 of the body in X-Perftui-Signature; empty: none", secret=True)
    token: str = _option("bearer token; empty: none", secret=True)

    def __post_init__(self) -> None:
        if not self.url:
            raise ValueError("needs `url`")


@dataclass(frozen=True, slots=True)
class AlertmanagerOptions:
    """An Alertmanager that routes on from here; the alerts and silences it holds are shown, never changed."""

    base_url: str = _option("where it is", "http://127.0.0.1:9093")
    token: str = _option("bearer token; empty: none", secret=True)


@dataclass(frozen=True, slots=True)
class AppriseOptions:
    """Services that the library apprise knows, each by a URL that it documents (extra `[notify]`)."""

    urls: str = _option("URLs such as ntfy://topic or tgram://token/chat, with spaces between", secret=True)

    def __post_init__(self) -> None:
        if not self.urls:
            raise ValueError("needs `urls`")


@dataclass(frozen=True, slots=True)
class HeartbeatOptions:
    """A dead man's switch: somebody who is told that we watch, and raises the alarm when that ends."""

    url: str = _option("where each beat is posted")
    every: float = _option("seconds between two beats", 60.0)
    token: str = _option("bearer token; empty: none", secret=True)

    def __post_init__(self) -> None:
        if not self.url:
            raise ValueError("needs `url`")
        if self.every < 5:
            raise ValueError("`every` is 5 seconds at least")


def number_is_fine(text: str) -> bool:
    """Whether `text` is a telephone number as +E.164."""
    return _NUMBER.match(text) is not None
