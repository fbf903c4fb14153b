"""Why no large request or reply is shown."""

from __future__ import annotations

from perftui.draw import format as fmt
from perftui.model.commandlog import LargeFacts


def nothing_large(facts: LargeFacts | None) -> str:
    """From how many bytes on one would be."""
    if facts is None or (facts.request_bytes is None and facts.reply_bytes is None):
        return "the logs of large requests and replies are off"
    told = ((facts.request_bytes, "request"), (facts.reply_bytes, "reply"))
    return ", ".join(f"no {what} of {fmt.bytes_(size)} or more" for size, what in told if size is not None)
