"""The choice of a codec follows the values, and does not swing; a dictionary is tried on values apart from it."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.codec import Codec, Packer
from perftui.analysis.codecchoice import BETTER, EVERY, FIRST, SAMPLES, SelfChoosing, Trial, better, trial
from perftui.analysis.codectrain import train

WORDS = ["".join(random.Random(n).choices("abcdefgiklmnorstu", k=3 + n % 7)) for n in range(400)]


def product(seed):
    """A row of a shop as JSON, near 600 bytes, like its neighbours in form and not in content."""
    chance = random.Random(seed)
    row = {
        "id": chance.randrange(10**6),
        "sku": f"{chance.getrandbits(48):x}",
        "price": {"amount": chance.randrange(10**4) / 100, "currency": "EUR"},
        "stock": {city: chance.randrange(90) for city in ("berlin", "paris", "rome")},
        "attributes": [{"name": chance.choice(WORDS), "value": chance.choice(WORDS)} for _ in range(6)],
        "description": " ".join(chance.choices(WORDS, k=20)),
    }
    return json.dumps(row).encode()


PRODUCTS = [product(seed) for seed in range(1000)]


def ticks():
    """A clock that is a microsecond later at each look: no codec is quicker than another."""
    now = 0.0

    def tick():
        nonlocal now
        now += 1e-6
        return now

    return tick


def test_noise_is_left_raw_and_text_is_packed():
    noise, text = random.Random(3), SelfChoosing(clock=ticks(), seed=1)
    left = SelfChoosing(clock=ticks(), seed=1)
    for n in range(FIRST):
        left.pack(noise.randbytes(4000))
        text.pack(b"".join(PRODUCTS[n % 900 : n % 900 + 7]))
    assert left.codec == Codec.LZ4  # nothing is cheaper: it stays with what it began with
    assert left.savings.packed == 0
    assert text.codec == Codec.ZSTD  # time being equal, the smallest
    assert text.changes == 1
    assert {t.codec for t in text.trials} == set(Codec)
    assert text.trials[0].ratio == pytest.approx(1.0)


def test_time_decides_too():
    """zstd that took a millisecond a value would not pay at any ratio."""
    dear = Trial(Codec.ZSTD, 0, 3.0, 1000.0, 1e-3, 1e-3)
    cheap = Trial(Codec.LZ4, 0, 1.5, 2000.0, 2e-6, 1e-6)
    raw = Trial(Codec.RAW, 0, 1.0, 3000.0, 0.0, 0.0)
    assert better([dear, cheap, raw], Codec.RAW, 0) == cheap
    assert better([dear, cheap, raw], Codec.LZ4, 0) is None


@given(st.floats(0.5, 2.0))
def test_it_changes_only_for_the_clearly_better(share):
    now = Trial(Codec.LZ4, 0, 1.5, 2000.0, 2e-6, 1e-6)
    other = Trial(Codec.SNAPPY, 0, 1.5, 2000.0 * share, 2e-6 * share, 1e-6 * share)
    taken = better([now, other], Codec.LZ4, 0)
    assert (taken == other) == (other.cost_s <= now.cost_s * (1 - BETTER))
    if taken:
        assert better([now, other], Codec.SNAPPY, 0) is None


def test_it_is_judged_again_every_so_many_writes_on_few_values():
    packer = SelfChoosing(clock=ticks(), seed=2)
    seen = []
    judge = packer._judge
    packer._judge = lambda: (seen.append((packer.savings.small + 1, len(packer._samples))), judge())
    for _ in range(FIRST + 2 * EVERY):
        packer.pack(b"small")
    assert [at for at, _ in seen] == [FIRST, FIRST + EVERY, FIRST + 2 * EVERY]
    assert all(SAMPLES // 2 < count <= SAMPLES for _, count in seen)


def test_a_dictionary_gains_on_values_it_has_not_seen():
    trained = train(PRODUCTS)
    figures = trained.by_name
    assert set(figures) == {"raw", "lz4", "snappy", "zstd", "zstd+dictionary"}
    assert figures["zstd+dictionary"].ratio > 2 * figures["lz4"].ratio
    assert all(t.pack_s > 0 and t.unpack_s > 0 for t in trained.trials)
    assert train(PRODUCTS).number == trained.number != train(PRODUCTS[:500]).number
    assert train(PRODUCTS, size=8192).number != trained.number
    assert 0x8000 <= trained.number < 0x80000000


def test_a_dictionary_is_used_for_small_values_and_older_ones_stay_readable():
    packer = Packer(Codec.LZ4)
    first, second = (packer.learn(train(PRODUCTS[a : a + 500]).dictionary) for a in (0, 500))
    assert packer.known == (first, second)
    plain = packer.pack(PRODUCTS[1] + b" " * 600)
    packer.use(Codec.ZSTD, first)
    older = packer.pack(PRODUCTS[1])
    packer.use(Codec.ZSTD, second)
    newer = packer.pack(PRODUCTS[1])
    assert (plain.codec, older.dictionary, newer.dictionary) == (Codec.LZ4, first, second)
    for packed in (older, newer):
        assert packer.unpack(*packed, size=len(PRODUCTS[1])) == PRODUCTS[1]
    packer.use(Codec.LZ4)
    assert packer.pack(PRODUCTS[1]).codec == Codec.RAW  # small again
    with pytest.raises(KeyError):
        packer.use(Codec.ZSTD, 77)


def test_auto_takes_to_a_dictionary_that_was_learnt():
    packer = SelfChoosing(clock=ticks(), seed=3)
    number = packer.learn(train(PRODUCTS).dictionary)
    for n in range(FIRST):
        packer.pack(PRODUCTS[n])
    assert (packer.codec, packer.dictionary) == (Codec.ZSTD, number)


def test_what_cannot_be_learnt_from_is_said():
    with pytest.raises(ValueError, match="too few"):
        train(PRODUCTS[:5])
    with pytest.raises(ValueError, match="too little"):
        train(PRODUCTS[:40], size=8)
    with pytest.raises(ValueError, match="no zstd dictionary"):
        Packer().learn(b"just bytes")


def test_a_trial_counts_what_would_be_stored():
    one = trial(Codec.LZ4, 0, [b"x" * 2000, b"y" * 10], Packer(), ticks())
    assert one.stored < 60
    assert one.ratio == pytest.approx(2010 / (2 * one.stored))
