"""Folded text to profiles of functions, and the profile file: what is written is read back, bad files refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.flame import functions, stacks
from perftui.analysis.profilefile import read_profile, write_profile
from perftui.analysis.stacks import assemble, fold_frame, parse_folded, parse_frame
from perftui.model.profiler import ProfileMeta, ProfileTarget, StackFrame

META = ProfileMeta("a-1", 1.0, 2.0, 100, 7, 0, ProfileTarget(1, "python x.py", "python"))
FRAME = st.builds(
    StackFrame,
    st.sampled_from(["f", "g", "<lambda>", "<module>"]),
    st.sampled_from(["a.py", "b.py"]),
    st.integers(1, 4),
)
STACKS = st.lists(st.tuples(st.lists(FRAME, max_size=5).map(tuple), st.integers(1, 9)), max_size=20)

FOLDED = """<module> (/srv/app.py:8);outer (/srv/app.py:7);inner (/srv/app.py:4) 90
<module> (/srv/app.py:8);outer (/srv/app.py:7);inner (/srv/app.py:5) 10
<module> (/srv/app.py:8);outer (/srv/app.py:6) 3
"""


def test_lines_of_one_function_become_one_function_with_its_heaviest_line():
    profile = assemble(parse_folded(FOLDED), META)
    assert profile.total == 103
    assert profile.frames == (
        StackFrame("<module>", "/srv/app.py", 8),
        StackFrame("inner", "/srv/app.py", 4),
        StackFrame("outer", "/srv/app.py", 6),
    )
    inner = [line for line in profile.lines if line.frame == 1]
    assert [(line.line, line.self_, line.total) for line in inner] == [(4, 90, 90), (5, 10, 10)]
    assert functions(profile.tree, profile.frames)[0].own == 100


def test_nameless_functions_are_told_apart_by_their_line():
    profile = assemble(
        [((StackFrame("<lambda>", "a.py", 1),), 1), ((StackFrame("<lambda>", "a.py", 9),), 2)], META
    )
    assert [f.line for f in profile.frames] == [1, 9]


@given(STACKS)
def test_no_weight_is_lost(given_stacks):
    profile = assemble(given_stacks, META)
    assert profile.total == sum(weight for _, weight in given_stacks)
    assert sum(line.self_ for line in profile.lines) == sum(w for s, w in given_stacks if s)


@given(STACKS)
def test_a_profile_comes_back_equal_from_its_file(given_stacks):
    profile = assemble(given_stacks, META)
    assert read_profile(write_profile(profile)) == profile


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("f (a.py:3)", StackFrame("f", "a.py", 3)),
        ("f (C:\\x.py:3)", StackFrame("f", "C:\\x.py", 3)),
        ("<module> (<string>:1)", StackFrame("<module>", "<string>", 1)),
        ("native", StackFrame("native")),
        ("PyEval (libpython.so)", StackFrame("PyEval", "libpython.so")),
    ],
)
def test_frames_are_taken_apart(text, frame):
    assert parse_frame(text) == frame


def test_folding_keeps_separators_out_of_names():
    assert fold_frame(StackFrame("a;b\n", "x.py", 2)) == "a,b  (x.py:2)"


@pytest.mark.parametrize("line", ["nothing", "a;b x", "a -1", " 3", "a 1.5"])
def test_text_that_is_no_folded_stack_is_refused_with_its_line(line):
    with pytest.raises(ValueError, match="line 2"):
        list(parse_folded(f"ok 1\n{line}\n"))


GOOD = json.loads(write_profile(assemble(parse_folded(FOLDED), META)))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "perftui.profile/9"},
        {"parent": [0, 2, 1, 0, 0]},
        {"parent": [0] * 3},
        {"frame": [-1, 99, 1, 1, 1]},
        {"own": [0, -5, 1, 1, 1]},
        {"own": ["x"]},
        {"own": None},
        {"meta": {}},
        {"frames": [["f"]]},
        {"lines": [[99, 1, 1, 1]]},
    ],
)
def test_broken_profiles_are_refused(change):
    with pytest.raises(ValueError):
        read_profile(json.dumps({**GOOD, **change}))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000])
def test_text_that_is_no_profile_is_refused(text):
    with pytest.raises(ValueError):
        read_profile(text)


def test_stacks_of_the_stored_tree_are_the_sampled_ones():
    profile = read_profile(json.dumps(GOOD))
    assert sorted(weight for _, weight in stacks(profile.tree)) == [3, 100]
