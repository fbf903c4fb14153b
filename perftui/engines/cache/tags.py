"""Removing by tag from the console: new tokens for old, and the old ones again."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.edges import Edges
from perftui.engines.cache.filework import settled, whole
from perftui.engines.cache.keyfile import KeyFile, contents, path_text
from perftui.engines.cache.keyrecords import About
from perftui.engines.cache.restore import Report, checked_id
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.clusterports import TagKeeper
from perftui.model.errors import BackendError, PartlyDone, PlanRejected
from perftui.model.keydumps import CAP
from perftui.model.tagtokens import EVERYTHING, TOKEN

KEEP = 3600.0
MOST = 1000  # tags of one removal


class RemoveByTag:
    """Every entry of `namespace` that has one of `tags` is as if it were gone: no key is touched.

    The tokens before stay in the server for `keep` seconds under an id, or go to the new `file`; undo sets
    them back, so that what was stored before is current again and what was stored since is not.
    """

    id: ClassVar[str] = "cache.purge-tag"
    title: str = "Remove entries by tag"
    risk: Risk = Risk.DESTROYS
    deadline: float = 60.0

    def __init__(
        self,
        power: TagKeeper,
        source: str,
        *,
        namespace: str,
        tags: Sequence[str],
        keep: float = KEEP,
        file: str = "",
    ) -> None:
        self._power = power
        self._source = source
        self._namespace = namespace
        self._tags = tuple(dict.fromkeys(tags))
        self._path = whole(file) if file else None
        self._keep = 0.0 if file else keep
        self._edges = Edges(power)
        self.undo_id = secrets.token_hex(4)
        named = ", ".join(inert(tag, 40) for tag in self._tags[:5])
        self.target = f"{source} {inert(namespace, 60)} {named}"
        self.params = {"namespace": namespace, "tags": list(self._tags[:100]), "keep_s": self._keep}
        if self._path is not None:
            self.params |= {"file": path_text(self._path), "quarantine": self.undo_id}

    async def plan(self) -> Plan:
        """Which tags are there; PlanRejected where none is, for then no entry has them."""
        if not 0 < len(self._tags) <= MOST:
            raise PlanRejected(f"name 1 to {MOST:,} tags")
        if self._path is not None and os.path.lexists(self._path):
            raise PlanRejected(f"{path_text(self._path)} exists: name a file that does not")
        known = await self._known()
        await self._edges.look()
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
                f"{fmt.many(len(known), 'tag')} with new tokens: no key is touched, and many take no longer",
                *([f"not there, so no entry has them: {', '.join(missing[:10])}"] if missing else []),
                *(
                    ["pages at the edge made of them: queued for `perftui cdn relay`"]
                    if self._relayed
                    else []
                ),
            ),
            reversible=bool(self._undo_note),
            undo_note=self._undo_note,
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
        if known:
            pairs = {tag: [known[tag].hex(), drawn[tag].hex()] for tag in known}
            await self._keep_note(json.dumps({"namespace": self._namespace, "tags": pairs}).encode())
        done: list[str] = []
        changed: list[str] = []
        for tag, before in known.items():
            try:
                swapped = await self._power.swap_tokens(self._namespace, tag, before, drawn[tag])
            except BackendError as error:
                if not done:
                    raise
                receipt = await self._receipt(done, changed, len(known))
                raise PartlyDone(str(error), receipt) from error
            (done if swapped else changed).append(tag)
            report(Progress(len(done) + len(changed), len(known), "tags changed"))
        return await self._receipt(done, changed, len(known))

    @property
    def _relayed(self) -> bool:
        return self._edges.of(f"{self._namespace}:".encode("utf-8", "surrogatepass")) == self._namespace

    @property
    def _undo_note(self) -> str:
        what = "undo makes what was stored before current again"
        if self._path is not None:
            return f"for as long as {path_text(self._path)} is kept {what}"
        return f"for {fmt.age(self._keep)} {what}" if self._keep else ""

    async def _keep_note(self, note: bytes) -> None:
        """What undo takes, before anything changes."""
        if self._path is not None:
            await settled(lambda: self._save(note))
        elif self._keep:
            await self._power.keep_note(self.undo_id, note, self._keep)

    def _save(self, note: bytes) -> None:
        assert self._path is not None
        about = About(self.undo_id, self._source, f"tags of {self._namespace}")
        file = KeyFile.create(self._path, about, CAP)
        try:
            file.note(note)
        finally:
            file.close()

    async def _receipt(self, done: Sequence[str], changed: Sequence[str], planned: int) -> Receipt:
        text = f"entries with {fmt.many(len(done), 'tag')} are removed"
        if done and self._path is not None:
            text += f", undo with id {self.undo_id} from {path_text(self._path)}"
        elif done and self._keep:
            text += f", undo within {fmt.age(self._keep)} with id {self.undo_id}"
        if changed:
            text += f"; changed by others meanwhile, which removes as well: {fmt.many(len(changed), 'tag')}"
        if done:
            self._edges.removed(self._namespace, done)
        if told := await self._edges.tell():
            text += f"; {told}"
        undo: dict[str, Any] = {"id": self.undo_id, "source": self._source}
        undo |= {"file": str(self._path)} if self._path else {"until": time.time() + self._keep}
        return Receipt(
            text,
            done=len(done),
            untouched=planned - len(done) - len(changed),
            undo=undo if self._undo_note and done else None,
        )

    async def _known(self) -> dict[str, bytes]:
        tokens = await self._power.tag_tokens(self._namespace, self._tags)
        return {tag: token for tag, token in zip(self._tags, tokens, strict=True) if token}

    async def undo(self, receipt: Receipt) -> Receipt:
        """Set the old tokens back, where ours still stand."""
        kept = receipt.undo or {}
        id_, note = str(kept.get("id", self.undo_id)), b""
        if self._path is not None:
            path = whole(str(kept.get("file", self._path)))
            found = await settled(lambda: contents(path))
            if found.about.id != id_:
                raise PlanRejected(f"{path_text(path)} is of purge {found.about.id}, not of {id_}")
            note = found.note
        back = RestoreTag(self._power, self._source, id_=id_, note=note)
        await back.plan()
        return await back.run(lambda _progress: None)


class RestoreTag:
    """Set back the tokens that a removal by tag replaced, by its id; with `note` as a file has them."""

    id: ClassVar[str] = "cache.restore-tag"
    title: str = "Let entries of a tag be current again"
    risk: Risk = Risk.CHANGES
    deadline: float = 60.0

    def __init__(self, power: TagKeeper, source: str, *, id_: str, note: bytes = b"") -> None:
        self._power = power
        self._source = source
        self._id = checked_id(id_)
        self._note = note
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
        back = f"back to the tokens they had: {done} of {fmt.many(len(tags), 'tag')}"
        receipt = Receipt(back, done, untouched=len(tags) - done)
        if done < len(tags):
            raise PartlyDone(f"{receipt.summary}: the others were removed again since", receipt)
        return receipt

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: removing again is a decision of its own."""
        raise PlanRejected(f"this is not undone: remove again instead ({receipt.summary})")

    async def _noted(self) -> tuple[str, dict[str, tuple[bytes, bytes]]]:
        text = self._note or (await self._power.note_kept(self._id) if self._id else b"")
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
