"""Pushing alerts to an Alertmanager of the user's, which routes on from there."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any, ClassVar

from perftui.draw.clean import inert
from perftui.model.channels import AlertmanagerOptions
from perftui.model.notify import Notification, Outcome, Posting, Request, What, judged

HOLDS = 4 * 3600.0 + 600.0  # seconds an alert stands there without being sent again: past our own repeat
_NAME = re.compile(r"[^a-zA-Z0-9_]")


class Alertmanager(Posting[AlertmanagerOptions]):
    """`POST /api/v2/alerts`; its own label sets make a repetition count once."""

    kind: ClassVar[str] = "alertmanager"
    Options: ClassVar[type] = AlertmanagerOptions

    async def deliver(self, what: Notification, ref: str) -> Outcome:
        """One push; an acknowledgement has no place there and counts as said."""
        if what.what is What.ACKNOWLEDGE:
            return Outcome(True, "an Alertmanager knows no acknowledgement")
        headers = {"Content-Type": "application/json"}
        if self._options.token:
            headers["Authorization"] = f"Bearer {self._options.token}"
        url = f"{self._options.base_url.rstrip('/')}/api/v2/alerts"
        return judged(await self._post(Request(url, json.dumps(_alerts(what)).encode(), headers)), 200)


def _alerts(what: Notification) -> list[dict[str, Any]]:
    found = []
    for line in what.lines:
        over = line.over or what.what is What.RESOLVE
        labels = {_NAME.sub("_", k): inert(v, 1000) for k, v in line.labels if v}
        labels |= {"alertname": line.rule, "severity": line.severity.name.lower(), "environment": what.env}
        found.append(
            {
                "labels": labels,
                "annotations": {"summary": inert(line.title, 1000), "value": inert(line.value, 200)},
                "startsAt": _time(line.since or what.at),
                "endsAt": _time(what.at if over else what.at + HOLDS),
            }
        )
    return found


def _time(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat()
