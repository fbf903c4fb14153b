"""Any program by a POST in the shape of Alertmanager's webhook, version 4, signed where a key is set."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from typing import Any, ClassVar

from perftui.draw.clean import inert
from perftui.model.channels import WebhookOptions
from perftui.model.notify import Notification, Outcome, Posting, Request, What, judged

NEVER = "0001-01-01T00:00:00Z"  # what Alertmanager says for an end that is not known


class Webhook(Posting[WebhookOptions]):
    """Every 2xx is yes."""

    kind: ClassVar[str] = "webhook"
    Options: ClassVar[type] = WebhookOptions

    async def deliver(self, what: Notification, ref: str) -> Outcome:
        """One POST."""
        body = json.dumps(payload(what, self.name)).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": what.key[:200]}
        if self._options.key:
            digest = hmac.new(self._options.key.encode(), body, hashlib.sha256).hexdigest()
            headers["X-Perftui-Signature"] = f"sha256={digest}"
        if self._options.token:
            headers["Authorization"] = f"Bearer {self._options.token}"
        return judged(await self._post(Request(self._options.url, body, headers)), *range(200, 300))


def payload(what: Notification, receiver: str) -> dict[str, Any]:
    """The message as Alertmanager's version 4, what is ours under keys it ignores."""
    alerts = [_alert(what, n) for n in range(len(what.lines))]
    over = what.what is What.RESOLVE
    common = dict.fromkeys(("alertname", "severity"))
    labels = {key: alerts[0]["labels"][key] for key in common if alerts and key in alerts[0]["labels"]}
    return {
        "version": "4",
        "groupKey": what.incident,
        "truncatedAlerts": max(0, what.total - len(alerts)),
        "status": "resolved" if over else "firing",
        "receiver": receiver,
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": {"summary": inert(what.words, 1000)},
        "externalURL": "",
        "alerts": alerts,
        "perftui": {"what": what.what.value, "who": inert(what.who, 100), "note": inert(what.note, 500)},
    }


def _alert(what: Notification, n: int) -> dict[str, Any]:
    line = what.lines[n]
    over = line.over or what.what is What.RESOLVE
    labels = {k: inert(v, 1000) for k, v in line.labels}
    return {
        "status": "resolved" if over else "firing",
        "labels": {**labels, "alertname": line.rule, "severity": line.severity.name.lower()},
        "annotations": {"summary": inert(line.title, 1000), "value": inert(line.value, 200)},
        "startsAt": _time(line.since or what.at),
        "endsAt": _time(what.at) if over else NEVER,
        "generatorURL": "",
        "fingerprint": line.fingerprint,
    }


def _time(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat().replace("+00:00", "Z")
