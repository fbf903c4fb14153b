"""Which alert tells each incident of the lab, unattended: after how long, on what evidence, and its end.

    python -m benchmarks.mon_incidents [--quiet 600] [--only hot-key,slow-query] [--within 60] [--calm 300]
        [--keep FOLDER]

Starts a lab of its own with receivers of notices, runs the session an agent runs, begins with a quiet stretch
from the cold start on, in which nothing may fire, then causes every incident in turn (`--only none`: no
incident). Every alert goes to all channels; a column says how often the incident was opened at each (SMS
go out six times an hour at most, then as one summary). Prints a Markdown table of what fired while it was
quiet, with the machine's load average, then one row an incident; exits 1 when one was missed, told late or
not once, or did not end, when a receiver found a body wrong, or when something fired in the quiet stretch.

Alerts about a host are about the whole machine: on one where others work too, `unshare --pid --fork
--mount-proc` in front keeps their processes, though not their load, out of sight.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from perftui import engines
from perftui.config import load
from perftui.lab import Lab, LabOptions
from perftui.lab.incidents import CATALOGUE
from perftui.lab.parts import DEFAULT
from perftui.lab.receiverpart import ReceiverPart
from perftui.lab.receivers import Arrival, Receivers
from perftui.model.alerts import Alert, AlertState
from perftui.session import Session

WARM = 200.0  # seconds of ordinary traffic before the first incident: what is usual must be known
ASIDE = {"optimization", "profiler"}
NAMES: Mapping[str, tuple[str, ...]] = {
    "cache-flush": ("cache.keys-vanished",),
    "hot-key": ("cache.hot-key",),
    "stampede": ("db.slow-statement", "cache.stampede"),
    "slow-query": ("db.missing-index",),
    "n-plus-one": ("db.n-plus-one",),
    "lock-pile-up": ("db.lock-storm",),
    "connection-leak": ("db.connections-leaking",),
    "replica-stall": ("db.replica-paused",),
    "cpu-hog": ("process.core-bound",),
    "memory-leak": ("process.memory-grew", "process.memory-growing"),
    "blocking-call": ("api.slow",),
    "error-burst": ("api.error-rate-high", "HttpErrorRatioHigh"),
    "worker-crash": ("scaling.crashing",),
    "traffic-spike": ("api.traffic-surge",),
}
"""The alerts that name an incident's layer and cause; whatever else fires is told beside them."""


def cause(alert: Alert) -> str:
    """An alert's rule without what says that a finding is behind it."""
    return alert.rule.removeprefix("finding:").partition(":")[0]


@dataclass
class Watch:
    """Alerts as they fire and resolve, by when they were first seen to."""

    session: Session
    fired: dict[str, tuple[float, Alert]] = field(default_factory=dict)

    def firing(self) -> dict[str, Alert]:
        """Those that fire now, by fingerprint."""
        report = self.session.frame("alerts").report
        alerts = getattr(report, "alerts", ())
        return {a.fingerprint: a for a in alerts if a.state is AlertState.FIRING}

    async def until_calm(self, most: float, names: tuple[str, ...]) -> tuple[float, list[str]]:
        """Seconds until none of `names` fires, and which still do after `most`."""
        began = time.monotonic()
        while True:
            left = {mark: a for mark, a in self.firing().items() if cause(a) in names}
            if not left or time.monotonic() - began >= most:
                return time.monotonic() - began, sorted(cause(a) for a in left.values())
            await asyncio.sleep(1)

    async def collect(self, seconds: float, wanted: tuple[str, ...] = ()) -> dict[str, tuple[float, Alert]]:
        """What begins to fire, with its second; ends early, soon after one of `wanted` fired."""
        began, found = time.monotonic(), dict[str, tuple[float, Alert]]()
        before = set(self.firing())
        end = began + seconds
        while time.monotonic() < end:
            for mark, alert in self.firing().items():
                if mark not in before and mark not in found:
                    found[mark] = time.monotonic() - began, alert
                    if cause(alert) in wanted:
                        end = min(end, time.monotonic() + 10)
            await asyncio.sleep(0.25)
        return found


ROUTE = """
[routes.drill]
channels = ["pagerduty", "slack", "email", "webhook", "sms"]
group_wait = 0.0
group_interval = 5.0
"""
OVER = re.compile(r"^(✓|over |<tr><td>over<)|\(over\)")
ONCE = ("pagerduty", "slack", "email", "webhook")


def opened(receivers: Receivers, alert: Alert, since: float) -> dict[str, int]:
    """How many incidents with an alert began at each service, first answers of trouble not counted.

    A message that says what joined an incident repeats what it began with: at the pager it has the same
    `dedup_key`, in mail it is a reply, at the webhook it has the same `groupKey`, in Slack it changes the
    message that stands. SMS are counted one by one. Figures of its title may be newer ones than when it
    was first seen.
    """
    title = re.compile(re.sub(r"\d[\d.,]*", r"\\d[\\d.,]*", re.escape(alert.title[:30]).replace(r"\.", ".")))
    told: dict[str, set[str]] = {service: set() for service in (*ONCE, "sms")}
    changed: set[str] = set()
    for one in receivers.arrivals:
        over = one.what == "resolve" or "] resolved: " in json.dumps(one.body, ensure_ascii=False)
        if one.at >= since and one.taken and not over and fires(one.body, title):
            (changed if one.what == "chat.update" else told.setdefault(one.service, set())).add(incident(one))
    told["slack"] = told["slack"] or changed
    return {service: len(incidents) for service, incidents in told.items()}


