"""The one door: what is asked, refused, written, stopped and taken back."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import pytest

from perftui.model.action import Made, Outcome, Plan, Progress, Receipt, Risk
from perftui.model.errors import ActionError, Cancelled, Lost, PartlyDone, PlanRejected
from perftui.runtime import conductor as module
from perftui.runtime.audit import Audit
from perftui.runtime.clock import Clock
from perftui.runtime.conductor import Conductor
from perftui.runtime.tasks import Crew
from perftui.runtime.undobook import UndoBook
from tests.waiting import until


@dataclass(frozen=True)
class Env:
    name: str = "lab"
    kind: str = "lab"


@dataclass
class Write:
    """Writes a file, so that what was sent can be seen; `during` runs in its middle."""

    path: object
    id: str = "file.write"
    title: str = "Write"
    target: str = "file"
    risk: Risk = Risk.CHANGES
    deadline: float = 5.0
    params: dict = field(default_factory=lambda: {"password": "hunter2", "n": 1})
    reversible: bool = True
    challenge: str = ""
    during: object = None

    async def plan(self):
        return Plan("write one file", ("file",), 1, reversible=self.reversible, challenge=self.challenge)

    async def run(self, report):
        report(Progress(0, 1))
        if self.during:
            await self.during()
        self.path.write_text("new")
        report(Progress(1, 1))
        return Receipt("wrote one file", 1, undo={"path": str(self.path)})

    async def undo(self, receipt):
        assert receipt.undo == {"path": str(self.path)}
        self.path.unlink()
        return Receipt("removed the file", 1)


async def yes(action, plan):
    return True


async def no(action, plan):
    return False


@pytest.fixture
def audit(tmp_path):
    return Audit(tmp_path / "audit.jsonl")


@pytest.fixture
def events():
    return []


@pytest.fixture
def conductor(audit, events):
    return Conductor(Env(), audit, Clock(), note=events.append)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sent"


def outcomes(audit):
    return [entry.outcome for entry in reversed(audit.entries())]


async def test_done_is_written_before_and_after(conductor, audit, path, events):
    seen = []

    async def during():
        seen.extend(audit.entries())

    told = []
    receipt = await conductor.perform(Write(path, during=during), yes, report=told.append)
    assert receipt.summary == "wrote one file"
    assert [entry.outcome for entry in seen] == [Outcome.STARTED]
    done, started = audit.entries()
    assert (started.outcome, done.outcome) == (Outcome.STARTED, Outcome.DONE)
    assert started.run == done.run
    assert (done.env, done.action, done.target, done.plan) == ("lab", "file.write", "file", "write one file")
    assert done.params == {"password": "•••", "n": 1}
    assert (done.detail, done.duration > 0) == ("wrote one file", True)
    assert told == [Progress(0, 1), Progress(1, 1)]
    assert [(event.kind, event.title, event.ref) for event in events] == [("action", "Write: done", done.run)]
    assert audit.verify().ok


async def test_declined_sends_nothing(conductor, audit, path):
    with pytest.raises(PlanRejected, match="declined"):
        await conductor.perform(Write(path), no)
    assert not path.exists()
    assert outcomes(audit) == [Outcome.DECLINED]
    assert conductor.running == ()


async def test_read_only_refuses_without_asking(conductor, audit, path):
    conductor.read_only = True

    async def never(action, plan):
        raise AssertionError

    with pytest.raises(PlanRejected, match="read-only"):
        await conductor.perform(Write(path), never)
    assert outcomes(audit) == [Outcome.REFUSED]
    await conductor.perform(Write(path, risk=Risk.READS), None)
    assert outcomes(audit)[1:] == [Outcome.STARTED, Outcome.DONE]


async def test_a_change_without_anybody_to_ask_is_refused(conductor, path):
    with pytest.raises(PlanRejected, match="confirmation"):
        await conductor.perform(Write(path), None)
    assert not path.exists()


@pytest.mark.parametrize(
    ("risk", "challenge", "kind", "want"),
    [
        (Risk.CHANGES, "", "lab", ""),
        (Risk.CHANGES, "", "production", ""),
        (Risk.DESTROYS, "", "lab", "file"),
        (Risk.DESTROYS, "", "production", "shop-eu file"),
        (Risk.DESTROYS, "session:*", "production", "shop-eu session:*"),
        (Risk.CHANGES, "web 12", "production", "shop-eu web 12"),
        (Risk.DESTROYS, "shop-eu now", "production", "shop-eu now"),
    ],
)
async def test_challenges_name_production(audit, path, risk, challenge, kind, want):
    conductor = Conductor(Env("shop-eu", kind), audit, Clock())
    plan = await conductor.plan(Write(path, risk=risk, challenge=challenge))
    assert plan.challenge == want


async def test_an_unwritable_audit_sends_nothing(tmp_path, path):
    (tmp_path / "file").write_text("")
    conductor = Conductor(Env(), Audit(tmp_path / "file" / "audit.jsonl"), Clock())
    for action, ask in ((Write(path), yes), (Write(path, risk=Risk.READS), None)):
        with pytest.raises(PlanRejected, match=r"cannot write .*; nothing was sent"):
            await conductor.perform(action, ask)
    assert not path.exists()


async def test_an_outcome_that_cannot_be_written_is_told(conductor, audit, path):
    async def during():
        audit._chain.path = path / "nowhere" / "audit.jsonl"

    receipt = await conductor.perform(Write(path, during=during), yes)
    assert receipt.done == 1
    assert conductor.problem.startswith("cannot write")


async def test_progress_and_cancel(conductor, audit, path):
    async def during():
        await asyncio.Event().wait()

    async with Crew("test") as crew:
        task = crew.start("perform", conductor.perform(Write(path, during=during), yes), watched=True)
        await until(lambda: conductor.running and conductor.running[0].progress == Progress(0, 1))
        running = conductor.actions.value[0]
        assert (running.action, running.target) == ("file.write", "file")
        with pytest.raises(PlanRejected, match="already under way"):
            await conductor.perform(Write(path), yes)
        assert conductor.cancel(running.id)
        with pytest.raises(Cancelled, match="look before"):
            await task
    assert not conductor.cancel(running.id)
    assert outcomes(audit) == [Outcome.STARTED, Outcome.CANCELLED]
    assert conductor.actions.value == ()


async def test_a_cancelled_run_that_changed_something_can_be_undone(conductor, audit, path):
    async def during():
        path.write_text("half")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Cancelled("stopped after 1 of 2", Receipt("half", 1, undo={"path": str(path)})) from None

    async with Crew("test") as crew:
        task = crew.start("perform", conductor.perform(Write(path, during=during), yes), watched=True)
        await until(path.exists)
        conductor.cancel(conductor.running[0].id)
        with pytest.raises(Cancelled, match="1 of 2"):
            await task
    await conductor.undo_last(yes)
    assert not path.exists()


async def test_a_deadline_ends_a_run(conductor, audit, path):
    async def during():
        await asyncio.Event().wait()

    with pytest.raises(ActionError, match=r"not done within 0\.05 s"):
        await conductor.perform(Write(path, deadline=0.05, during=during), yes)
    assert outcomes(audit) == [Outcome.STARTED, Outcome.FAILED]


async def test_a_run_that_ignores_its_end_is_left_behind(conductor, audit, path, monkeypatch):
    monkeypatch.setattr(module, "GRACE", 0.05)
    release = asyncio.Event()

    async def during():
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                pass

    with pytest.raises(Cancelled, match="what it has changed is unknown"):
        await conductor.perform(Write(path, deadline=0.05, during=during), yes)
    release.set()
    assert outcomes(audit) == [Outcome.STARTED, Outcome.CANCELLED]
    await until(lambda: not conductor._crew.names)


@pytest.mark.parametrize(
    ("error", "outcome", "raised"),
    [
        (PartlyDone("the link broke", Receipt("some", 3, ("a",), 2)), Outcome.PARTLY, PartlyDone),
        (Lost("gone"), Outcome.FAILED, Lost),
        (PlanRejected("revision 7 is no longer current"), Outcome.REFUSED, PlanRejected),
        (ActionError("no"), Outcome.FAILED, ActionError),
        (ZeroDivisionError("division by zero"), Outcome.FAILED, ActionError),
    ],
)
async def test_every_end_has_its_word(conductor, audit, path, error, outcome, raised):
    async def during():
        raise error

    with pytest.raises(raised):
        await conductor.perform(Write(path, during=during), yes)
    assert outcomes(audit) == [Outcome.STARTED, outcome]
    assert conductor.undoable == ()


async def test_partly_says_what_is_left(conductor, audit, path):
    async def during():
        raise PartlyDone("the link broke", Receipt("some", 3, ("a",), 2))

    with pytest.raises(PartlyDone):
        await conductor.perform(Write(path, during=during), yes)
    assert audit.entries()[0].detail == "the link broke: 3 done, 1 failed, 2 untouched"


async def test_undo_goes_through_the_same_door(conductor, audit, path):
    await conductor.perform(Write(path), yes)
    (undoable,) = conductor.undoable
    asked = []

    async def ask(action, plan):
        asked.append(plan.summary)
        return True

    with pytest.raises(PlanRejected, match="declined"):
        await conductor.undo_last(no)
    conductor.read_only = True
    with pytest.raises(PlanRejected, match="read-only"):
        await conductor.undo_last(yes)
    conductor.read_only = False
    receipt = await conductor.undo(undoable.id, ask)
    assert receipt.summary == "removed the file"
    assert asked == ["undo: wrote one file"]
    assert not path.exists()
    assert audit.entries()[0].outcome is Outcome.UNDONE
    assert audit.entries()[1].outcome is Outcome.STARTED
    with pytest.raises(PlanRejected, match="nothing to undo"):
        await conductor.undo_last(yes)
    with pytest.raises(PlanRejected, match="any more"):
        await conductor.undo(undoable.id, yes)


async def test_undo_takes_the_latest_first(conductor, tmp_path):
    for name in "ab":
        await conductor.perform(Write(tmp_path / name, target=name), yes)
    await conductor.perform(Write(tmp_path / "c", target="c", reversible=False), yes)
    assert [undoable.action.target for undoable in conductor.undoable] == ["b", "a"]
    await conductor.undo_last(yes)
    assert [(tmp_path / name).exists() for name in "abc"] == [True, False, True]


async def test_a_plan_that_fails_is_no_action(conductor, audit, path):
    class Broken(Write):
        async def plan(self):
            raise KeyError("x")

    with pytest.raises(PlanRejected, match="KeyError"):
        await conductor.perform(Broken(path), yes)
    assert outcomes(audit) == []


async def test_quitting_during_a_run_leaves_its_outcome(conductor, audit, path):
    async def during():
        await asyncio.Event().wait()

    async with Crew("test") as crew:
        task = crew.start("perform", conductor.perform(Write(path, during=during), yes), watched=True)
        await until(lambda: conductor.running and conductor.running[0].progress == Progress(0, 1))
        task.cancel()
        await until(task.done)
    assert task.cancelled()
    assert outcomes(audit) == [Outcome.STARTED, Outcome.CANCELLED]


async def test_quitting_during_the_question_is_declined(conductor, audit, path):
    asked = asyncio.Event()

    async def ask(action, plan):
        asked.set()
        await asyncio.Event().wait()

    async with Crew("test") as crew:
        task = crew.start("perform", conductor.perform(Write(path), ask), watched=True)
        await until(asked.is_set)
        assert conductor.running == ()
        task.cancel()
        await until(task.done)
    assert outcomes(audit) == [Outcome.DECLINED]


async def test_close_stops_everything_and_waits(conductor, audit, path):
    async def during():
        await asyncio.Event().wait()

    async with Crew("test") as crew:
        task = crew.start("perform", conductor.perform(Write(path, during=during), yes), watched=True)
        await until(lambda: conductor.running and conductor.running[0].progress == Progress(0, 1))
        await conductor.close()
        await until(task.done)
    assert outcomes(audit) == [Outcome.STARTED, Outcome.CANCELLED]


async def test_unfinished_runs_are_found_and_closed(conductor, audit, path):
    await conductor.perform(Write(path), yes)
    lines = audit.path.read_text().splitlines(keepends=True)
    started = json.loads(lines[0])
    audit.path.unlink()
    audit.path.with_suffix(".head").unlink()
    audit.path.write_text(lines[0])
    (entry,) = await conductor.unfinished()
    assert entry.run == started["run"]
    await conductor.close_unfinished(entry, "state now: new")
    assert await conductor.unfinished() == ()
    assert audit.entries()[0].detail == "state now: new"


@pytest.fixture
def book(tmp_path):
    return UndoBook(tmp_path / "undo.jsonl")


def made(path, **how):
    action = Write(path, **how)
    action.made = Made("disk", {"path": str(path)})
    return action


async def test_another_process_takes_back_what_the_book_holds(audit, book, tmp_path):
    here = Conductor(Env(), audit, Clock(), book=book)
    await here.perform(made(tmp_path / "f"), yes)
    (kept,) = book.kept("lab")
    assert (kept.action, kept.source, kept.params) == ("file.write", "disk", {"path": str(tmp_path / "f")})
    assert (kept.summary, kept.done, kept.affects, kept.undo) == (
        *("wrote one file", 1, ("file",)),
        {"path": str(tmp_path / "f")},
    )
    there = Conductor(Env(), audit, Clock(), book=book)
    there.adopt(kept, Write(tmp_path / "f"))
    plan = there.undo_plan(kept.run)
    assert (plan.summary, plan.affects, plan.count) == ("undo: wrote one file", ("then: file",), 1)
    assert (await there.undo(kept.run, yes)).summary == "removed the file"
    assert not (tmp_path / "f").exists()
    assert book.kept("lab") == ()
    with pytest.raises(PlanRejected, match="cannot be undone any more"):
        there.undo_plan(kept.run)
    await here.perform(Write(tmp_path / "older"), yes)  # in no book
    assert [one.booked for one in here.undoable] == [False, True]
    with pytest.raises(PlanRejected, match="another console or shell has taken that back already"):
        await here.undo(kept.run, yes)
    assert [one.booked for one in here.undoable] == [False]
    assert (await here.undo_last(yes)).summary == "removed the file"


async def test_what_was_done_in_part_is_in_the_book_too_and_what_cannot_be_undone_is_not(
    audit, book, tmp_path
):
    conductor = Conductor(Env(), audit, Clock(), book=book)

    async def half():
        raise PartlyDone("half", Receipt("half", 1, undo={"path": "half"}))

    with pytest.raises(PartlyDone):
        await conductor.perform(made(tmp_path / "f", during=half), yes)
    assert [one.summary for one in book.kept("lab")] == ["half"]
    await conductor.perform(made(tmp_path / "f", reversible=False), yes)
    await conductor.perform(Write(tmp_path / "f"), yes)  # nobody could make it again
    assert [one.summary for one in book.kept("lab")] == ["half"]
    assert len(conductor.undoable) == 2


async def test_a_book_that_cannot_be_written_spoils_nothing(audit, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    conductor = Conductor(Env(), audit, Clock(), book=UndoBook(tmp_path / "file" / "undo.jsonl"))
    assert (await conductor.perform(made(tmp_path / "f"), yes)).done == 1
    assert "only the process that acts can undo what it did" in caplog.text
    assert not conductor.undoable[0].booked
    assert (await conductor.undo_last(yes)).summary == "removed the file"


async def test_an_undo_that_fails_stays_in_the_book(audit, book, tmp_path):
    conductor = Conductor(Env(), audit, Clock(), book=book)
    await conductor.perform(made(tmp_path / "f"), yes)
    (tmp_path / "f").unlink()
    with pytest.raises(ActionError):
        await conductor.undo_last(yes)
    assert len(book.kept("lab")) == 1
