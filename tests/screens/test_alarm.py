"""An alert that opens is said on every screen, once, and rings as it was asked to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perftui.app import Options, PerftuiApp
from perftui.config import load
from perftui.model.alerts import Ack, Alert, AlertsReport, AlertState
from perftui.model.finding import Severity
from perftui.model.frame import Frame
from perftui.session import Session
from tests.agents import written
from tests.console import Console, state_dir
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")
OLD = Alert("f0", "old", "was there", Severity.WARNING, (), 1.0, AlertState.FIRING, 1.0, 1.0)
NEW = replace(OLD, fingerprint="f1", rule="slow", title="too slow\x1b[2J", severity=Severity.CRITICAL)


@pytest.mark.parametrize(
    ("ring", "sent"),
    [("none", ""), ("bell", "\x07"), ("desktop", "\x1b]9;perftui critical: too slow")],
)
async def test_a_new_one_is_said_once_wherever_one_is(tmp_path: Any, ring: str, sent: str) -> None:
    path = written(tmp_path / "c.toml", '[env.here]\nkind = "test"\n[env.here.backends.host]\n')
    config = load(path, "here", {})
    app = PerftuiApp(
        lambda env: Session.open(config, config.environment),
        Options(screen="cache.tiers", ring=ring),
        environment={"TERM": "xterm-256color"},
    )
    said: list[str] = []
    async with app.run_test(size=(120, 40)) as pilot:
        seen, topic = Console(app, pilot), app.session.topic("alerts")
        await until(lambda: app.started and topic.demand >= 1, 20)
        app.write_control = said.append  # type: ignore[method-assign]

        async def publish(*alerts: Alert) -> None:
            topic.publish(Frame("alerts", 1.0, AlertsReport(1.0, alerts), {}))
            await pilot.pause()

        await publish(OLD)
        await publish(OLD)
        assert not app.toasts.items  # it stood there before
        await publish(OLD, NEW)
        await seen.sees(r"critical: too slow\S* · g a\s+goes there")
        rung = [text for text in said if not text.startswith("\x1b]2;")]
        assert rung == [] if not sent else rung[0].startswith(sent)
        assert all("\x1b[2J" not in text for text in rung)
        await publish(OLD, replace(NEW, ack=Ack("ann", 1.0)))
        await publish(OLD, NEW)  # the acknowledgement ended: no news
        assert len([text for text in said if not text.startswith("\x1b]2;")]) == (1 if sent else 0)
        await seen.press("g", "a")
        await until(lambda: app.base.tab_name == "overview.alerts")
