"""Some 150 more services (Telegram, Teams, Matrix, ntfy …) by the library of that name, a URL each."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import Any, ClassVar

from perftui.draw.clean import inert
from perftui.model.channels import AppriseOptions
from perftui.model.finding import Severity
from perftui.model.notify import Line, Notification, Outcome, Posting, What

WAIT = 9.0  # seconds; the library gives up connecting and reading after four each
TITLE, BODY = 250, 4000
REMEMBERED = 500  # messages of which is known who has taken them
INSTALL = "needs apprise: pip install 'perftui[notify]'"
_TYPES = {Severity.CRITICAL: "failure", Severity.WARNING: "warning", Severity.INFO: "info"}


class Apprise(Posting[AppriseOptions]):
    """A message goes to each of its URLs; one that was taken is not sent there again when another was not.

    What the library says of a failure may hold a token, so its words stay in it and ours name the service.
    """

    kind: ClassVar[str] = "apprise"
    Options: ClassVar[type] = AppriseOptions
    libraries: ClassVar[tuple[str, ...]] = ("apprise",)
    pace: float = 1.0
    folds: bool = True

    def __init__(self, name: str, options: AppriseOptions, post: Any) -> None:
        super().__init__(name, options, post)
        self.name = name
        self._services: list[Any] = []
        self._taken: OrderedDict[str, set[int]] = OrderedDict()

    async def deliver(self, what: Notification, ref: str) -> Outcome:
        """Sent when every service has it; what is wrong here can be mended, so all is tried again."""
        try:
            if not self._services:
                self._services = await asyncio.to_thread(services, self._options.urls)
            async with asyncio.timeout(WAIT):
                answers = await asyncio.gather(
                    *(asyncio.to_thread(self._send, n, what) for n in range(len(self._services)))
                )
        except ImportError:
            return Outcome(False, INSTALL, again=True)
        except ValueError as error:
            return Outcome(False, str(error), again=True)
        except TimeoutError:
            return Outcome(False, f"no answer in {WAIT:g} s", again=True)
        missed = [said for said in answers if said]
        return Outcome(not missed, f"not taken by {', '.join(missed)}" if missed else "", again=bool(missed))

    def _send(self, n: int, what: Notification) -> str:
        """What the n-th service is called when it has not taken it, else nothing."""
        done = self._taken.setdefault(what.key, set())
        while len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)
        if n in done:
            return ""
        over = what.what is What.RESOLVE
        kind = "success" if over else _TYPES[what.severity]
        title, body = inert(what.words, TITLE), _body(what)
        if self._services[n].notify(title=title, body=body, notify_type=kind, body_format="text"):
            done.add(n)
            return ""
        return f"{n + 1} ({_schema(self._services[n])})"


def services(urls: str) -> list[Any]:
    """One object of the library a URL; ValueError counts those it knows no service for, ImportError."""
    import apprise

    for noisy in ("apprise", "urllib3"):  # they log addresses, which hold tokens
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    asset = apprise.AppriseAsset(
        app_id="perftui",
        app_desc="perftui",
        storage_mode="memory",
        secure_logging=True,
        http_redirects=False,  # never to somewhere else with our keys
    )
    found = []
    for n, url in enumerate(urls.split(), 1):
        one = apprise.Apprise(asset=asset)
        if not one.add(url) or len(one) != 1:
            raise ValueError(f"URL {n} means no service that apprise knows")
        found.append(one)
    if not found:
        raise ValueError("`urls` is empty")
    return found


def _schema(one: Any) -> str:
    """What its URL begins with."""
    return inert(str(one[0].schema), 30)


def _body(what: Notification) -> str:
    rows = [_row(line) for line in what.lines]
    more = [f"… and {what.total - len(what.lines)} more"] if what.total > len(what.lines) else []
    evidence = [inert(text, 300) for text in (what.lines[0].evidence[:5] if what.lines else ())]
    note = [inert(what.note, 500)] if what.note else []
    return "\n".join([*rows, *more, *evidence, *note])[:BODY] or inert(what.words, TITLE)


def _row(line: Line) -> str:
    mark = "✓" if line.over else "•"
    return f"{mark} {inert(line.title, 150)}  {inert(line.value, 60)}  {inert(line.source, 60)}"
