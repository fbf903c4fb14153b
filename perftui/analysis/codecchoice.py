"""Which codec suits a namespace: each is tried on a sample of its values, and the cheapest in all is used.

A value's cost is the time to pack it, to send it once to L2 and READS times back, and to unpack it as often.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from perftui.analysis.codec import LEAST_SAVED, THRESHOLD, Codec, Packed, Packer, codecs_here

READS: Final = 4  # of a value for each write: what is read less is hardly worth a cache
LINK: Final = 125e6  # bytes a second: a network of 1 Gbit/s
BETTER: Final = 0.10  # share by which another codec must be cheaper before it is taken
FIRST, EVERY = 256, 10_000  # writes before the first judgement, and between later ones
SAMPLES, LONGEST, MOST = 64, 8 << 10, 128 << 10  # values, bytes looked at of one, and of all

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Trial:
    """A codec on a sample: stored bytes and seconds, both of the mean value; `ratio` is in to out."""

    codec: Codec
    dictionary: int
    ratio: float
    stored: float
    pack_s: float
    unpack_s: float

    @property
    def cost_s(self) -> float:
        """Seconds that a value costs over its life."""
        return self.pack_s + READS * self.unpack_s + (1 + READS) * self.stored / LINK


def trial(
    codec: Codec, dictionary: int, samples: Sequence[bytes], known: Packer, clock: Clock = time.perf_counter
) -> Trial:
    """Pack and unpack the samples as `known` would with that codec; the faster of two passes counts.

    What is small or gains too little stays raw, as it would when it is written.
    """
    packer = known.twin(codec, dictionary)
    pack_s = unpack_s = float("inf")
    for _ in range(2):
        began = clock()
        packed = [packer.pack(data) for data in samples]
        between = clock()
        for data, one in zip(samples, packed, strict=True):
            packer.unpack(*one, size=len(data))
        pack_s, unpack_s = min(pack_s, between - began), min(unpack_s, clock() - between)
    size, stored = sum(map(len, samples)), sum(len(one.payload) for one in packed)
    each = max(1, len(samples))
    return Trial(codec, dictionary, size / max(1, stored), stored / each, pack_s / each, unpack_s / each)


def better(trials: Sequence[Trial], codec: Codec, dictionary: int) -> Trial | None:
    """The cheapest, if it is cheaper by BETTER than the one in use; None keeps that."""
    best = min(trials, key=lambda t: t.cost_s)
    now = next((t for t in trials if (t.codec, t.dictionary) == (codec, dictionary)), None)
    if now is not None and best.cost_s > now.cost_s * (1 - BETTER):
        return None
    return best if best is not now else None


class SelfChoosing(Packer):
    """`auto`: a packer that tries what there is on some of its own values, and changes for the better.

    A judgement takes one or two milliseconds, once in EVERY writes. `trials` are those of the last one.
    """

    def __init__(
        self,
        *,
        threshold: int = THRESHOLD,
        least_saved: float = LEAST_SAVED,
        clock: Clock = time.perf_counter,
        seed: int | None = None,
    ) -> None:
        super().__init__(threshold=threshold, least_saved=least_saved)
        self.trials: tuple[Trial, ...] = ()
        self._in_force: int | None = None  # the dictionary that all nodes may write with; None: nobody said
        self.changes = 0
        self._clock = clock
        self._chance = random.Random(seed)  # noqa: S311 - which values are looked at is no secret
        self._samples: list[bytes] = []
        self._bytes = 0
        self._left = FIRST  # writes until the next judgement
        self._stride = FIRST // SAMPLES
        self._skip = 0

    def put_in_force(self, dictionary: int, without: Codec) -> None:
        """A dictionary newly in force is used at once, and may be left; one that is no more is not used."""
        if dictionary != self._in_force:
            super().put_in_force(dictionary, without)
            self._in_force = dictionary

    def pack(self, data: bytes) -> Packed:
        """The payload to store; now and then a sample, and a judgement."""
        self._left -= 1
        if self._skip <= 0:
            self._take(data)
        self._skip -= 1
        if self._left <= 0:
            self._judge()
        return super().pack(data)

    def _take(self, data: bytes) -> None:
        """Every stride-th value in the mean, never in step with what the service does in turns."""
        self._skip = self._chance.randint(1, 2 * self._stride - 1)
        if len(self._samples) < SAMPLES and self._bytes < MOST:
            self._samples.append(data[:LONGEST])
            self._bytes += len(self._samples[-1])

    def _judge(self) -> None:
        self.trials = tuple(
            trial(codec, dictionary, self._samples, self, self._clock)
            for codec, dictionary in self._choices()
        )
        taken = better(self.trials, self.codec, self.dictionary)
        if taken is not None:
            self.use(taken.codec, taken.dictionary)
            self.changes += 1
        self._samples, self._bytes = [], 0
        self._left, self._stride = EVERY, EVERY // SAMPLES

    def _choices(self) -> list[tuple[Codec, int]]:
        """All there is; of the dictionaries, the one in use and the one in force, else the last learnt."""
        here = codecs_here()
        plain = [(codec, 0) for codec in Codec if here[codec.name.lower()]]
        offered = self.known[-1:] if self._in_force is None else (self._in_force,)
        dictionaries = {self.dictionary, *offered} - {0}
        return plain + [(Codec.ZSTD, number) for number in sorted(dictionaries)]
