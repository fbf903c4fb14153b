"""The keys about being told: test a channel, take an alert on, leave a word."""

from __future__ import annotations

from typing import Any

from perftui.model.alerts import Alert
from perftui.model.notify import NoticesReport
from perftui.screens.overview import alertrows as rows
from perftui.screens.overview.noticerows import Told
from perftui.screens.tab import Tab

UNTIL = "`for 2h` at its end: only so long"


class NoticeKeys(Tab):
    """What the Alerts tab does about channels; it says what its cursor is on."""

    @property
    def notices(self) -> NoticesReport | None:
        """The newest report about who is told."""
        frame = self.frames.get("alerts.notices") if self.frames else None
        report = frame.report if frame is not None else None
        return report if isinstance(report, NoticesReport) else None

    @property
    def _told(self) -> Told | None:
        return None

    @property
    def _alerts(self) -> tuple[Alert, ...]:
        """The marked ones, else that under the cursor."""
        return ()

    def _acknowledge(self) -> None:
        found = [alert for alert in self._alerts if alert.ack is None] or list(self._alerts)
        if not found:
            self.toast("no alert is selected", "warn")
            return
        first, *others = (alert.fingerprint for alert in found)
        title = found[0].title if len(found) == 1 else f"{len(found)} alerts"

        def entered(text: str) -> None:
            note, seconds = rows.note_of(text)
            given = {"note": note, "seconds": seconds, "others": others}
            self.perform("alerts.ack", "alerts", None, fingerprint=first, **given)

        self.ask("Acknowledge", f"{title}: a note for the others (may be empty; {UNTIL})", entered)

    def _test_channel(self) -> None:
        """The channel under the cursor, else one that is asked for."""
        report, row = self.notices, self._told
        names = [one.name for one in report.channels] if report else []
        if not names:
            self.toast("no channel is configured: [channels.NAME] in the configuration", "warn")
        elif row is not None and row.channel:
            self._test(row.channel)
        else:
            self.ask("Test a channel", f"which one: {', '.join(names)}", self._test, names[0])

    def _test(self, name: str) -> None:
        self.perform("alerts.test", "alerts", channel=name.strip())

    def _ask_owner(self) -> None:
        report = self.notices
        if (chosen := self._chosen()) is None:
            return
        given, title = chosen
        whose = {report.owners.get(alert.fingerprint, "") for alert in self._alerts} if report else {""}
        self.ask(
            "Assign",
            f"{title}: who sees to {'it' if 'others' not in given else 'them'} (empty: nobody)",
            lambda who: self.perform("alerts.assign", "alerts", who=who, **given),
            whose.pop() if len(whose) == 1 else "",
        )

    def _ask_comment(self) -> None:
        if (chosen := self._chosen()) is None:
            return
        given, title = chosen
        self.ask(
            "Comment",
            f"{title}: a word for {'its' if 'others' not in given else 'their'} history",
            lambda text: self.perform("alerts.comment", "alerts", text=text, **given),
        )

    def _chosen(self) -> tuple[dict[str, Any], str] | None:
        """What an action is told of the marked alerts, or of that under the cursor, and how to call them."""
        found = self._alerts
        if not found:
            self.toast("no alert is selected", "warn")
            return None
        first, *others = (alert.fingerprint for alert in found)
        title = found[0].title if not others else f"{len(found)} alerts"
        return {"fingerprint": first, **({"others": others} if others else {})}, title
