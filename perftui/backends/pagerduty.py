"""PagerDuty by its Events API v2, one incident a thread; who acknowledged there, by its REST API."""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from perftui.draw.clean import inert
from perftui.model.channels import PagerDutyOptions
from perftui.model.notify import Notification, Outcome, Posting, Request, Taken, What, judged
from perftui.model.oncall import Duty, Roll

log = logging.getLogger(__name__)

VERSION = "application/vnd.pagerduty+json;version=2"
MOST = 20  # incidents asked about at a time: far below the API's 960 requests a minute
DUTIES = 60  # on-call entries of an answer: as many as its bytes have room for, some 0.9 kB each
SUMMARY = 1024
KEY = 255
_ACTIONS = {What.ACKNOWLEDGE: "acknowledge", What.RESOLVE: "resolve"}


class PagerDuty(Posting[PagerDutyOptions]):
    """Its own `dedup_key` makes a message that arrives twice count once."""

    kind: ClassVar[str] = "pagerduty"
    Options: ClassVar[type] = PagerDutyOptions

    async def deliver(self, what: Notification, ref: str) -> Outcome:
        """One event; 202 is yes."""
        body = json.dumps(self._event(what)).encode()
        url = f"{self._options.base_url.rstrip('/')}/v2/enqueue"
        return judged(await self._post(Request(url, body, {"Content-Type": "application/json"})), 202)

    async def acknowledged(self, threads: Sequence[str]) -> Mapping[str, Taken]:
        """Who acknowledged which, by the REST API's list of incidents; nothing without an API token.

        Asked one by one: an incident that has alerts below it does not tell its key.
        """
        found: dict[str, Taken] = {}
        for thread in threads[:MOST] if self._options.api_token else ():
            asked = (("incident_key", thread[:KEY]), ("statuses[]", "acknowledged"), ("limit", "1"))
            url = f"{self._options.api_url.rstrip('/')}/incidents?{urlencode(asked)}"
            reply = await self._post(Request(url, b"", self._reading(), method="GET"))
            if reply.status in (401, 403, 429):  # none of the others will fare better now
                log.warning("%s does not tell who acknowledged: HTTP %s", self.name, reply.status)
                break
            taken = _taken(reply.body) if reply.status == 200 else None
            if taken is not None:
                found[thread] = taken
        return found

    async def on_duty(self, schedules: Sequence[str]) -> Roll:
        """Who is on call now by each schedule, by the REST API's list of on-calls of this moment."""
        asked = [("schedule_ids[]", one) for one in schedules] + [("limit", str(DUTIES))]
        url = f"{self._options.api_url.rstrip('/')}/oncalls?{urlencode(asked)}"
        reply = await self._post(Request(url, b"", self._reading(), method="GET"))
        if reply.status != 200:
            return Roll(said=judged(reply, 200).said)
        try:
            return Roll(tuple(_duty(one) for one in json.loads(reply.body)["oncalls"] if one["schedule"]))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return Roll(said="an answer that cannot be read")

    def _reading(self) -> dict[str, str]:
        return {
            "Accept": VERSION,
            "Authorization": f"Token token={self._options.api_token}",
            "Content-Type": "application/json",  # the API wants it of a GET too
        }

    def _event(self, what: Notification) -> dict[str, Any]:
        action = _ACTIONS.get(what.what, "trigger")
        event: dict[str, Any] = {
            "routing_key": self._options.routing_key,
            "event_action": action,
            "dedup_key": what.thread[:KEY],
        }
        if action != "trigger":
            return event
        first = what.lines[0] if what.lines else None
        event["payload"] = {
            "summary": inert(what.words, SUMMARY),
            "severity": what.severity.name.lower(),
            "source": inert((first.source if first else "") or what.env, 255),
            "timestamp": dt.datetime.fromtimestamp(what.since or what.at, dt.UTC).isoformat(),
            "component": inert(first.source if first else "perftui", 255),
            "group": inert(what.env, 255),
            "class": inert(first.rule if first else what.what.value, 255),
            "custom_details": _details(what),
        }
        event["client"] = "perftui"
        if self._options.client_url:
            event["client_url"] = self._options.client_url
            event["links"] = [{"href": self._options.client_url, "text": "perftui"}]
        return event


def _taken(body: bytes) -> Taken | None:
    """The first acknowledgement of the first incident, in words and time that are safe to show."""
    try:
        incident = json.loads(body)["incidents"][0]
        if incident["status"] != "acknowledged":
            return None
        first = incident["acknowledgements"][0]
        at = dt.datetime.fromisoformat(str(first["at"]))
        who = inert(str(first["acknowledger"]["summary"]), 80)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return Taken(who or "somebody", at.timestamp() if at.tzinfo else at.replace(tzinfo=dt.UTC).timestamp())


def _duty(one: Mapping[str, Any]) -> Duty:
    """One entry; without an end somebody is on call for good."""
    end = one.get("end")
    until = dt.datetime.fromisoformat(str(end)).timestamp() if end else math.inf
    user, level = one["user"], int(one.get("escalation_level") or 1)
    who = inert(str(user.get("summary") or user["id"]), 80)
    return Duty(str(one["schedule"]["id"])[:32], who, inert(str(user["id"]), 32), until, level)


def _details(what: Notification) -> dict[str, Any]:
    lines = [f"{line.title} {'(over)' if line.over else line.value}".strip() for line in what.lines]
    first = what.lines[0] if what.lines else None
    found: dict[str, Any] = {"alerts": [inert(text, 300) for text in lines], "count": what.total}
    if first is not None:
        found["labels"] = {inert(k, 100): inert(v, 300) for k, v in first.labels[:40]}
        found["evidence"] = [inert(text, 500) for text in first.evidence[:10]]
    if what.note:
        found["note"] = inert(what.note, 500)
    return found
