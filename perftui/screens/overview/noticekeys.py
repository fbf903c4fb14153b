"""The keys about being told: test a channel, take an alert on, leave a word."""

from __future__ import annotations

from perftui.model.alerts import Alert
from perftui.model.notify import NoticesReport
from perftui.screens.overview.noticerows import Told
from perftui.screens.tab import Tab


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
    def _alert(self) -> Alert | None:
        return None

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
        alert, report = self._alert, self.notices
        if alert is None:
            self.toast("no alert is selected", "warn")
            return
        mark = alert.fingerprint
        now = report.owners.get(mark, "") if report else ""
        self.ask(
            "Assign",
            f"{alert.title}: who sees to it (empty: nobody)",
            lambda who: self.perform("alerts.assign", "alerts", fingerprint=mark, who=who),
            now,
        )

    def _ask_comment(self) -> None:
        alert = self._alert
        if alert is None:
            self.toast("no alert is selected", "warn")
            return
        mark = alert.fingerprint
        self.ask(
            "Comment",
            f"{alert.title}: a word for its history",
            lambda text: self.perform("alerts.comment", "alerts", fingerprint=mark, text=text),
        )
