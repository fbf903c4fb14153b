"""A zstd dictionary of a namespace's own values, and what it gains on values it was not made of."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from perftui.analysis.codec import Codec, Packer, zstd_library
from perftui.analysis.codecchoice import Clock, Trial, trial

SIZE: Final = 16 << 10
FEWEST: Final = 16  # values; of fewer nothing common can be learnt
LARGEST_SAMPLE: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Trained:
    """A dictionary with its number, and a trial of each codec on the values kept apart for it."""

    number: int
    dictionary: bytes
    trials: tuple[Trial, ...]

    @property
    def by_name(self) -> dict[str, Trial]:
        """Trials as people call them: raw, lz4, snappy, zstd, zstd+dictionary."""
        return {
            t.codec.name.lower() + ("+dictionary" if t.dictionary else ""): t for t in self.trials
        }  # fmt: skip


def train(samples: Sequence[bytes], size: int = SIZE, clock: Clock = time.perf_counter) -> Trained:
    """Learn a dictionary of `size` bytes from three quarters of the samples, try it on the rest.

    Every value is packed here, however small, so that the figures are those of the codecs. It takes about
    a tenth of a second a MiB: not for an event loop.

    Raises:
        ValueError: too few or too short samples for zstd to learn from.
        Unsupported: the codecs are not installed.
    """
    values = [data[:LARGEST_SAMPLE] for data in samples if data]
    learnt, apart = [v for n, v in enumerate(values) if n % 4], values[::4]
    if len(values) < FEWEST:
        raise ValueError(f"{len(values)} values are too few to learn from: {FEWEST} or more are needed")
    library = zstd_library()
    try:
        made = library.train_dictionary(size, learnt, dict_id=_number(learnt, size))
    except library.ZstdError as error:
        raise ValueError(f"zstd finds too little to learn in these values: {error}") from error
    known = Packer(Codec.RAW, threshold=0)
    number = known.learn(made.as_bytes())
    kinds = [(codec, 0) for codec in Codec] + [(Codec.ZSTD, number)]
    trials = tuple(trial(codec, dictionary, apart, known, clock) for codec, dictionary in kinds)
    return Trained(number, made.as_bytes(), trials)


def _number(values: Sequence[bytes], size: int) -> int:
    """One of the numbers zstd's format leaves to private use, 32768 to 2^31 - 1, by what was learnt from."""
    digest = hashlib.blake2b(size.to_bytes(8), digest_size=8)
    for value in values:
        digest.update(value)
    return 0x8000 + int.from_bytes(digest.digest()) % (0x80000000 - 0x8000)
