"""An Alertmanager of the user's: alerts are pushed to it, which routes on from there; what it has is read."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
from typing import Any, ClassVar

from perftui.draw.clean import inert
from perftui.model.channels import AlertmanagerOptions
from perftui.model.elsewhere import Held, HeldAlert, HeldSilence
from perftui.model.notify import Notification, Outcome, Posting, Request, What, judged

HOLDS = 4 * 3600.0 + 600.0  # seconds an alert stands there without being sent again: past our own repeat
FROM = "perftui_env"  # an annotation that what comes from here has
MOST = 8 << 20  # bytes of an answer: some ten thousand alerts
SHOWN = 500  # newest alerts, and silences that end first
LABELS = 40
_NAME = re.compile(r"[^a-zA-Z0-9_]")


class Alertmanager(Posting[AlertmanagerOptions]):
    """`POST /api/v2/alerts`; its own label sets make a repetition count once."""

    kind: ClassVar[str] = "alertmanager"
    Options: ClassVar[type] = AlertmanagerOptions

    async def deliver(self, what: Notification, ref: str) -> Outcome:
        """One push; an acknowledgement has no place there and counts as said."""
        if what.what is What.ACKNOWLEDGE:
            return Outcome(True, "an Alertmanager knows no acknowledgement")
        headers = {"Content-Type": "application/json", **self._login}
        url = f"{self._options.base_url.rstrip('/')}/api/v2/alerts"
        return judged(await self._post(Request(url, json.dumps(_alerts(what)).encode(), headers)), 200)

    async def held(self, now: float) -> Held:
        """Its alerts but those that came from here, and its silences that are not over."""
        try:
            alerts, silences = await self._get("alerts"), await self._get("silences")
            return await asyncio.to_thread(_held, self.name, now, alerts, silences)
        except _Unread as error:
            return Held(self.name, now, said=str(error))

    async def _get(self, what: str) -> bytes:
        url = f"{self._options.base_url.rstrip('/')}/api/v2/{what}"
        headers = {"Accept": "application/json", **self._login}
        reply = await self._post(Request(url, b"", headers, method="GET", most=MOST))
        if reply.status != 200:
            raise _Unread(judged(reply, 200).said)
        if len(reply.body) >= MOST:
            raise _Unread(f"more than {MOST >> 20} MiB of {what}")
        return reply.body

    @property
    def _login(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._options.token}"} if self._options.token else {}


class _Unread(Exception):
    """Why what it holds is not known."""


def _held(channel: str, now: float, alerts: bytes, silences: bytes) -> Held:
    try:
        every = [_alert(channel, one) for one in json.loads(alerts) if not _ours(one)]
        quiet = [_silence(channel, one) for one in json.loads(silences) if _lasts(one)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise _Unread("an answer that cannot be read") from None
    every.sort(key=lambda one: -one.since)
    quiet.sort(key=lambda one: one.until)
    return Held(channel, now, tuple(every[:SHOWN]), tuple(quiet[:SHOWN]), len(every))


def _ours(one: Any) -> bool:
    return FROM in one["annotations"]


def _lasts(one: Any) -> bool:
    return str(one["status"]["state"]) != "expired"


def _alert(channel: str, one: Any) -> HeldAlert:
    labels, notes, status = one["labels"], one["annotations"], one["status"]
    silenced, inhibited = status["silencedBy"], status["inhibitedBy"]
    rule = str(labels.get("alertname", ""))
    title = notes.get("summary") or notes.get("description") or notes.get("message") or rule
    return HeldAlert(
        channel,
        inert(str(one["fingerprint"]), 64),
        inert(rule, 120),
        inert(str(title), 300),
        inert(str(labels.get("severity", "")), 20),
        tuple((inert(str(k), 100), inert(str(v), 300)) for k, v in sorted(labels.items())[:LABELS]),
        _epoch(one["startsAt"]),
        "silenced" if silenced else "inhibited" if inhibited else "firing",
        tuple(inert(str(by), 64) for by in (*silenced, *inhibited)[:LABELS]),
        tuple(inert(str(to["name"]), 80) for to in one["receivers"][:LABELS]),
    )


def _silence(channel: str, one: Any) -> HeldSilence:
    return HeldSilence(
        channel,
        inert(str(one["id"]), 64),
        tuple(_matcher(each) for each in one["matchers"][:LABELS]),
        _epoch(one["startsAt"]),
        _epoch(one["endsAt"]),
        inert(str(one["createdBy"]), 80),
        inert(str(one["comment"]), 300),
    )


def _matcher(one: Any) -> str:
    """As Alertmanager writes it; its first versions of this API knew no `isEqual`."""
    op = ("=" if one.get("isEqual", True) else "!") + ("~" if one["isRegex"] else "")
    op = "!=" if op == "!" else op
    return inert(f'{one["name"]}{op}"{one["value"]}"', 300)


def _epoch(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def _alerts(what: Notification) -> list[dict[str, Any]]:
    found = []
    for line in what.lines:
        over = line.over or what.what is What.RESOLVE
        labels = {_NAME.sub("_", k): inert(v, 1000) for k, v in line.labels if v}
        labels |= {"alertname": line.rule, "severity": line.severity.name.lower(), "environment": what.env}
        found.append(
            {
                "labels": labels,
                "annotations": {
                    "summary": inert(line.title, 1000),
                    "value": inert(line.value, 200),
                    FROM: what.env,
                },
                "startsAt": _time(line.since or what.at),
                "endsAt": _time(what.at if over else what.at + HOLDS),
            }
        )
    return found


def _time(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat()
