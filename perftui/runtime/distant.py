"""Asks servers what rules need of them: all at once, within one bound, and the silent ones less often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from perftui.model.errors import Lost, PerftuiError

T = TypeVar("T")

BUDGET = 5.0  # seconds of a tick that servers have in all, a third of what the ruler's lease lasts
SPARE = 0.1  # of it, in which who has waited to the end makes do with what came
AT_ONCE = 8  # questions that one server has before it at a time
SWIFT = 1.0  # seconds within which being lost costs nothing, so that it may be asked at every tick
REST, LONGEST = 15.0, 60.0  # seconds that who was silent is not asked, doubled each time up to the latter


class Question(NamedTuple, Generic[T]):
    """What `rule` asks of the server `source`; `text` is its expression.

    `ask` gets the instant of the loop's time by which it is to be done, with what it has by then.
    """

    rule: str
    source: str
    text: str
    ask: Callable[[float], Awaitable[T]]


class Answer(NamedTuple, Generic[T]):
    """What came of it, or the sentence why nothing did; `late`: it was asked and did not answer in time."""

    made: T | None
    error: str = ""
    took: float = 0.0  # seconds
    late: bool = False


class _Rest(NamedTuple):
    until: float
    seconds: float


Key = tuple[str, str]
"""A server and an expression, "" for all it is asked."""


class Distant(Generic[T]):
    """Who was silent rests: a server that answered nothing at all, else only what it did not answer."""

    def __init__(self) -> None:
        self._rests: dict[Key, _Rest] = {}
        self._answered: dict[Key, float] = {}

    async def answers(self, questions: Sequence[Question[T]], now: float) -> dict[str, Answer[T]]:
        """An answer for every rule, within BUDGET; those that had none for longest are asked first."""
        self._rests = {key: rest for key, rest in self._rests.items() if now < rest.until + LONGEST}
        asked = {(q.source, q.text) for q in questions}
        self._answered = {key: at for key, at in self._answered.items() if key in asked or now - at < LONGEST}
        found = {q.rule: Answer[T](None, why) for q in questions if (why := self._resting(q, now))}
        due = [question for question in questions if question.rule not in found]
        due.sort(key=lambda question: self._answered.get((question.source, question.text), 0.0))
        gates = {question.source: asyncio.Semaphore(AT_ONCE) for question in due}
        end = asyncio.get_running_loop().time() + BUDGET
        made = await asyncio.gather(*(_answer(question, gates[question.source], end) for question in due))
        for source in gates:
            theirs = [(q, answer) for q, answer in zip(due, made, strict=True) if q.source == source]
            self._learn(source, theirs, now)
        return found | {question.rule: answer for question, answer in zip(due, made, strict=True)}

    def _resting(self, question: Question[T], now: float) -> str:
        for text in ("", question.text):
            rest = self._rests.get((question.source, text))
            if rest is not None and now < rest.until:
                return (
                    f"{question.source} did not answer in time and is asked again in {rest.until - now:.0f} s"
                )
        return ""

    def _learn(self, source: str, answers: Sequence[tuple[Question[T], Answer[T]]], now: float) -> None:
        late = [question.text for question, answer in answers if answer.late]
        for question, answer in answers:
            if not answer.error:
                self._answered[source, question.text] = now
                self._rests.pop((source, question.text), None)
        if any(not answer.error for _, answer in answers):
            self._rests.pop((source, ""), None)
        else:
            late = [""] if late else []
        for text in late:
            before = self._rests.get((source, text))
            seconds = min(2 * before.seconds, LONGEST) if before is not None else REST
            self._rests[source, text] = _Rest(now + seconds, seconds)


async def _answer(question: Question[T], gate: asyncio.Semaphore, end: float) -> Answer[T]:
    soon = end - SPARE * BUDGET
    try:
        async with asyncio.timeout_at(soon):
            await gate.acquire()
    except TimeoutError:
        return Answer(None, f"{question.source} was busy with other rules for {BUDGET:g} s")
    began = time.perf_counter()
    try:
        async with asyncio.timeout_at(end):
            made = await question.ask(soon)
        return Answer(made, took=time.perf_counter() - began)
    except TimeoutError:
        return Answer(None, f"no answer in {BUDGET:g} s", time.perf_counter() - began, late=True)
    except (PerftuiError, ValueError) as error:
        took = time.perf_counter() - began
        return Answer(None, str(error), took, late=isinstance(error, Lost) and took > SWIFT)
    finally:
        gate.release()
