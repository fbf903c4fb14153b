"""The keys that keep alerts quiet: silences, their end, and maintenance windows that come again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perftui.model.alerts import MAINTENANCE, Alert, Rule, Silence
from perftui.model.errors import ConfigError
from perftui.screens.overview import alertrows as rows
from perftui.screens.overview.newrule import new_rule
from perftui.screens.overview.noticekeys import NoticeKeys

HOUR = "1h"
MATCHING = 'alerts that match, such as source="db", severity="warning"'
WHEN = "when, how long and in which zone, such as: sat 02:00 2h Europe/Berlin (or cron, or: calendar NAME)"


class QuietKeys(NoticeKeys):
    """What the Alerts tab does about silences; it says what its cursor is on."""

    view: str

    @property
    def _alert(self) -> Alert | None:
        return None

    @property
    def _silence(self) -> Silence | None:
        return None

    @property
    def _rule(self) -> Rule | None:
        return None

    def _ask_silence(self) -> None:
        offered = rows.matchers_for(self._alerts, self._silence, self._rule)

        def long(matchers: str) -> None:
            self.ask(
                "Silence", "for how long (90s, 20m, 2h, 1d)", then(matchers), HOUR, checked(rows.seconds_of)
            )

        def then(matchers: str) -> Callable[[str], None]:
            return lambda text: self._silence_for(matchers, text)

        self.ask("Silence", MATCHING, long, offered)

    def _silence_for(self, matchers: str, text: str) -> None:
        self.perform("alerts.silence", "alerts", matchers=matchers, seconds=rows.seconds_of(text))

    def _unsilence(self) -> None:
        silence = self._silence
        if silence is None:
            self.toast("choose a silence in the silences' view (v)", "warn")
            return
        self.perform("alerts.unsilence", "alerts", silence=silence.id)

    def _new(self) -> None:
        """In the silences' view a maintenance window, elsewhere a rule."""
        if self.view == "silences":
            self._ask_window()
        else:
            new_rule(self)

    def _ask_window(self) -> None:
        """Its name, what it hushes, when: one question after the other."""
        offered = rows.matchers_for(self._alerts, self._silence, self._rule)

        def named(name: str) -> None:
            self.ask("Maintenance window", MATCHING, lambda text: matched(name, text), offered)

        def matched(name: str, matchers: str) -> None:
            self.ask(
                "Maintenance window", WHEN, lambda text: timed(name, matchers, text), "", checked(rows.zoned)
            )

        def timed(name: str, matchers: str, text: str) -> None:
            when, zone, seconds = rows.zoned(text)
            self.perform(
                "alerts.maintain",
                "alerts",
                name=name.strip(),
                matchers=matchers,
                when=when,
                seconds=seconds,
                timezone=zone,
            )

        self.ask("Maintenance window", "its name, such as nightly-backup", named)

    def _mark(self) -> None:
        alert = self._alert
        if alert is None:
            self.toast("no alert is selected", "warn")
            return
        mark = alert.fingerprint
        ways = [("normal", "this is normal: alarm later"), ("incident", "this was an incident: alarm sooner")]
        self.choose(
            "Unusual value",
            ways,
            lambda what: self.perform("alerts.mark", "alerts", fingerprint=mark, what=what),
        )

    def _delete(self) -> None:
        silence = self._silence
        if silence is None or not silence.again:
            self.toast("choose a maintenance window in the silences' view (v)", "warn")
            return
        self.perform("alerts.unmaintain", "alerts", name=silence.id.removeprefix(MAINTENANCE))


def checked(read: Callable[[str], Any]) -> Callable[[str], str]:
    """A check for a question from what reads its answer."""

    def check(text: str) -> str:
        try:
            read(text)
        except ConfigError as error:
            return str(error)
        return ""

    return check
