"""Slack: one message an incident that is edited as things change, with the events in its thread."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

from perftui.draw.clean import inert
from perftui.model.channels import SlackOptions
from perftui.model.notify import Notification, Outcome, Posting, Request, What, judged

SECTION = 3000
BLOCKS = 50
TEXT = 4000  # what Slack recommends for the fallback text
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKS = {What.RESOLVE: "✅", What.ACKNOWLEDGE: "👀", What.DIGEST: "📋", What.TEST: "🔧"}
# These say "later" in Slack's own words, with status 200.
_LATER = {
    "ratelimited",
    "rate_limited",
    "service_unavailable",
    "fatal_error",
    "internal_error",
    "request_timeout",
}
# The message can be edited no more: deleted, too old, or another bot's (docs.slack.dev, chat.update).
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}


class Slack(Posting[SlackOptions]):
    """A bot (edits its message) or an incoming webhook (can only post)."""

    kind: ClassVar[str] = "slack"
    Options: ClassVar[type] = SlackOptions
    pace: float = 1.0
    folds: bool = True

    async def deliver(self, what: Notification, ref: str) -> Outcome:
        """Post the first message, edit it afterwards, post anew when it is gone; `ref` is `channel/ts`."""
        if self._options.webhook:
            return await self._hook(what)
        place, _, stamp = ref.partition("/")
        if not stamp or what.what in (What.DIGEST, What.TEST):
            return await self._call("chat.postMessage", {"channel": self._options.channel, **_body(what)})
        edited = await self._call("chat.update", {"channel": place, "ts": stamp, **_body(what)})
        if edited.said in _GONE and not edited.sent:
            posted = await self._call("chat.postMessage", {"channel": place, **_body(what)})
            return replace(posted, anew=True)
        if not edited.sent or what.what not in (What.REPEAT, What.ESCALATE):
            return edited
        # An edit makes no sound: what should be heard again is said in the thread, and to the channel.
        said = {
            "channel": place,
            "thread_ts": stamp,
            "text": _escaped(what.words, TEXT),
            "reply_broadcast": True,
        }
        return await self._call("chat.postMessage", said)

    async def _call(self, method: str, body: dict[str, Any]) -> Outcome:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Authorization": f"Bearer {self._options.token}",
        }
        url = f"{self._options.base_url.rstrip('/')}/{method}"
        reply = await self._post(Request(url, json.dumps(body).encode(), headers))
        if reply.status != 200:
            return judged(reply)
        try:
            answer = json.loads(reply.body)
            ok, error = answer["ok"] is True, str(answer.get("error", "no reason given"))
        except (ValueError, KeyError, TypeError, AttributeError):
            return Outcome(False, "an answer that cannot be read", again=True)
        if not ok:
            return Outcome(False, error[:200], again=error in _LATER, after=reply.after)
        return Outcome(True, ref=f"{answer.get('channel', '')}/{answer.get('ts', '')}"[:200])

    async def _hook(self, what: Notification) -> Outcome:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        body = json.dumps(_body(what)).encode()
        return judged(await self._post(Request(self._options.webhook, body, headers)), 200)


def _body(what: Notification) -> dict[str, Any]:
    mark = _MARKS.get(what.what, "🔴" if what.severity.name == "CRITICAL" else "🟡")
    head = f"{mark} *{_escaped(what.words, SECTION - 100)}*"
    blocks: list[dict[str, Any]] = [_section(head)]
    rows = [_row(what, n) for n in range(len(what.lines))]
    if rows:
        blocks.append(_section("\n".join(rows)))
    evidence = [_escaped(text, 300) for text in (what.lines[0].evidence[:5] if what.lines else ())]
    if what.note:
        evidence.append(_escaped(what.note, 500))
    if evidence:
        text = "\n".join(evidence)[:SECTION]
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]})
    return {"text": _escaped(what.words, TEXT), "blocks": blocks[:BLOCKS]}


def _row(what: Notification, n: int) -> str:
    line = what.lines[n]
    mark = "✓" if line.over else "•"
    return f"{mark} {_escaped(line.title, 150)} {_escaped(line.value, 60)} `{_escaped(line.source, 60)}`"


def _section(text: str) -> dict[str, Any]:
    """Cut between lines, so that no escape is cut in two."""
    while len(text) > SECTION:
        text = text.rpartition("\n")[0] or text[:SECTION].rpartition("&")[0] or text[:SECTION]
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _escaped(text: str, most: int) -> str:
    """Inert and without Slack's own marks; the bound holds after escaping."""
    plain = inert(text, most)
    while len(plain.translate(_ESCAPES)) > most:
        plain = plain[: -max(1, len(plain) // 20)]
    return plain.translate(_ESCAPES).replace("`", "'").replace("*", "∗")
