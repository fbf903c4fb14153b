"""The line of a rule that is written: what it would have done in the last week is said as it is typed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Final

from textual.widget import Widget
from textual.widgets import Input

from perftui.draw import format as fmt
from perftui.draw.backtest import choices, firings, of_incidents, verdict
from perftui.draw.clean import inert
from perftui.draw.rows import Row, Span
from perftui.draw.text import line, restyle, wrap
from perftui.model.alerts import Rule
from perftui.model.backtest import Trial
from perftui.model.errors import ConfigError, ExpressionError
from perftui.screens.dialogs.base import LINE_KEYS, Dialog, line_input
from perftui.screens.work import begin
from perftui.widgets.rowbox import RowBox

TOPIC: Final = "alerts.trial"
WEEK: Final = 7 * 86400.0
DEADLINE: Final = 10.0
PAUSE: Final = 0.3  # seconds without a key before the past is looked through
ROOM: Final = 10  # rows of what comes of it, so that the box stands still
BEFORE: Final = 60  # characters of a long expression shown before its mistake

Draft = Callable[[str], Rule | None]
"""The rule that a line makes; None: nothing to try. ConfigError: what is wrong with the line."""


class RuleDialog(Dialog[str]):
    """Answers with a line that makes a rule; a key pressed meanwhile ends the look into the past."""

    wide = 110
    keys_text: ClassVar[str] = LINE_KEYS

    def __init__(self, title: str, prompt: str, value: str, draft: Draft) -> None:
        super().__init__()
        self.title_text, self.prompt, self.value = title, prompt, value
        self.draft = draft
        self._trial: Sequence[Row] = ()

    def body(self, width: int) -> Sequence[Row]:
        """The prompt."""
        return wrap(inert(self.prompt, 1000), width)

    def field(self) -> Input:
        """The line to type into."""
        return line_input(self.value)

    def more(self) -> Iterator[Widget]:
        """What the rule would have done, below the line."""
        yield RowBox(id="trial")

    def height_of(self, widget: Widget) -> int:
        """The trial's rows, fewer where the terminal is low."""
        return min(ROOM, max(1, self.app.size.height - 9)) if widget.id == "trial" else 1

    def fit(self) -> None:
        """Fit the trial as well."""
        super().fit()
        box = self.query_one("#trial", RowBox)
        box.styles.height = self.height_of(box)
        box.show(self._trial)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Another line: what was looked for before is no longer wanted."""
        event.stop()
        self.workers.cancel_group(self, TOPIC)
        begin(self, partial(self._try, event.value), TOPIC, group=TOPIC)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the line when it makes a rule."""
        event.stop()
        try:
            self.draft(event.value)
        except ConfigError as error:
            self.workers.cancel_group(self, TOPIC)
            self._say(mistake(error, self._width))
        else:
            self.dismiss(event.value)

    @property
    def _width(self) -> int:
        return max(20, self.query_one("#trial", RowBox).size.width)

    async def _try(self, text: str) -> None:
        await asyncio.sleep(PAUSE)
        try:
            rule = self.draft(text)
        except ConfigError as error:
            self._say(mistake(error, self._width))
            return
        if rule is None:
            self._say(())
            return
        self._say([line(self._width, Span("looking through the last 7 d …", "muted")), *self._faded()])

        async def call(desk: Any) -> Trial | None:
            trial: Trial | None = await desk.try_rule(rule, WEEK)
            return trial

        frame = await self.console_app.session.probe(TOPIC, "alerts", "RuleTrier", call, DEADLINE)
        found = frame.report
        if frame.error:
            self._say(wrap(inert(frame.error, 500), self._width, "warn"))
        elif isinstance(found, Trial):
            self._say(self._fitting(list(trial_rows(found, self._width, self.look.tz))))
        else:
            self._say([line(self._width, Span("its past is kept by the server it asks", "muted"))])

    def _fitting(self, rows: list[Row]) -> Sequence[Row]:
        """What the room holds, and how much it does not."""
        room = self.height_of(self.query_one("#trial"))
        more = len(rows) - room + 1
        return rows if more < 2 else [*rows[: room - 1], line(self._width, Span(f"  … {more} more", "muted"))]

    def _faded(self) -> list[Row]:
        """What was found of the line before, until there is news."""
        return [restyle(row, "muted") for row in self._trial[1:]]

    def _say(self, rows: Sequence[Row]) -> None:
        self._trial = rows
        self.query_one("#trial", RowBox).show(rows)


def trial_rows(trial: Trial, width: int, tz: str) -> Iterator[Row]:
    """How often, when last, with other settings, and which incidents it would have told of."""
    one = trial.found
    if one.error:
        yield from wrap(inert(one.error, 500), width, "warn")
        return
    yield line(width, Span(f"would have {verdict(one)}" if one.spells else verdict(one), "bold"))
    if one.known is not None and one.known - one.start > 60.0:
        age = fmt.age(one.end - one.known)
        yield line(width, Span(f"what it looks at is known for {age} only", "warn"))
    for text in firings(one, tz):
        yield line(width, Span(f"  {inert(text, 300)}"))
    for text in choices(one):
        yield line(width, Span(inert(text, 300), "muted"))
    if trial.incidents:
        for number, text in enumerate(of_incidents(trial.incidents, tz)):
            missed = number and "  missed: " in text
            yield line(width, Span(inert(text, 300), "warn" if missed else "muted"))


def mistake(error: ConfigError, width: int) -> list[Row]:
    """What is wrong, and the part of the expression where it is, with a mark below."""
    rows = list(wrap(inert(str(error), 500), width, "crit"))
    if not isinstance(error, ExpressionError) or not error.caret:
        return rows
    text, mark = error.caret.split("\n")
    at = len(mark) - 1
    start = max(0, at - min(BEFORE, width - 10))
    head = ("…" if start else "") + inert(text[start:at], 500)
    rows.append(line(width, Span(head + inert(text[at:], 500))))
    rows.append(line(width, Span(" " * len(head)), Span("^", "crit")))
    return rows
