"""What was done and can be taken back, in a file: by a later process, too, than the one that did it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from perftui.model.action import Action, Made, Plan, Receipt
from perftui.model.errors import StoreError
from perftui.runtime.audit import who
from perftui.runtime.chain import locked

log = logging.getLogger(__name__)

MOST: Final = 50  # that are kept of all environments together; the oldest go
LONGEST: Final = 64 << 10  # bytes of one; a longer one is not kept
LINES: Final = 40  # of a plan
BYTES: Final = "bytes, in hex"


@dataclass(frozen=True, slots=True)
class Kept:
    """One act: of what it is made again, what it did, and what its undo needs.

    `at` is epoch seconds (UTC), `done` the number of things, `affects` and `note` are of its plan.
    """

    run: str
    at: float
    env: str
    user: str
    action: str
    source: str
    target: str
    summary: str
    done: int
    affects: tuple[str, ...]
    note: str
    params: dict[str, Any]
    undo: dict[str, Any]


class UndoBook:
    """The file (0600) of one installation; every method may block on the disk and raises StoreError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, kept: Kept) -> bool:
        """Add one; False where it is too long or no JSON: then only who did it can undo it."""
        import json  # here and below: this module is imported whenever anything is done

        try:
            line = json.dumps(asdict(kept), ensure_ascii=True, allow_nan=False, default=_hex)
        except (TypeError, ValueError):
            return False
        if len(line) > LONGEST:
            return False
        self._change(lambda lines: [*lines, line][-MOST:])
        return True

    def forget(self, run: str) -> None:
        """It was taken back."""
        self._change(lambda lines: [line for line in lines if (one := _read(line)) and one.run != run])

    def holds(self, run: str) -> bool:
        """Whether it is there: neither taken back, nor older than MOST others."""
        return any((one := _read(line)) is not None and one.run == run for line in self._lines())

    def kept(self, env: str) -> tuple[Kept, ...]:
        """What can be taken back of an environment, latest first; lines that are none are passed over."""
        found = [one for line in self._lines() if (one := _read(line)) and one.env == env]
        return tuple(reversed(found))

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text("utf-8", "replace").splitlines()[-MOST:]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"cannot read {self.path}: {error.strerror or error}") from error

    def _change(self, change: Callable[[list[str]], Iterable[str]]) -> None:
        fresh = self.path.with_suffix(".fresh")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self.path):
                text = "".join(f"{line}\n" for line in change(self._lines()))
                with open(os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
                    file.write(text)
                fresh.replace(self.path)
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {error.strerror or error}") from error


def told(run: str, at: float, env: str, action: Action, plan: Plan, receipt: Receipt) -> Kept | None:
    """What a later process must know to take an action back; None where it could not make it again."""
    made: Made | None = getattr(action, "made", None)
    if made is None or receipt.undo is None:
        return None
    return Kept(
        *(
            run,
            at,
            env,
            who()[0],
            made.action or action.id,
            made.source,
            action.target,
            receipt.summary,
            receipt.done,
        ),
        *(plan.affects[:LINES], plan.undo_note, dict(made.params), receipt.undo),
    )


def way_back(plan: Plan, receipt: Receipt, challenge: str) -> Plan:
    """What taking an act back would do, from what it did."""
    return Plan(
        summary=f"undo: {receipt.summary}",
        affects=tuple(f"then: {line}" for line in plan.affects),
        count=receipt.done or None,
        warnings=(plan.undo_note,) if plan.undo_note else (),
        challenge=challenge,
    )


async def write(book: UndoBook | None, change: Callable[[UndoBook], object]) -> bool:
    """Change the book, if there is one; what was done stands whether or not this could be written."""
    if book is None:
        return False
    try:
        return await asyncio.to_thread(change, book) is not False
    except StoreError as error:
        log.warning("%s: only the process that acts can undo what it did", error)
        return False


async def gone(book: UndoBook | None, run: str) -> bool:
    """Whether what was in the book is no more; False where it cannot be read."""
    try:
        return book is not None and not await asyncio.to_thread(book.holds, run)
    except StoreError:
        return False


def plain(undo: dict[str, Any]) -> dict[str, Any]:
    """`undo` as a file would give it back; as it is where it is no JSON."""
    import json

    try:
        read: dict[str, Any] = json.loads(json.dumps(undo))
    except (TypeError, ValueError):
        return undo
    return read


def _read(line: str) -> Kept | None:
    import json

    try:
        told = json.loads(line, object_hook=_unhex)
        given = {field.name: told[field.name] for field in fields(Kept)}
        kept = Kept(**given | {"affects": tuple(told["affects"])})
        texts = (
            kept.run,
            kept.env,
            kept.user,
            kept.action,
            kept.source,
            kept.target,
            kept.summary,
            kept.note,
        )
        said = all(isinstance(text, str) for text in (*texts, *kept.affects))
        whole = isinstance(kept.params, dict) and isinstance(kept.undo, dict)
        return kept if said and whole and type(kept.at) in {int, float} and type(kept.done) is int else None
    except (ValueError, TypeError, KeyError):
        return None


def _hex(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {BYTES: value.hex()}
    raise TypeError(f"{type(value).__name__} is no JSON")


def _unhex(told: dict[str, Any]) -> Any:
    return bytes.fromhex(told[BYTES]) if told.keys() == {BYTES} else told
