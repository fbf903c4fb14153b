"""Where the lab's alerts go: receivers that check what arrives, and the channels that lead there."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any

from perftui.lab.receivers import SERVICES, Arrival, Receivers

if TYPE_CHECKING:
    from perftui.lab.whole import Lab

NEWEST = 50


class ReceiverPart:
    """PagerDuty, Slack, SMS, a webhook and a mail server, all on this machine."""

    name = "receivers"
    needs: tuple[str, ...] = ()

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.receivers = Receivers()
        self._running = False

    async def up(self) -> None:
        """Listen; on the same ports as before."""
        if not self._running:
            await self.receivers.start()
            self._running = True

    async def down(self) -> None:
        """Stop listening; what arrived is still told by `status`."""
        await self.receivers.stop()
        self._running = False

    def status(self) -> dict[str, Any]:
        """JSON-able: how many arrived of each, what was wrong with any, and the newest."""
        arrived = Counter(one.service for one in self.receivers.arrivals)
        wrong = [_row(one) for one in self.receivers.arrivals if one.problems]
        newest = list(self.receivers.arrivals)[-NEWEST:]
        return {
            "running": self._running,
            "port": self.receivers.http_port,
            "smtp_port": self.receivers.smtp_port,
            "arrived": {name: arrived.get(name, 0) for name in SERVICES},
            "wrong": wrong[-NEWEST:],
            "newest": [_row(one) for one in newest],
        }

    def endpoints(self) -> dict[str, Any]:
        """JSON-able addresses; a GET of the HTTP one lists what arrived."""
        return {"url": self.receivers.url, "smtp_port": self.receivers.smtp_port} if self._running else {}

    def backends(self) -> dict[str, dict[str, Any]]:
        """None: people are told, nothing is read."""
        return {}

    def tables(self) -> dict[str, dict[str, Any]]:
        """The console's channels."""
        if not self._running:
            return {}
        url = self.receivers.url
        secret = f"file:{self._lab.folder.secret('receivers', secrets.token_hex(16))}"
        return {
            "channels.pagerduty": {"routing_key": secret, "base_url": url},
            "channels.slack": {"token": secret, "channel": "C0LAB", "base_url": f"{url}/api"},
            "channels.email": {"port": self.receivers.smtp_port, "tls": "none", "to": ["lab@localhost.lab"]},
            "channels.sms": {
                "account": "AC" + "0" * 32,
                "token": secret,
                "sender": "+15005550006",
                "to": ["+15005550009"],
                "base_url": url,
            },
            "channels.deadman": {"kind": "heartbeat", "url": f"{url}/beat", "every": 15.0},
            "channels.webhook": {"url": f"{url}/hook", "key": secret},
        }


def _row(one: Arrival) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Arrival.__dataclass_fields__}
