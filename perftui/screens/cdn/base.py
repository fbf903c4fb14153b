"""What the CDN tabs share: the edge in front, asking for a purge, looking at a URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from perftui.draw import format as fmt
from perftui.model.action import Receipt
from perftui.model.cdn import EdgeLook
from perftui.model.ports import EdgeVerifier
from perftui.screens.tab import Tab

VENDORS = (
    "Cloudflare, Fastly, CloudFront: would add their traffic, PoPs and purges here; "
    "this version has no backend that connects them"
)
CONNECT = (
    'connect one: [env.NAME.backends.edge] kind = "varnish", url = "http://host:port", dir = "-n folder"\n'
    f"{VENDORS}"
)


class CdnTab(Tab):
    """A tab of the CDN screen."""

    verbs: ClassVar[Mapping[str, str]] = {"purge": "PATH or tag:TAG  purge at the edge"}

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`p`, `P` and `w`, the same on every tab of the screen."""
        if id == "cdn.purge":
            self._ask("url", "path to purge", self.chosen_url or "/")
        elif id == "cdn.purge-tag":
            self._ask("tag", "tag to purge", self.chosen_tag)
        elif id == "cdn.look":
            self.ask("Look at a URL", "path", self._look, value=self.chosen_url or "/")
        else:
            return False
        return True

    def on_verb(self, verb: str, words: tuple[str, ...]) -> bool:
        """`:purge /path` and `:purge tag:home`."""
        if verb != "purge" or not words:
            return False
        tags = [w.removeprefix("tag:") for w in words if w.startswith("tag:")]
        if tags:
            self.purge("tag", *tags)
        else:
            self.purge("url", *words)
        return True

    @property
    def chosen_url(self) -> str:
        """The URL under the cursor, or ''."""
        return str((self.selection or {}).get("url", ""))

    @property
    def chosen_tag(self) -> str:
        """A tag of what is under the cursor, or ''."""
        tags = (self.selection or {}).get("tags") or ()
        return str(tags[-1]) if tags else ""

    def purge(self, kind: str, *targets: str) -> None:
        """Plan, ask, purge, verify."""
        source = self.source_for("Purger")
        self.perform("cdn.purge", source, after=self.purged, targets=targets, kind=kind)

    def purged(self, receipt: Receipt) -> None:
        """What the tab does once a purge is done."""

    def _ask(self, kind: str, prompt: str, value: str) -> None:
        self.ask(f"Purge a {kind}", prompt, lambda text: self.purge(kind, *text.split()), value=value)

    def _look(self, url: str) -> None:
        async def look(edge: EdgeVerifier) -> EdgeLook:
            return await edge.look_at(url.strip())

        self.probe("cdn.look", self.source_for("EdgeVerifier"), EdgeVerifier, look)

    def look_line(self) -> str:
        """How the last looked-at URL was answered, or why it was not."""
        frame = self.frames.get("cdn.look")
        if frame is None or (frame.report is None and not (frame.error and frame.seen)):
            return ""
        if frame.error:
            return frame.error
        look: Any = frame.report
        state = look.state.name if look.state else "no cache state told"
        age = f", age {fmt.duration(look.age)}" if look.age is not None else ""
        headers = "; ".join(f"{k}: {v}" for k, v in look.headers if k != "x-cache")
        return f"{look.url}: {look.status} {state}{age}, {fmt.duration(look.took)}; {headers}"
