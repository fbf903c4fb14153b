"""Tags of one process, without L2."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perftui.instrument.cache.tags import MOST_SHARED, Tags, Tokens, Verdict
from tests.instrument.cache.clock import Hand


class Changes:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _names: object) -> None:
        self.count += 1


def alone() -> tuple[Tags, Changes]:
    changes = Changes()
    return Tags("shop", None, Hand(), changes), changes


async def test_an_entry_is_fresh_until_one_of_its_tags_is_expired() -> None:
    tags, changes = alone()
    home, other = await tags.tokens(["home"]), await tags.tokens(["other"])
    assert tags.judge(home) is Verdict.FRESH
    await tags.bump(["home"], remove=False)
    assert changes.count == 1
    assert tags.judge(home) is Verdict.STALE
    assert tags.judge(other) is Verdict.FRESH
    assert tags.judge(await tags.tokens(["home"])) is Verdict.FRESH


async def test_removal_outlasts_a_later_expiry() -> None:
    tags, _ = alone()
    home = await tags.tokens(["home"])
    await tags.bump(["home"], remove=True)
    await tags.bump(["home"], remove=False)
    assert tags.judge(home) is Verdict.GONE


async def test_of_what_is_known_a_change_that_l2_was_not_told_of_outlasts_the_link() -> None:
    tags, _ = alone()
    before = await tags.tokens(["home"])
    await tags.bump(["home"], remove=True)
    since = await tags.tokens(["home"])
    tags.owed = {"home", "*"}.__contains__
    tags.forget()
    assert (tags.judge(before), tags.judge(since)) == (Verdict.GONE, Verdict.STALE)
    assert tags.judge(await tags.tokens(["home"])) is Verdict.FRESH


async def test_everything_has_the_tag_of_everything() -> None:
    tags, _ = alone()
    held = [await tags.tokens([]), await tags.tokens(["a", "b"])]
    await tags.bump(["*"], remove=False)
    assert [tags.judge(one) for one in held] == [Verdict.STALE] * 2
    await tags.bump(["*"], remove=True)
    assert [tags.judge(one) for one in held] == [Verdict.GONE] * 2


async def test_a_thousand_tags() -> None:
    tags, _ = alone()
    names = [f"t{n}" for n in range(1000)]
    held = await tags.tokens(names)
    assert tags.judge(held) is Verdict.FRESH
    await tags.bump(["t999"], remove=True)
    assert tags.judge(held) is Verdict.GONE


async def test_a_tag_nobody_knows_is_asked_for_and_then_gone() -> None:
    tags, _ = alone()
    foreign = (("*", *(await tags.tokens([]))[0][1:]), ("elsewhere", b"e" * 6, b"r" * 6))
    assert tags.judge(foreign) is Verdict.UNKNOWN
    await tags.fetch(["elsewhere"])
    assert tags.judge(foreign) is Verdict.GONE


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["load", "expire", "remove"]), st.sets(st.sampled_from("abc*"), min_size=1)
        ),
        max_size=12,
    )
)
async def test_each_entry_is_what_its_tags_went_through(steps: list[tuple[str, set[str]]]) -> None:
    tags, _ = alone()
    held: list[tuple[set[str], list[str]]] = []
    tokens = []
    for what, names in steps:
        if what == "load":
            tokens.append(await tags.tokens(sorted(names)))
            held.append((names | {"*"}, []))
            continue
        await tags.bump(sorted(names), remove=what == "remove")
        for carried, fates in held:
            if carried & names:
                fates.append(what)
    for one, (_, fates) in zip(tokens, held, strict=True):
        verdict = tags.judge(one)
        if "remove" in fates:
            assert verdict is Verdict.GONE
        else:
            assert verdict is (Verdict.STALE if fates else Verdict.FRESH)


def test_combinations_shared_are_bounded() -> None:
    tags, _ = alone()

    def carried(n: int) -> Tokens:
        return (("t", b"%d" % n, b"r"),)

    first = tags.shared(carried(0))
    assert tags.shared(carried(0)) is first
    for n in range(MOST_SHARED + 1):
        tags.shared(carried(n))
    assert tags.shared(carried(0)) is not first
    assert len(tags._carried) <= MOST_SHARED
