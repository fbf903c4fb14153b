"""Alerts made by hand, and what tells people of them, over a real store and real receivers on this machine."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

from perftui.backends import CHANNELS
from perftui.backends.httppost import HttpPost
from perftui.lab.receivers import Receivers
from perftui.model import channels as options
from perftui.model.alerts import Ack, Alert, AlertsReport, AlertState, fingerprint
from perftui.model.finding import Severity
from perftui.model.notify import Route, Telling, Way
from perftui.runtime.courier import Pacing
from perftui.runtime.leases import Leases
from perftui.runtime.notify import Notifier
from perftui.runtime.outbox import Outbox
from perftui.runtime.tasks import Crew

ACCOUNT = "AC" + "0" * 32
QUICK = Pacing(first=0.01, longest=0.05, look=0.05, idle=0.05, acks=0.05)


def alert(rule="hot", source="web", severity=Severity.CRITICAL, now=0.0, **more):
    labels = (("rule", rule), ("source", source), *more.pop("labels", ()))
    made = Alert(
        fingerprint(labels),
        rule,
        f"{rule} of {source}",
        severity,
        labels,
        0.97,
        AlertState.FIRING,
        now,
        now,
        ">",
        0.95,
        "ratio",
        now,
    )
    return replace(made, **more)


def acked(one, who="anna", at=0.0):
    return replace(one, ack=Ack(who, at))


def over(one, at=0.0):
    return replace(one, state=AlertState.RESOLVED, resolved_at=at)


def report(now, *alerts):
    return AlertsReport(now, tuple(alerts), evaluated=now)


def ways(receivers: Receivers, **more):
    """One channel of each kind, at the receivers."""
    found = {
        "pagerduty": options.PagerDutyOptions(routing_key="a" * 32, base_url=receivers.url),
        "slack": options.SlackOptions(token="xoxb-1", channel="C0123", base_url=f"{receivers.url}/api"),
        "email": options.EmailOptions(port=receivers.smtp_port, tls="none", to=("ops@example.org",)),
        "sms": options.SmsOptions(
            account=ACCOUNT,
            token="t",
            sender="+15005550006",
            to=("+15005550009",),
            base_url=receivers.url,
        ),
        "webhook": options.WebhookOptions(url=f"{receivers.url}/hook", key="k"),
        **more,
    }
    return {name: Way(name, CHANNELS[name], lambda made=made: made) for name, made in found.items()}


def everyone(**times):
    """A route that tells all four."""
    return Route("all", (), ("pagerduty", "slack", "email", "sms"), group_wait=0.0, **times)


@asynccontextmanager
async def receivers_up(**script):
    receivers = Receivers(script=script)
    await receivers.start()
    try:
        yield receivers
    finally:
        await receivers.stop()


@asynccontextmanager
async def notifier_up(store, telling: Telling, clock, *, wait=5.0, pacing=QUICK, holder="", enter=None):
    """A notifier at work; `wait` is a request's deadline."""
    post = HttpPost(wait)
    given = {"pacing": pacing, "enter": enter}
    notifier = Notifier(telling, post, Outbox(store), Leases(store, holder), clock, **given)
    async with Crew("test") as crew:
        crew.start("notifier", notifier.run())
        try:
            yield notifier
        finally:
            await crew.stop(5)
            await post.close()
