"""Line numbers of keys agree with where a reader sees them."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from perftui.config.lines import key_lines, line_of

TEXT = '''\
# comment = "no key"
read_only = false
[ui]
theme = "dark" # rate = 3
text = """
mouse = false
"""
list = [
  "a = 1", # b = 2
  { c = 1 },
]
a."b.c".d = 1

[env.lab.backends.cache]
kind = 'x # y'
[[many]]
v = 1
[[many]]
v = 2
'''


def test_finds_headers_keys_and_nothing_inside_values():
    lines = key_lines(TEXT)
    assert lines["read_only",] == 2
    assert lines["ui",] == 3
    assert lines["ui", "theme"] == 4
    assert lines["ui", "list"] == 8
    assert lines["ui", "a", "b.c", "d"] == 12
    assert lines["env", "lab", "backends", "cache", "kind"] == 15
    assert lines["many", "1", "v"] == 19
    assert ("ui", "mouse") not in lines
    assert ("ui", "rate") not in lines
    assert ("comment",) not in lines


def test_a_key_in_an_inline_table_falls_back_to_its_holder():
    lines = key_lines("x = 1\nui = { theme = 'a', mouse = true }\n")
    assert line_of(lines, ("ui", "mouse")) == 2
    assert line_of(lines, ("nowhere",)) is None


names = st.text("abcdef_-", min_size=1, max_size=6)
values = st.sampled_from(["1", '"# [x]"', "'''\na = 1\n'''", "[1,\n2]", '{ x = "}" }', '"""\n[t]\n\\""""'])


@given(st.dictionaries(names, values, max_size=6))
def test_every_key_is_found_on_the_line_that_starts_with_it(table):
    text = "".join(f"{key} = {value}\n" for key, value in table.items())
    assert tomllib.loads(text).keys() == table.keys()
    lines = key_lines(text)
    assert {path[0] for path in lines} == table.keys()
    for (key,), line in lines.items():
        assert text.split("\n")[line - 1].startswith(f"{key} = ")
