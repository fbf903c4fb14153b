"""Training a zstd dictionary on a namespace's own values, putting it in force, and taking that back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from perftui.analysis.codec import CannotUnpack, Codec, Packer
from perftui.analysis.codecchoice import Trial
from perftui.analysis.codectrain import SIZE, Trained, train
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Receipt, Risk
from perftui.model.envelope import Unreadable, unpack
from perftui.model.errors import PlanRejected
from perftui.model.ports import DictionaryKeeper

VALUES = 2000
SMALLEST, LARGEST = 1 << 10, 256 << 10  # bytes of a dictionary


class TrainDictionary:
    """Sample values, train a dictionary, show what each codec makes of them; the old one is the undo."""

    id: ClassVar[str] = "cache.dictionary"
    title: str = "Train a dictionary for a namespace"
    risk: Risk = Risk.CHANGES
    deadline: float = 60.0

    def __init__(
        self, power: DictionaryKeeper, source: str, *, namespace: str, size: int = SIZE, values: int = VALUES
    ) -> None:
        self._power = power
        self._source = source
        self._namespace = namespace
        self._size = size
        self._values = values
        self._trained: Trained | None = None
        self._before = 0
        self.target = f"{source} {inert(namespace, 80)}"
        self.params = {"namespace": namespace, "size": size, "values": values}

    async def plan(self) -> Plan:
        """Figures of every codec on values the dictionary was not made of; PlanRejected for too few."""
        if not self._namespace or not SMALLEST <= self._size <= LARGEST or not 16 <= self._values <= 20_000:
            raise PlanRejected("a namespace, 1 to 256 KiB for the dictionary, 16 to 20,000 values")
        known = Packer(Codec.RAW)
        found = [v async for v in self._unpacked(known)]
        try:
            self._trained = await asyncio.to_thread(train, found, self._size)
        except ValueError as error:
            raise PlanRejected(f"{inert(self._namespace, 80)}: {error}") from error
        self._before = (await self._power.dictionary_state(self._namespace)).current
        trials = self._trained.by_name
        gain = trials["zstd+dictionary"].ratio / max(t.ratio for t in trials.values() if not t.dictionary)
        mean = sum(map(len, found)) / len(found)
        return Plan(
            summary=f"write {inert(self._namespace, 80)} of {self._source} with a dictionary of its own",
            affects=(
                f"{fmt.many(len(found), 'value')}, {fmt.bytes_(mean)} in the mean; a quarter was kept apart:",
                *(_line(name, one) for name, one in trials.items()),
            ),
            count=len(found),
            bytes_=len(self._trained.dictionary),
            reversible=True,
            undo_note="writes as before; values written meanwhile stay readable",
            warnings=() if gain > 1.1 else ("it hardly gains over the best codec without it",),
        )

    async def _unpacked(self, known: Packer) -> AsyncIterator[bytes]:
        """The values that are entries of the library, as they were before they were packed."""
        missing: set[int] = set()
        for raw in await self._power.sample_values(self._namespace, self._values):
            envelope = unpack(raw)
            if isinstance(envelope, Unreadable) or envelope.removed:
                continue
            number = envelope.dictionary
            if number and number not in known.known and number not in missing:
                missing.add(number)
                data = await self._power.dictionary(self._namespace, number)
                try:
                    known.learn(data)
                except ValueError:
                    continue
            try:
                yield known.unpack(envelope.codec, number, envelope.payload, envelope.size)
            except CannotUnpack:
                continue

    async def run(self, report: Report) -> Receipt:
        """Put it in force."""
        if self._trained is None:
            raise PlanRejected("nothing was trained yet")
        await self._power.put_dictionary(self._namespace, self._trained.number, self._trained.dictionary)
        undo = {"namespace": self._namespace, "number": self._trained.number, "before": self._before}
        ratio = self._trained.by_name["zstd+dictionary"].ratio
        text = f"{self.target}: dictionary {self._trained.number} is in force, {ratio:.2f} times smaller"
        return Receipt(text, done=1, undo=undo, facts={"trials": _facts(self._trained.trials)})

    async def undo(self, receipt: Receipt) -> Receipt:
        """Write as before, unless somebody else put another in force since."""
        old = receipt.undo or {}
        namespace, before = str(old["namespace"]), int(old["before"])
        now = (await self._power.dictionary_state(namespace)).current
        if now != old["number"]:
            raise PlanRejected(f"dictionary {now} is in force by now: somebody changed it since")
        await self._power.use_dictionary(namespace, before)
        return Receipt(f"{inert(namespace, 80)} is written as before", done=1)


class RollBackDictionary:
    """Put the dictionary before, or none, in force again; doing it twice comes back."""

    id: ClassVar[str] = "cache.dictionary-back"
    title: str = "Go back to the dictionary before"
    risk: Risk = Risk.CHANGES
    deadline: float = 10.0

    def __init__(self, power: DictionaryKeeper, source: str, *, namespace: str) -> None:
        self._power = power
        self._namespace = namespace
        self._to = self._from = 0
        self.target = f"{source} {inert(namespace, 80)}"
        self.params = {"namespace": namespace}

    async def plan(self) -> Plan:
        """Which it is and which it was; PlanRejected when there is none."""
        state = await self._power.dictionary_state(self._namespace)
        if state.current == state.before:
            raise PlanRejected(f"{inert(self._namespace, 80)} has no other dictionary to go back to")
        self._from, self._to = state.current, state.before
        return Plan(
            summary=f"{self.target}: dictionary {self._to or 'none'} in place of {self._from or 'none'}",
            affects=("values written with either stay readable",),
            count=1,
            reversible=True,
            undo_note="the same again",
        )

    async def run(self, report: Report) -> Receipt:
        """Swap them."""
        await self._power.use_dictionary(self._namespace, self._to)
        undo = {"namespace": self._namespace, "number": self._from}
        return Receipt(f"{self.target}: dictionary {self._to or 'none'} is in force", done=1, undo=undo)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Swap them again."""
        old = receipt.undo or {}
        await self._power.use_dictionary(str(old["namespace"]), int(old["number"]))
        return Receipt(f"{self.target}: dictionary {old['number'] or 'none'} is in force again", done=1)


def _line(name: str, one: Trial) -> str:
    took = f"{one.pack_s * 1e6:.1f} µs to pack, {one.unpack_s * 1e6:.1f} µs to unpack"
    return f"{name}: {one.ratio:.2f} to 1, {took}"


def _facts(trials: Sequence[Trial]) -> list[dict[str, float | str]]:
    return [
        {
            "codec": one.codec.name.lower() + ("+dictionary" if one.dictionary else ""),
            "ratio": one.ratio,
            "pack_s": one.pack_s,
            "unpack_s": one.unpack_s,
        }
        for one in trials
    ]
