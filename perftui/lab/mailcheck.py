"""What is wrong with a mail as it came over the wire, by the RFCs and Python's own parser."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email import message_from_bytes, policy
from typing import Any

LINE = 998  # RFC 5322, 2.1.1
ENCODED = 76  # RFC 2045, 6.7 and 6.8
WANTED = ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version")
# RFC 5322, 3.6: at most one of each.
ONCE = (*WANTED, "Sender", "Reply-To", "Cc", "Bcc", "In-Reply-To", "References")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_ID = rf"<{_ATOM}@(?:{_ATOM}|\[[!-Z^-~]*\])>"
_FORMS = {
    "Message-ID": re.compile(rf"{_ID}\Z"),
    "In-Reply-To": re.compile(rf"{_ID}(?:\s+{_ID})*\Z"),
    "References": re.compile(rf"{_ID}(?:\s+{_ID})*\Z"),
    "Auto-Submitted": re.compile(r"auto-(?:generated|replied|notified)\Z"),  # RFC 3834, 5
    "MIME-Version": re.compile(r"1\.0\Z"),
}


def mail_problems(raw: bytes) -> tuple[str, ...]:
    """Each with its place; () when all is well. `raw` followed DATA, its hidden dots removed."""
    return (*_lines(raw), *_headers(message_from_bytes(raw, policy=policy.default)))


def _lines(raw: bytes) -> Iterable[str]:
    if re.search(rb"\r(?!\n)|(?<!\r)\n", raw):
        yield "a line ends in CR or LF alone (RFC 5322, 2.3)"
    if b"\0" in raw:
        yield "a NUL (RFC 5322, 4)"
    if not raw.isascii():
        yield "bytes over 127 without 8BITMIME (RFC 6152)"
    longest = max(map(len, raw.split(b"\r\n")))
    if longest > LINE:
        yield f"a line of {longest} characters (RFC 5322, 2.1.1)"


def _headers(mail: Any) -> Iterable[str]:
    yield from (f"the mail lacks {name}" for name in WANTED if not mail[name])
    yield from (f"{name} stands there twice" for name in ONCE if len(mail.get_all(name, ())) > 1)
    for name, form in _FORMS.items():
        if mail[name] is not None and not form.match(" ".join(str(mail[name]).split())):
            yield f"{name} is malformed: {str(mail[name])[:80]!r}"
    if mail["Date"] is not None and mail["Date"].datetime is None:
        yield "Date is no date (RFC 5322, 3.3)"
    for part in mail.walk():
        yield from _part(part)
    yield from _pictures(mail)


def _part(part: Any) -> Iterable[str]:
    place = part.get_content_type()
    for name, value in part.items():
        yield from (f"{place}: {name}: {type(one).__name__}" for one in value.defects)
    coding = str(part.get("Content-Transfer-Encoding", "7bit")).lower()
    if not part.is_multipart():
        part.get_payload(decode=True)  # finds what is wrong with the encoding
        longest = max(map(len, part.get_payload().splitlines()), default=0)
        if coding in ("base64", "quoted-printable") and longest > ENCODED:
            yield f"{place}: {coding} lines of {longest} characters (RFC 2045, 6.7)"
    elif coding not in ("7bit", "8bit", "binary"):
        yield f"{place}: a multipart in {coding} (RFC 2045, 6.4)"
    if part.get_content_maintype() == "text" and not part.get_content_charset():
        yield f"{place}: text without a character set (RFC 2045, 5.2)"
    yield from (f"{place}: {type(one).__name__}" for one in part.defects)


def _pictures(mail: Any) -> Iterable[str]:
    """Pictures in the HTML that no part brings (RFC 2392)."""
    page = mail.get_body(("html",))
    shown = set(re.findall(r"cid:([^'\">\s]+)", page.get_content())) if page else set()
    brought = {str(part["Content-ID"]).strip("<>") for part in mail.walk() if part["Content-ID"]}
    yield from (f"no part is the picture {one}" for one in sorted(shown - brought))
