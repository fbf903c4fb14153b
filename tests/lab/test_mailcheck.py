"""Mails as the channel sends them over a real connection, checked by the RFCs; and that the check can fail."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from email import policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perftui.backends.httppost import HttpPost
from perftui.backends.smtp import Email, mail
from perftui.lab.mailcheck import mail_problems
from perftui.model.notify import Picture, What
from tests.backends.test_senders import EVERY, LINE, MAIL, NOTE
from tests.notices import receivers_up

PIXEL = Picture("png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, "CPU, 97 %")
GOOD = mail(replace(NOTE, title="übel"), MAIL, "<first@localhost>", PIXEL)


def wire(message) -> bytes:
    return message.as_bytes(policy=policy.SMTP.clone(cte_type="7bit"))


@pytest.mark.parametrize("picture", [None, PIXEL], ids=["words", "chart"])
async def test_what_arrives_is_a_mail_by_the_rfcs(picture):
    async def paint(what):
        return picture

    async with receivers_up() as there:
        sender = Email("e", replace(MAIL, port=there.smtp_port), HttpPost())
        sender.paint = paint
        ref = ""
        for what in EVERY:
            line = replace(LINE, title="größer als 95 % → " + LINE.title)
            note = replace(NOTE, what=what, key=what.value, title=line.title, lines=(line,) * 20)
            outcome = await sender.deliver(note, ref)
            assert outcome.sent, outcome.said
            ref = ref or outcome.ref
    assert [one.problems for one in there.arrivals] == [()] * len(EVERY)
    first, *later = [one.body for one in there.arrivals]
    assert {one["References"] for one in later} == {first["Message-ID"]}
    assert "größer" in first["Subject"]


@given(st.text(max_size=400), st.text(max_size=60))
@settings(max_examples=80, deadline=None)
def test_no_words_of_an_alert_make_a_mail_malformed(words, env):
    line = replace(LINE, title=words, value=words, source=words, evidence=(words,) * 3)
    for what in (What.TRIGGER, What.TEST):
        note = replace(NOTE, what=what, title=words, env=env, lines=(line,), note=words)
        assert mail_problems(wire(mail(note, MAIL, "<first@localhost>", PIXEL))) == ()


def test_a_real_chart_is_a_whole_part():
    assert mail_problems(wire(GOOD)) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"\r\nDate: ", b"\r\nWhen: ", "lacks Date"),
        (b"\r\nDate: ", b"\r\nDate: yesterday ", "Date"),
        (b"\r\nMessage-ID: <", b"\r\nMessage-ID: ", "Message-ID is malformed"),
        (b"References: <first@localhost>", b"References: first", "References is malformed"),
        (b"\r\nTo: ", b"\r\nTo: a@b.c\r\nTo: ", "To stands there twice"),
        (b"auto-generated", b"yes", "Auto-Submitted is malformed"),
        (b"\r\nDate: ", b"\r\nX: " + b"x" * 1000 + b"\r\nDate: ", "a line of 1003"),
        (b"\r\nDate: ", b"\nDate: ", "CR or LF alone"),
        (b"Subject: ", b"Subject: \xc3\xbc", "8BITMIME"),
        (b"Content-ID: <chart", b"Content-ID: <other", "no part is the picture"),
        (b"MIME-Version: 1.0", b"MIME-Version: 2.0", "MIME-Version is malformed"),
        (b"--==", b"--xx", "Defect"),
    ],
)
def test_what_a_mail_server_would_dislike_is_named(old, new, said):
    raw = wire(GOOD)
    assert old in raw
    assert any(said in one for one in mail_problems(raw.replace(old, new)))


async def test_the_receiver_refuses_a_bad_one():
    async with receivers_up() as there:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.smtp_port)
        writer.write(b"EHLO x\r\nDATA\r\nSubject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n")
        said = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert b"550 not taken" in said
    assert any("lacks Date" in one for one in there.arrivals[0].problems)
