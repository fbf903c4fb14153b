"""What the vendors answer to a request, as their published descriptions have it."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from perftui.analysis.smstext import septets

Answer = tuple[int, Any]
_TWILIO = {400: 21211, 401: 20003, 429: 20429, 500: 20500}


def answered(name: str, answer: str, value: Any, wrong: Sequence[str], stamp: str, path: str) -> Answer:
    """Status and body that `answer` means: `ok`, a status, or `ok:false`, which only Slack knows.

    `name` is the request's, `stamp` a message's time in Slack's form.
    """
    if answer == "ok":
        return _TAKEN.get(name, _nothing)(value, stamp, path)
    if answer == "ok:false":
        return 200, {"ok": False, "error": "invalid_auth"}
    return _REFUSED.get(name, _plain)(int(answer), wrong)


def incidents(who: str | None) -> Answer:
    """PagerDuty's list of incidents of a key that `who` has acknowledged; empty when nobody has."""
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    ack = {"at": at, "acknowledger": {"id": "PXPGF42", "type": "user_reference", "summary": who}}
    one = {"id": "PT4KHLK", "type": "incident", "status": "acknowledged", "acknowledgements": [ack]}
    found = [{**one, "incident_key": None}] if who else []
    return 200, {"incidents": found, "limit": 1, "offset": 0, "more": False}


def oncalls(who: Mapping[str, Sequence[str]]) -> Answer:
    """PagerDuty's list of on-calls of this moment: each schedule's people, in the order they are called."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    start, end = ((now + dt.timedelta(hours=hours)).isoformat().replace("+00:00", "Z") for hours in (-1, 8))
    policy = {"id": "PT20YPA", "type": "escalation_policy_reference", "summary": "Engineering"}
    found = [
        {
            "user": {"id": f"P{zlib.crc32(name.encode()):08X}", "type": "user_reference", "summary": name},
            "schedule": {"id": schedule, "type": "schedule_reference", "summary": "Rotation"},
            "escalation_policy": policy,
            "escalation_level": level,
            "start": start,
            "end": end,
        }
        for schedule, names in who.items()
        for level, name in enumerate(names, 1)
    ]
    return 200, {"oncalls": found, "limit": 60, "offset": 0, "more": False, "total": None}


def _event(value: Any, stamp: str, path: str) -> Answer:
    return 202, {
        "status": "success",
        "message": "Event processed",
        "dedup_key": value.get("dedup_key", stamp),
    }


def _posted(value: Any, stamp: str, path: str) -> Answer:
    message = {"type": "message", "text": value.get("text", ""), "ts": stamp}
    return 200, {"ok": True, "channel": value["channel"], "ts": stamp, "message": message}


def _updated(value: Any, stamp: str, path: str) -> Answer:
    text = value.get("text", "")
    said = {"ok": True, "channel": value["channel"], "ts": value["ts"], "text": text}
    return 200, {**said, "message": {"text": text}}


def _message(value: Any, stamp: str, path: str) -> Answer:
    account = path.split("/")[3]
    body = value.get("Body", "")
    sid = "SM" + hashlib.sha256(repr(value).encode()).hexdigest()[:32]
    return 201, {
        "sid": sid,
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": body,
        "from": value.get("From"),
        "messaging_service_sid": value.get("MessagingServiceSid"),
        "to": value["To"],
        "direction": "outbound-api",
        "status": "queued",
        "error_code": None,
        "error_message": None,
        "num_media": "0",
        "num_segments": str(_segments(body)),
        "uri": f"/2010-04-01/Accounts/{account}/Messages/{sid}.json",
    }


def _segments(text: str) -> int:
    """What would be billed: a message in several parts has room for their numbers in each."""
    narrow = septets(text)
    size = len(text.encode("utf-16-le")) // 2 if narrow is None else narrow
    one, many = (70, 67) if narrow is None else (160, 153)
    return 1 if size <= one else math.ceil(size / many)


def _hooked(value: Any, stamp: str, path: str) -> Answer:
    return 200, "ok"


def _nothing(value: Any, stamp: str, path: str) -> Answer:
    return 200, {}


def _no_event(status: int, wrong: Sequence[str]) -> Answer:
    return status, {"status": "invalid event", "message": "Event object is invalid", "errors": [*wrong]}


def _no_list(status: int, wrong: Sequence[str]) -> Answer:
    return status, {"error": {"message": "Invalid Input Provided", "errors": [*wrong]}}


def _no_call(status: int, wrong: Sequence[str]) -> Answer:
    """Slack refuses with status 200."""
    if status == 429:
        return status, {"ok": False, "error": "ratelimited"}
    if status >= 500:
        return status, {"ok": False, "error": "internal_error"}
    logged_in = not any(one.startswith("headers") for one in wrong)
    return 200, {"ok": False, "error": "invalid_blocks" if logged_in else "not_authed"}


def _no_hook(status: int, wrong: Sequence[str]) -> Answer:
    return status, {400: "invalid_payload", 429: "rate_limited"}.get(status, "rollup_error")


def _no_message(status: int, wrong: Sequence[str]) -> Answer:
    code = _TWILIO.get(status, 20500)
    said = f"https://www.twilio.com/docs/errors/{code}"
    return status, {"code": code, "message": "; ".join(wrong) or "no", "more_info": said, "status": status}


def _plain(status: int, wrong: Sequence[str]) -> Answer:
    return status, {"errors": [*wrong]}


_TAKEN: Mapping[str, Callable[[Any, str, str], Answer]] = {
    "pagerduty": _event,
    "slack-post": _posted,
    "slack-update": _updated,
    "slack-webhook": _hooked,
    "sms": _message,
}
_REFUSED: Mapping[str, Callable[[int, Sequence[str]], Answer]] = {
    "pagerduty": _no_event,
    "incidents": _no_list,
    "oncalls": _no_list,
    "slack-post": _no_call,
    "slack-update": _no_call,
    "slack-webhook": _no_hook,
    "sms": _no_message,
}
