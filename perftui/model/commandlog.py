"""Requests and replies that were large, as a server's command log keeps them beside the slow log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REQUEST: Final = "large-request"
REPLY: Final = "large-reply"
KINDS: Final = (REQUEST, REPLY)

PANEL: Final = "large"
"""The panel whose limit says why they are not told."""


@dataclass(frozen=True, slots=True)
class LargeCommand:
    """One entry; `text` is inert and its secrets are masked, `at` is epoch seconds.

    `bytes_` are those of the request or of the reply, as `kind` says; `node` is whose log it is, where there
    are several.
    """

    id: int
    at: float
    kind: str
    bytes_: int
    text: str
    client: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class LargeFacts:
    """The newest entries of both logs, and from how many bytes on one is kept; None: none is, or not told."""

    entries: tuple[LargeCommand, ...] = ()
    request_bytes: int | None = None
    reply_bytes: int | None = None
