"""Removing by tag from the console: new tokens for old, and the old ones again."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.restore import Report, checked_id
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.clusterports import TagKeeper
from perftui.model.errors import BackendError, PartlyDone, PlanRejected
from perftui.model.tagtokens import EVERYTHING, TOKEN

KEEP = 3600.0
MOST = 1000  # tags of one removal


class RemoveByTag:
    """Every entry of `namespace` that has one of `tags` is as if it were gone: no key is touched.

    The tokens before stay in the server for `keep` seconds under an id; undo sets them back, so that what
    was stored before is current again and what was stored since is not.
    """

    id: ClassVar[str] = "cache.purge-tag"
    title: str = "Remove entries by tag"
    risk: Risk = Risk.DESTROYS
    deadline: float = 60.0

    def __init__(
        self, power: TagKeeper, source: str, *, namespace: str, tags: Sequence[str], keep: float = KEEP
    ) -> None:
        self._power = power
        self._source = source
        self._namespace = namespace
        self._tags = tuple(dict.fromkeys(tags))
        self._keep = keep
        self.undo_id = secrets.token_hex(4)
        named = ", ".join(inert(tag, 40) for tag in self._tags[:5])
        self.target = f"{source} {inert(namespace, 60)} {named}"
        self.params = {"namespace": namespace, "tags": list(self._tags[:100]), "keep_s": keep}

    async def plan(self) -> Plan:
        """Which tags are there; PlanRejected where none is, for then no entry has them."""
        if not 0 < len(self._tags) <= MOST:
            raise PlanRejected(f"name 1 to {MOST:,} tags")
        known = await self._known()
        missing = [inert(tag, 60) for tag in self._tags if tag not in known]
        if not known:
            raise PlanRejected(
                f"no entry of {inert(self._namespace, 60)} has the tag {', '.join(missing[:5])}"
            )
        everything = EVERYTHING in known
        return Plan(
            summary=f"remove every entry of {inert(self._namespace, 60)}"
            + ("" if everything else f" that has {_either(known)}"),
            affects=(
                f"{len(known)} tags change their tokens; no key is touched, so it takes no longer for many",
                *([f"not there, so no entry has them: {', '.join(missing[:10])}"] if missing else []),
            ),
            reversible=self._keep > 0,
            undo_note=f"for {fmt.age(self._keep)} undo makes what was stored before current again"
            if self._keep
            else "",
            warnings=(
                "memory is freed as the entries' lives end",
                "nodes that hear of changes by publish/subscribe alone go on with what is in their memory",
            ),
            challenge=self._namespace if everything else next(iter(known)),
        )

    async def run(self, report: Report) -> Receipt:
        """Draw new tokens, the old ones kept first.

        Raises:
            PartlyDone: a server was lost midway; undo sets back what was changed.
        """
        known = await self._known()
        drawn = {tag: secrets.token_bytes(2 * TOKEN) for tag in known}
        if self._keep and known:
            pairs = {tag: [known[tag].hex(), drawn[tag].hex()] for tag in known}
            note = json.dumps({"namespace": self._namespace, "tags": pairs}).encode()
            await self._power.keep_note(self.undo_id, note, self._keep)
        done: list[str] = []
        changed: list[str] = []
        for tag, before in known.items():
            try:
                swapped = await self._power.swap_tokens(self._namespace, tag, before, drawn[tag])
            except BackendError as error:
                if not done:
                    raise
                raise PartlyDone(str(error), self._receipt(done, changed, len(known))) from error
            (done if swapped else changed).append(tag)
            report(Progress(len(done) + len(changed), len(known), "tags changed"))
        return self._receipt(done, changed, len(known))

    def _receipt(self, done: Sequence[str], changed: Sequence[str], planned: int) -> Receipt:
        text = f"entries with {len(done)} tags are removed"
        if self._keep and done:
            text += f", undo within {fmt.age(self._keep)} with id {self.undo_id}"
        if changed:
            text += f"; {len(changed)} tags were changed by others meanwhile, which removes as well"
        undo = {"id": self.undo_id, "source": self._source, "until": time.time() + self._keep}
        return Receipt(
            text,
            done=len(done),
            untouched=planned - len(done) - len(changed),
            undo=undo if self._keep and done else None,
        )

    async def _known(self) -> dict[str, bytes]:
        tokens = await self._power.tag_tokens(self._namespace, self._tags)
        return {tag: token for tag, token in zip(self._tags, tokens, strict=True) if token}

    async def undo(self, receipt: Receipt) -> Receipt:
        """Set the old tokens back, where ours still stand."""
        back = RestoreTag(self._power, self._source, id_=str((receipt.undo or {}).get("id", self.undo_id)))
        await back.plan()
        return await back.run(lambda _progress: None)


class RestoreTag:
    """Set back the tokens that a removal by tag replaced, by its id."""

    id: ClassVar[str] = "cache.restore-tag"
    title: str = "Let entries of a tag be current again"
    risk: Risk = Risk.CHANGES
    deadline: float = 60.0

    def __init__(self, power: TagKeeper, source: str, *, id_: str) -> None:
        self._power = power
        self._source = source
        self._id = checked_id(id_)
        self.target = f"{source} removal {self._id}"
        self.params = {"id_": self._id}

    async def plan(self) -> Plan:
        """What was removed; PlanRejected when nothing is kept under the id."""
        namespace, tags = await self._noted()
        return Plan(
            summary=f"make entries of {inert(namespace, 60)} with {_either(tags)} current again",
            affects=("what was stored since the removal is loaded anew; what ended meanwhile stays ended",),
            count=len(tags),
        )

    async def run(self, report: Report) -> Receipt:
        """Set them back.

        Raises:
            PartlyDone: some tags were changed again since: these stay as they are.
        """
        namespace, tags = await self._noted()
        done = 0
        for tag, (before, drawn) in tags.items():
            done += await self._power.swap_tokens(namespace, tag, drawn, before)
            report(Progress(done, len(tags), "tags set back"))
        receipt = Receipt(
            f"{done} of {len(tags)} tags have the tokens they had", done, untouched=len(tags) - done
        )
        if done < len(tags):
            raise PartlyDone(f"{receipt.summary}: the others were removed again since", receipt)
        return receipt

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: removing again is a decision of its own."""
        raise PlanRejected(f"this is not undone: remove again instead ({receipt.summary})")

    async def _noted(self) -> tuple[str, dict[str, tuple[bytes, bytes]]]:
        text = await self._power.note_kept(self._id) if self._id else b""
        try:
            said = json.loads(text)
            tags = {str(t): (_token(a), _token(b)) for t, (a, b) in said["tags"].items()}
            return str(said["namespace"]), tags
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise PlanRejected(f"no removal by tag is kept under {self._id or 'that id'}") from None


def _token(text: str) -> bytes:
    token = bytes.fromhex(text)
    if len(token) != 2 * TOKEN:
        raise ValueError(text)
    return token


def _either(tags: Mapping[str, object]) -> str:
    shown = [inert(tag, 60) for tag in list(tags)[:5]]
    more = f" or {len(tags) - 5} more" if len(tags) > 5 else ""
    return f"the tag {' or '.join(shown)}{more}"
