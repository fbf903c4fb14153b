"""Turns how a run's task ended into the outcome, the sentence and the error told about it."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from perftui.model.action import Action, Outcome, Receipt
from perftui.model.errors import ActionError, BackendError, Cancelled, PartlyDone, PerftuiError, PlanRejected

log = logging.getLogger(__name__)


class Judged(NamedTuple):
    """A run's outcome, its sentence, and the receipt or the error to raise."""

    outcome: Outcome
    detail: str
    result: Receipt | PerftuiError


def judged(task: asyncio.Task[Receipt], action: Action, timed_out: bool, grace: float) -> Judged:
    """What became of `task`, which has ended or had `grace` seconds to end after being cancelled."""
    if not task.done():
        text = f"{action.title} did not stop within {grace:g} s: what it has changed is unknown"
        return Judged(Outcome.CANCELLED, text, Cancelled(text))
    error = None if task.cancelled() else task.exception()
    if error is not None:
        return _failed(action, error, timed_out)
    if not task.cancelled():
        return Judged(Outcome.DONE, task.result().summary, task.result())
    if timed_out:
        text = f"{action.title} was stopped: not done within {action.deadline:g} s; look before you repeat it"
        return Judged(Outcome.FAILED, text, ActionError(text))
    text = f"{action.title} was stopped; look before you repeat it"
    return Judged(Outcome.CANCELLED, text, Cancelled(text))


def _failed(action: Action, error: BaseException, timed_out: bool) -> Judged:
    late = f"not done within {action.deadline:g} s: " if timed_out else ""
    if isinstance(error, PartlyDone):
        return Judged(Outcome.PARTLY, late + _partly(error), error)
    if isinstance(error, Cancelled):
        return Judged(Outcome.FAILED if timed_out else Outcome.CANCELLED, f"{late}{error}", error)
    if isinstance(error, PlanRejected):
        return Judged(Outcome.REFUSED, str(error), error)
    if isinstance(error, ActionError | BackendError):
        return Judged(Outcome.FAILED, f"{late}{error}", error)
    log.error("%s: unexpected", action.id, exc_info=error)
    text = f"{action.title} failed: {type(error).__name__}: {error}"
    failed = ActionError(text)
    failed.__cause__ = error
    return Judged(Outcome.FAILED, text, failed)


def _partly(error: PartlyDone) -> str:
    receipt = error.receipt
    return f"{error}: {receipt.done} done, {len(receipt.failed)} failed, {receipt.untouched} untouched"
