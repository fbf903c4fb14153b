"""Acting from a screen: plan, question, progress, outcome, without a moment's wait for the keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from perftui.model.action import Action, Plan, Receipt
from perftui.model.errors import Cancelled, PartlyDone, PerftuiError, PlanRejected
from perftui.screens.work import begin

if TYPE_CHECKING:
    from perftui.app import PerftuiApp


class Deeds:
    """What tabs may ask of the application; everything returns at once and works in a worker."""

    def __init__(self, app: PerftuiApp) -> None:
        self.app = app
        self._after: dict[str, Callable[[Receipt], None]] = {}  # by the run that can be taken back

    def perform(
        self,
        action_id: str,
        source: str,
        after: Callable[[Receipt], None] | None,
        params: Mapping[str, Any],
    ) -> None:
        """Plan the action, ask, run it and tell the outcome; `after` is called when it is taken back, too."""
        self._work(partial(self._perform, action_id, source, after, params), action_id)

    async def _perform(
        self,
        action_id: str,
        source: str,
        after: Callable[[Receipt], None] | None,
        params: Mapping[str, Any],
    ) -> None:
        try:
            action = self.app.session.action(action_id, source, **params)
            receipt = await self.app.session.conductor.perform(action, self.confirm)
        except PerftuiError as error:
            self._tell_error(action_id, error)
            return
        self.app.toast(receipt.summary + (" · u undoes it" if receipt.undo is not None else ""))
        if after is not None:
            self._remember(action, after)
            after(receipt)

    def _remember(self, action: Action, after: Callable[[Receipt], None]) -> None:
        undoable = self.app.session.conductor.undoable
        kept = {one.id for one in undoable}
        self._after = {id_: call for id_, call in self._after.items() if id_ in kept}
        self._after |= {one.id: after for one in undoable if one.action is action}

    def undo(self) -> None:
        """Take back the last action that can be taken back."""
        self._work(self._undo, "undo")

    async def _undo(self) -> None:
        conductor = self.app.session.conductor
        last = conductor.undoable[0].id if conductor.undoable else ""
        try:
            receipt = await conductor.undo_last(self.confirm)
        except PerftuiError as error:
            self._tell_error("undo", error)
            return
        self.app.toast(receipt.summary)
        after = self._after.pop(last, None)
        if after is not None:
            after(receipt)

    def probe(
        self, topic: str, source: str, port: Any, call: Callable[[Any], Awaitable[Any]], deadline: float
    ) -> None:
        """Read once through a power; the frame of `topic` carries the answer or the error."""
        self._work(partial(self._probe, topic, source, port, call, deadline), topic)

    async def _probe(
        self, topic: str, source: str, port: Any, call: Callable[[Any], Awaitable[Any]], deadline: float
    ) -> None:
        frame = await self.app.session.probe(topic, source, port, call, deadline=deadline)
        if frame.error:
            self.app.toast(frame.error, "warn")

    def retry(self, sources: Sequence[str]) -> None:
        """Read these backends now; a refused link is tried again."""
        for source in sources:
            self.app.session.retry(source)

    async def confirm(self, action: Action, plan: Plan) -> bool:
        """Show the plan and wait for the operator; False when declined."""
        from perftui.screens.dialogs.confirm import ConfirmDialog

        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def answered(go: bool | None) -> None:
            if not answer.done():
                answer.set_result(bool(go))

        dialog = ConfirmDialog(action, plan, self.app.session.env)
        await self.app.push_screen(dialog, answered)
        try:
            return await answer
        finally:
            if not answer.done() or answer.cancelled():
                self.app.drop(dialog)

    def ask(
        self,
        title: str,
        prompt: str,
        then: Callable[[str], None],
        value: str = "",
        check: Callable[[str], str] | None = None,
    ) -> None:
        """Ask for one line of text and hand it to `then`; nothing happens when declined."""
        from perftui.screens.dialogs.ask import AskDialog

        def answered(text: str | None) -> None:
            if text is not None:
                then(text)

        self.app.push_screen(AskDialog(title, prompt, value, check), answered)

    def choose(self, title: str, options: Sequence[tuple[str, str]], then: Callable[[str], None]) -> None:
        """Let the operator pick one of (value, label) and hand the value to `then`."""
        from perftui.screens.dialogs.choose import ChooseDialog

        def answered(value: str | None) -> None:
            if value is not None:
                then(value)

        self.app.push_screen(ChooseDialog(title, options), answered)

    def _work(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        begin(self.app, work, name)

    def _tell_error(self, what: str, error: PerftuiError) -> None:
        if isinstance(error, PartlyDone):
            self.app.show_receipt(f"{what}: partly done", error.receipt, str(error))
        elif isinstance(error, Cancelled) and error.receipt is not None:
            self.app.show_receipt(f"{what}: cancelled", error.receipt, str(error))
        elif isinstance(error, PlanRejected | Cancelled):
            self.app.toast(str(error), "warn")
        else:
            self.app.toast(f"{what}: {error}", "crit")
