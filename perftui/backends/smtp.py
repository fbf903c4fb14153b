"""Mail: text and HTML, one thread an incident, marked as written by a program."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import html
import logging
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, ClassVar

from perftui.draw.clean import inert
from perftui.model.channels import EmailOptions
from perftui.model.errors import PerftuiError
from perftui.model.notify import Line, Notification, Outcome, Paint, Picture, Post, What

log = logging.getLogger(__name__)

WAIT = 5.0
DRAWING = 3.0  # seconds a chart may take
SUBJECT = 180
# RFC 2045 allows an encoded line 76 characters, two less than the parser's default makes; servers without
# 8BITMIME get what they can take.
_POLICY = SMTP.clone(max_line_length=76, cte_type="7bit")


class Email:
    """A mail server that takes our messages."""

    kind: ClassVar[str] = "email"
    Options: ClassVar[type] = EmailOptions
    libraries: ClassVar[tuple[str, ...]] = ("aiosmtplib",)
    pace: float = 0.0
    hourly: int = 0
    folds: bool = True
    paint: Paint | None = None

    def __init__(self, name: str, options: EmailOptions, post: Post) -> None:
        self.name = name
        self._options = options
        self._context: ssl.SSLContext | None = None  # made once: loading certificates takes a while

    def recipients(self, to: tuple[str, ...]) -> tuple[str, ...]:
        """All of the channel's addresses in one mail."""
        return ("",)

    async def deliver(self, what: Notification, ref: str) -> Outcome:
        """One mail; 4xx of the server is tried again, 5xx is not."""
        import aiosmtplib

        options = self._options
        encrypted = options.tls != "none"
        if encrypted and self._context is None:
            self._context = await asyncio.to_thread(
                ssl.create_default_context, cafile=options.ca_file or None
            )
        picture = await self._picture(what)
        try:
            async with asyncio.timeout(WAIT):
                refused, _ = await aiosmtplib.send(
                    mail(what, options, ref, picture),
                    hostname=options.host,
                    port=options.port,
                    username=options.username or None,
                    password=options.password or None,
                    use_tls=options.tls == "tls",
                    start_tls=options.tls == "starttls",
                    tls_context=self._context,
                    timeout=WAIT,
                )
        except TimeoutError:
            return Outcome(False, f"no answer in {WAIT:g} s", again=True)
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            return Outcome(False, f"no recipient is taken: {codes}", again=all(400 <= c < 500 for c in codes))
        except aiosmtplib.SMTPResponseException as error:
            return Outcome(False, f"{error.code} {error.message}"[:200], again=error.code < 500)
        except (aiosmtplib.SMTPException, OSError) as error:
            return Outcome(False, f"{type(error).__name__}: {error}"[:200], again=True)
        said = f"not taken for {', '.join(sorted(refused))}" if refused else ""
        return Outcome(True, said[:200], ref=message_id(what, options))

    async def _picture(self, what: Notification) -> Picture | None:
        """The chart, when one can be had in time: the words go without it otherwise."""
        if self.paint is None or what.what in (What.TEST, What.DIGEST):
            return None
        try:
            async with asyncio.timeout(DRAWING):
                return await self.paint(what)
        except (TimeoutError, PerftuiError) as error:
            log.info("%s: a mail goes without its chart: %s", self.name, error)
            return None


def message_id(what: Notification, options: EmailOptions) -> str:
    """The same for the same message whenever it is sent: a mailbox that has it knows it."""
    domain = options.sender.rpartition("@")[2]
    return f"<{hashlib.sha256(what.key.encode()).hexdigest()[:32]}@{domain}>"


def mail(what: Notification, options: EmailOptions, ref: str, picture: Picture | None = None) -> EmailMessage:
    """The message, a picture inside its HTML; words from outside are one printable line each in a header."""
    mail_ = EmailMessage(policy=_POLICY)
    first = "Re: " if ref else ""
    title = what.lines[0].title if what.lines else what.title
    # A thread keeps one subject; what changed stands in the body's first line.
    subject = f"{first}[{what.env}] {title}" if what.what is not What.TEST else what.words
    mail_["Subject"] = inert(subject, SUBJECT)
    mail_["From"] = options.sender
    mail_["To"] = ", ".join(options.to)
    mail_["Date"] = format_datetime(dt.datetime.fromtimestamp(what.at, dt.UTC))
    mail_["Message-ID"] = message_id(what, options)
    mail_["Auto-Submitted"] = "auto-generated"
    mail_["X-Auto-Response-Suppress"] = "All"
    if ref:
        mail_["In-Reply-To"] = mail_["References"] = ref
    mail_.set_content("\n".join(_text(what)) + "\n")
    cid = f"chart-{message_id(what, options)[1:]}"[:-1]
    mail_.add_alternative(
        _html(what, cid if picture else "", picture.words if picture else ""), subtype="html"
    )
    if picture is not None:
        page: Any = mail_.get_payload(1)
        page.add_related(picture.data, "image", picture.kind, cid=f"<{cid}>", disposition="inline")
    return mail_


def _text(what: Notification) -> list[str]:
    head = [inert(what.words, 500), ""]
    rows = [f"{'over   ' if line.over else 'firing '} {_row(line)}" for line in what.lines]
    more = [f"… and {what.total - len(what.lines)} more"] if what.total > len(what.lines) else []
    evidence = [inert(text, 500) for text in (what.lines[0].evidence[:10] if what.lines else ())]
    note = ["", inert(what.note, 500)] if what.note else []
    return [*head, *rows, *more, *(["", *evidence] if evidence else []), *note]


def _row(line: Line) -> str:
    return inert(f"{line.severity.name.lower():<9}{line.title}  {line.value}  {line.source}", 400)


def _html(what: Notification, cid: str, words: str) -> str:
    image = f"<p><img src='cid:{html.escape(cid)}' alt='{_safe(words)}' width='720'></p>" if cid else ""
    rows = "".join(
        f"<tr><td>{'over' if line.over else line.severity.name.lower()}</td><td>{_safe(line.title)}</td>"
        f"<td>{_safe(line.value)}</td><td>{_safe(line.source)}</td></tr>"
        for line in what.lines
    )
    evidence = "".join(
        f"<li>{_safe(text)}</li>" for text in (what.lines[0].evidence[:10] if what.lines else ())
    )
    note = f"<p>{_safe(what.note)}</p>" if what.note else ""
    return (
        f"<html><body><p><b>{_safe(what.words)}</b></p><table cellpadding='4'>{rows}</table>"
        f"{image}<ul>{evidence}</ul>{note}</body></html>"
    )


def _safe(text: str) -> str:
    return html.escape(inert(text, 500))
