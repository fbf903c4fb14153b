"""A dead man's switch: a beat while somebody watches; who waits for it raises the alarm without it."""

from __future__ import annotations

import json
from typing import ClassVar

from perftui.model.channels import HeartbeatOptions
from perftui.model.notify import Notification, Outcome, Post, Request, judged


class Heartbeat:
    """Every 2xx is yes; a beat that is late is worth nothing, so none is kept."""

    kind: ClassVar[str] = "heartbeat"
    Options: ClassVar[type] = HeartbeatOptions
    hourly: int = 0
    folds: bool = False

    def __init__(self, name: str, options: HeartbeatOptions, post: Post) -> None:
        self.name = name
        self.pace = options.every
        self._options = options
        self._post = post

    def recipients(self, to: tuple[str, ...]) -> tuple[str, ...]:
        """Whoever waits there."""
        return ("",)

    async def deliver(self, what: Notification, ref: str) -> Outcome:
        """One beat."""
        headers = {"Content-Type": "application/json"}
        if self._options.token:
            headers["Authorization"] = f"Bearer {self._options.token}"
        body = json.dumps({"alert": "Watchdog", "environment": what.env, "at": what.at}).encode()
        return judged(await self._post(Request(self._options.url, body, headers)), *range(200, 300))
