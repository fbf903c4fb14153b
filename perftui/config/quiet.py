"""What keeps alerts quiet, as it is written: maintenance windows, and alerts that speak for others."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from perftui.model.errors import ConfigError

if TYPE_CHECKING:  # made when a session asks for them
    from perftui.model.alerts import Inhibition, Maintenance, Matcher
    from perftui.model.calendar import CalendarFile


def _matchers(text: str, word: str) -> tuple[Matcher, ...]:
    from perftui.analysis.matchers import parse_matchers

    try:
        found = parse_matchers(text)
    except ConfigError as error:
        raise ValueError(f"`{word}`: {error}") from error
    if not found:
        raise ValueError(f'needs `{word}`: matchers such as severity="warning", source=~"db.*"')
    return found


@dataclass(frozen=True, slots=True)
class MaintenanceSettings:
    """A time that comes again in which nobody is told of what matches."""

    match: str = field(default="", metadata={"help": 'Alerts that are hushed, such as `source=~"db.*"`.'})
    when: str = field(
        default="",
        metadata={
            "help": "When it begins: `sat 02:00`, `mon-fri 22:30`, `daily 3:00`, cron, or `calendar NAME`: at"
            " the events of `[alerts.calendars.NAME]`, for as long as they last."
        },
    )
    lasting: float = field(default=3600.0, metadata={"help": "Seconds it lasts, up to seven days."})
    timezone: str = field(default="UTC", metadata={"help": "Zone of `when`, such as Europe/Berlin."})
    note: str = field(default="", metadata={"help": "Why, for whoever sees it."})

    def __post_init__(self) -> None:
        self.window("window")

    def window(self, name: str, place: str = "") -> Maintenance:
        """As the ruler takes it; ValueError says what is wrong."""
        from perftui.analysis.maintenance import checked, cron_of
        from perftui.model.alerts import Maintenance

        matchers = _matchers(self.match, "match")
        cron = cron_of(self.when)
        made = Maintenance(name, matchers, cron, self.lasting, self.timezone, note=self.note, place=place)
        return checked(made)


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class CalendarSettings:
    """Days that are not like others: holidays, planned events, from a calendar file."""

    file: str = field(
        default="", metadata={"help": "Calendar file (.ics); a relative one lies beside the configuration."}
    )
    timezone: str = field(
        default="UTC", metadata={"help": "Zone of whole days and of times that name none: Europe/Berlin."}
    )
    like: str = field(
        default="",
        metadata={
            "help": "Weekday its days are like, such as `sunday`, for series that have a week; empty: what"
            " happens then teaches nothing and is not called unusual."
        },
    )

    def __post_init__(self) -> None:
        if not self.file:
            raise ValueError("needs `file`: a calendar file")
        if self.like and self.like not in WEEKDAYS:
            raise ValueError(f"`like` is a weekday: {', '.join(WEEKDAYS)}")
        from perftui.analysis.maintenance import timed

        timed("0 0 * * *", self.timezone)

    def calendar(self, name: str, config: Path, place: str = "") -> CalendarFile:
        """As whoever reads it takes it."""
        from perftui.model.calendar import CalendarFile

        file = config.parent / Path(self.file).expanduser()
        like = WEEKDAYS.index(self.like) if self.like else None
        return CalendarFile(name, str(file), self.timezone, like, place)


@dataclass(frozen=True, slots=True)
class InhibitSettings:
    """While an alert matches `source`, alerts that match `target` are not told."""

    source: str = field(default="", metadata={"help": "The alert that speaks for the others, as matchers."})
    target: str = field(default="", metadata={"help": "Those that are kept quiet, as matchers."})
    equal: tuple[str, ...] = field(default=(), metadata={"help": "Labels that must be the same in both."})

    def __post_init__(self) -> None:
        self.inhibition("")
        for name in self.equal:
            if not name.isidentifier():
                raise ValueError(f"`equal`: {name[:40]!r} is no label's name")

    def inhibition(self, name: str) -> Inhibition:
        """As the ruler takes it; ValueError says what is wrong."""
        from perftui.model.alerts import Inhibition

        source, target = _matchers(self.source, "source"), _matchers(self.target, "target")
        return Inhibition(source, target, self.equal, name)
