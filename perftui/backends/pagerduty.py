"""PagerDuty by its Events API v2: trigger, acknowledge and resolve of one incident a thread."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, ClassVar

from perftui.draw.clean import inert
from perftui.model.channels import PagerDutyOptions
from perftui.model.notify import Notification, Outcome, Post, Request, What, judged

SUMMARY = 1024
KEY = 255
_ACTIONS = {What.ACKNOWLEDGE: "acknowledge", What.RESOLVE: "resolve"}


class PagerDuty:
    """Its own `dedup_key` makes a message that arrives twice count once."""

    kind: ClassVar[str] = "pagerduty"
    Options: ClassVar[type] = PagerDutyOptions
    pace: float = 0.0
    hourly: int = 0
    folds: bool = False

    def __init__(self, name: str, options: PagerDutyOptions, post: Post) -> None:
        self.name = name
        self._options = options
        self._post = post

    def recipients(self, to: tuple[str, ...]) -> tuple[str, ...]:
        """PagerDuty knows who is on call."""
        return ("",)

    async def deliver(self, what: Notification, ref: str) -> Outcome:
        """One event; 202 is yes."""
        body = json.dumps(self._event(what)).encode()
        url = f"{self._options.base_url.rstrip('/')}/v2/enqueue"
        return judged(await self._post(Request(url, body, {"Content-Type": "application/json"})), 202)

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


def _details(what: Notification) -> dict[str, Any]:
    lines = [f"{line.title} {line.value}".strip() for line in what.lines]
    first = what.lines[0] if what.lines else None
    found: dict[str, Any] = {"alerts": [inert(text, 300) for text in lines], "count": what.total}
    if first is not None:
        found["labels"] = {inert(k, 100): inert(v, 300) for k, v in first.labels[:40]}
        found["evidence"] = [inert(text, 500) for text in first.evidence[:10]]
    if what.note:
        found["note"] = inert(what.note, 500)
    return found
