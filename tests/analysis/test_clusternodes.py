"""What a node of a cluster says of all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.clusternodes import MOST, NodeLine, parse

IDS = st.text("0123456789abcdef", min_size=40, max_size=40)
RANGES = st.lists(st.tuples(st.integers(0, 8000), st.integers(8001, 16383)), max_size=3)
LINES = st.builds(
    NodeLine,
    id=IDS,
    host=st.sampled_from(["127.0.0.1", "::1", ""]),
    port=st.integers(0, 65535),
    flags=st.frozensets(
        st.sampled_from(["myself", "master", "slave", "fail", "fail?", "handshake", "noaddr"]), min_size=1
    ),
    primary=IDS | st.just(""),
    epoch=st.integers(0, 2**63),
    link=st.sampled_from(["connected", "disconnected"]),
    slots=RANGES.map(tuple),
    moving=st.lists(st.sampled_from(["93<", "7>", "16383>"]), max_size=2).map(tuple),
)


def written(line: NodeLine) -> str:
    at = f"{line.host}:{line.port}@{line.port},a.host,shard-id=ab12"
    words = [line.id, at, ",".join(line.flags), line.primary or "-", "0", "17", str(line.epoch), line.link]
    slots = [f"{first}-{last}" for first, last in line.slots]
    arrows = {"<": "-<-", ">": "->-"}
    return " ".join([*words, *slots, *(f"[{one[:-1]}{arrows[one[-1]]}ab]" for one in line.moving)])


@given(st.lists(LINES, min_size=1, unique_by=lambda line: line.id))
def test_lines_are_read_as_they_were_written(lines: list[NodeLine]) -> None:
    assert parse(("\n".join(map(written, lines)) + "\n").encode()) == tuple(lines)


@given(st.binary())
def test_what_is_no_map_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"x\n" * (MOST + 1),
        b"a h:1@1 master - 0 0 1 connected 100-99999",
        b"a h:1@1 master - 0 0 1 connected 9-1",
    ],
)
def test_bounds(wrong: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(wrong)


def test_what_flags_mean() -> None:
    (line,) = parse(b"a h:1@1 myself,master,handshake - 0 0 1 connected 5")
    assert (line.mine, line.leads, line.joined, line.slots) == (True, True, False, ((5, 5),))
