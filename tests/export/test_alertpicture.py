"""The chart in a mail: a session's own history, through a real mail receiver."""

from __future__ import annotations

import asyncio
import struct
from email import message_from_bytes, policy

import pytest

from perftui.backends.smtp import Email, mail
from perftui.config import load
from perftui.export import alertpicture
from perftui.model import channels as options
from perftui.model.finding import Severity
from perftui.model.notify import Illustrated, Line, Notification, Picture, What
from perftui.session import Session
from tests.notices import receivers_up
from tests.waiting import until

MAIL = options.EmailOptions(tls="none", to=("ops@example.org",))
RULES = """
[env.here]
[env.here.backends.host]
kind = "host"
[alerts.rules.always]
title = "CPU there"
series = "host/cpu.busy_ratio"
above = -1.0
"""


def note(fingerprint, what=What.TRIGGER):
    line = Line(fingerprint, "always", "CPU <there>", Severity.WARNING, "host")
    given = ("email", what, "t", "t@1", 1_700_000_000.0, "lab", Severity.WARNING, "CPU there", (line,))
    return Notification("k", *given, total=1)


@pytest.fixture
async def session(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "config.toml"
    path.write_text(RULES)
    path.chmod(0o600)
    config = load(path)
    made = Session.open(config, config.environment, remember=True)
    await made.start()
    yield made
    await made.close()


async def firing(session):
    """The alert, once history has samples of its series."""
    found = await until(
        lambda: next((a for a in getattr(session.frame("alerts").report, "alerts", ()) if a.fired_at), None),
        30,
    )
    assert found is not None
    return found


async def test_a_mail_holds_the_chart_of_its_alert(session):
    alertpicture.illustrate(session)
    alert = await firing(session)
    picture = await session.alerts.paint(note(alert.fingerprint))
    assert picture is not None
    assert picture.kind in ("png", "svg+xml")
    sent = message_from_bytes(
        mail(note(alert.fingerprint), MAIL, "", picture).as_bytes(), policy=policy.default
    )
    page, image = [
        part for part in sent.walk() if part.get_content_type() in ("text/html", f"image/{picture.kind}")
    ]
    cid = image["Content-ID"].strip("<>")
    assert f"src='cid:{cid}'" in page.get_content()
    assert "alt='chart of host/cpu.busy_ratio'" in page.get_content()
    assert image.get_content_disposition() == "inline"
    assert image.get_content() == picture.data
    assert "firing" in sent.get_body(("plain",)).get_content()
    if picture.kind == "png":
        assert struct.unpack(">II", picture.data[16:24]) == (720, 240)
    assert await session.alerts.paint(note("unknown")) is None


@pytest.mark.parametrize("what", [What.TEST, What.DIGEST])
async def test_a_test_has_none_and_a_slow_one_holds_nothing_up(monkeypatch, what):
    asked = []

    async def slow(note):
        asked.append(note)
        await asyncio.Event().wait()
        return Picture("png", b"x", "x")

    monkeypatch.setattr("perftui.backends.smtp.DRAWING", 0.05)
    async with receivers_up() as receivers:
        there = options.EmailOptions(port=receivers.smtp_port, tls="none", to=("ops@example.org",))
        sender = Email("mail", there, None)
        assert isinstance(sender, Illustrated)
        sender.paint = slow
        assert (await sender.deliver(note("x", what), "")).sent
        assert not asked
        assert (await sender.deliver(note("x"), "")).sent
        assert len(asked) == 1