def fires(body: object, title: re.Pattern[str]) -> bool:
    """Whether a message says of an alert that it fires, not that it is over, which others in it may be."""
    if isinstance(body, dict):
        return body.get("status") != "resolved" and any(fires(value, title) for value in body.values())
    if isinstance(body, list):
        return any(fires(value, title) for value in body)
    lines = str(body).replace("<tr>", "\n<tr>").splitlines()
    return any(title.search(line) and not OVER.search(line) for line in lines)


def incident(one: Arrival) -> str:
    """By what its service knows the incident a message is about; its own key where it knows none."""
    body = one.body if isinstance(one.body, dict) else {}
    if one.service == "email":
        return str(body.get("References") or body.get("Message-ID"))
    return str(body.get("dedup_key") or body.get("groupKey") or body.get("ts") or f"{one.at} {one.key}")


def row(*cells: str) -> None:
    """One row of the table."""
    print("| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |", flush=True)


async def drill(args: argparse.Namespace, lab: Lab, session: Session) -> bool:
    """Quiet, then every incident; whether all was as it should be."""
    watch = Watch(session)
    good = await quiet(watch, args.quiet)
    names = args.only.split(",") if args.only else list(CATALOGUE)
    if names != ["none"]:
        await asyncio.sleep(max(0.0, WARM - args.quiet))
        row("incident", "what fired", "after", "evidence", "told", "also fired", "ended after")
        row(*["---"] * 7)
        for name in names:
            good &= await one(args, lab, watch, name)
    wrong = [one for one in lab.part(ReceiverPart).receivers.arrivals if one.problems]
    print(f"\nBodies that break the vendors' shapes: {len(wrong)}.")
    return good and not wrong


async def quiet(watch: Watch, seconds: float) -> bool:
    """A stretch in which nobody causes anything; whether nothing fired. Of 0 s: none."""
    if not seconds:
        return True
    print(f"{seconds:g} s of quiet", file=sys.stderr)
    loads: list[float] = []

    async def note_load() -> None:
        while True:
            loads.append(os.getloadavg()[0])
            await asyncio.sleep(10)

    noting = asyncio.create_task(note_load())
    false = await watch.collect(seconds)
    noting.cancel()
    load = f"load average {min(loads):.1f}-{max(loads):.1f} on {os.cpu_count()} processors"
    print(f"Quiet for {seconds:g} s from a cold start, {load}: {len(false) or 'nothing'} fired.\n")
    if false:
        row("fired while quiet", "after", "evidence")
        row(*["---"] * 3)
    for at, alert in false.values():
        row(cause(alert), f"{at:.0f} s", "; ".join(alert.evidence[:2]) or f"{alert.value:.3g}")
    print(flush=True)
    return not false


async def one(args: argparse.Namespace, lab: Lab, watch: Watch, name: str) -> bool:
    """One incident from its start to calm."""
    await watch.until_calm(args.calm, NAMES[name])
    began = time.time()
    await lab.incidents.start(name)
    try:
        found = await watch.collect(args.within, NAMES[name])
    finally:
        await lab.incidents.stop(name)
    named = sorted(((at, a) for at, a in found.values() if cause(a) in NAMES[name]), key=lambda it: it[0])
    others = sorted({cause(a) for _, a in found.values()} - set(NAMES[name]))
    ended, left = await watch.until_calm(args.calm, NAMES[name])
    at, alert = named[0] if named else (0.0, None)
    told = opened(lab.part(ReceiverPart).receivers, alert, began) if alert else {}
    row(
        name,
        cause(alert) if alert else "**nothing that names it**",
        f"{at:.0f} s" if alert else "–",
        "; ".join(alert.evidence[:2]) if alert else "",
        ", ".join(f"{service} {count}" for service, count in told.items()),
        ", ".join(others),
        f"{ended:.0f} s" if not left else f"still firing: {', '.join(left)}",
    )
    return alert is not None and not left and all(told[service] == 1 for service in ONCE)


async def main(args: argparse.Namespace) -> int:
    """A lab, a session on it, and the drill."""
    async with Lab(LabOptions(parts=(*DEFAULT, "receivers"))) as lab:
        path = lab.config_path()
        path.write_text(path.read_text() + ROUTE)
        config = load(path, "lab", {})
        session = Session.open(config, config.environment, remember=True)
        with ExitStack() as holds:
            for topic in engines.BUILTIN.keys() - ASIDE:
                holds.enter_context(session.topic(topic).hold(glance=True))
            await session.start()
            try:
                return 0 if await drill(args, lab, session) else 1
            finally:
                await session.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quiet", type=float, default=60.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--within", type=float, default=60.0)
    parser.add_argument("--calm", type=float, default=300.0)
    parser.add_argument("--keep", default="", help="leave the state folder here, store and all")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PERFTUI_STATE_DIR"] = args.keep or folder
        raise SystemExit(asyncio.run(main(args)))
