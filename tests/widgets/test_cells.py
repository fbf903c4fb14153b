"""The difference that is sent makes a real terminal emulator show exactly the wanted picture."""

from __future__ import annotations

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st

from perftui.widgets.cells import Pens, Shadow, cells_of

WIDTH, HEIGHT = 20, 4
PENS = Pens()
COLOURS = [
    PENS.plain,
    PENS.pen(frozenset({"1"}), "38;2;255;0;0", "48;2;0;0;10"),
    PENS.pen(frozenset({"4", "7"})),
    PENS.pen(frozenset(), "31", ""),
    PENS.pen(frozenset(), "", "48;5;20"),
]


class Terminal:
    """A terminal emulator fed with what we send."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self.stream = pyte.Stream(self.screen)
        self.stream.feed("\x1b[?7l")

    def feed(self, text: str) -> None:
        self.stream.feed(text)

    def rows(self) -> list[str]:
        return list(self.screen.display)


def wanted(shadow: Shadow) -> list[str]:
    return ["".join(row) for row in shadow.want]


def test_first_flush_paints_everything_and_second_sends_nothing() -> None:
    shadow = Shadow(WIDTH, HEIGHT, PENS)
    terminal = Terminal()
    shadow.put(1, 2, [("hello", COLOURS[1])])
    terminal.feed(shadow.flush())
    assert terminal.rows()[1] == "  hello".ljust(WIDTH)
    assert shadow.flush() == ""


def test_only_the_changed_cell_goes_out() -> None:
    shadow = Shadow(WIDTH, HEIGHT, PENS)
    shadow.put(0, 0, [("value 41", COLOURS[3])])
    shadow.flush()
    shadow.put(0, 0, [("value 42", COLOURS[3])])
    assert shadow.flush() == "\x1b[1;8H\x1b[31m2\x1b[39m"


def test_short_gaps_are_sent_again_and_long_ones_jumped() -> None:
    shadow = Shadow(WIDTH, HEIGHT, PENS)
    shadow.put(0, 0, [("a" * WIDTH, PENS.plain)])
    shadow.flush()
    shadow.put(0, 0, [("baaab" + "a" * 13 + "bb", PENS.plain)])
    assert shadow.flush() == "\x1b[1;1Hbaaab\x1b[1;19Hbb"


def test_colour_of_a_blank_does_not_matter_but_its_ground_does() -> None:
    shadow = Shadow(WIDTH, HEIGHT, PENS)
    shadow.put(0, 0, [("   ", COLOURS[3])])
    shadow.flush()
    shadow.put(0, 0, [("   ", PENS.pen(frozenset(), "32", ""))])
    assert shadow.flush() == ""
    shadow.put(0, 0, [("   ", COLOURS[4])])
    assert "48;5;20" in shadow.flush()


def test_links_open_and_close() -> None:
    shadow = Shadow(WIDTH, HEIGHT, PENS)
    shadow.flush()
    shadow.put(0, 0, [("x", PENS.pen(frozenset(), "", "", "https://example.org/a")), ("y", PENS.plain)])
    out = shadow.flush()
    assert out == "\x1b[1;1H\x1b]8;;https://example.org/a\x1b\\x\x1b]8;;\x1b\\y"


def test_a_limit_leaves_the_rest_for_later_and_newest_rows_go_first() -> None:
    shadow = Shadow(WIDTH, HEIGHT, PENS)
    shadow.flush()
    for y in range(HEIGHT):
        shadow.put(y, 0, [(str(y) * WIDTH, PENS.plain)])
    first = shadow.flush(10)
    assert "3" * WIDTH in first
    assert "0" * WIDTH not in first
    rest = "".join(iter(lambda: shadow.flush(10), ""))
    assert "0" * WIDTH in rest


def test_after_a_clear_blanks_cost_nothing() -> None:
    shadow = Shadow(WIDTH, HEIGHT, PENS)
    shadow.put(2, 5, [("x", PENS.plain)])
    clear = shadow.clear()
    terminal = Terminal()
    terminal.feed("garbage" + clear)
    out = shadow.flush()
    assert out == "\x1b[3;6Hx"
    terminal.feed(out)
    assert terminal.rows() == wanted(shadow)


def test_what_lies_outside_is_cut() -> None:
    shadow = Shadow(4, 1, PENS)
    shadow.put(0, 2, [("abcdef", PENS.plain)])
    shadow.put(7, 0, [("never", PENS.plain)])
    assert "".join(shadow.want[0]) == "  ab"
    shadow.put(0, 3, [("世", PENS.plain)])
    assert "".join(shadow.want[0]) == "  a "


def test_cells_of_wide_and_combining_text() -> None:
    assert cells_of("a世b") == ["a", "世", "", "b"]
    assert cells_of("e\u0301x") == ["e\u0301", "x"]
    assert cells_of("世\u0301x") == ["世\u0301", "", "x"]


ROW = st.lists(
    st.tuples(st.text(alphabet="abc ▇⠿世界é·", min_size=1, max_size=6), st.sampled_from(COLOURS)), max_size=5
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(ROW, min_size=HEIGHT, max_size=HEIGHT), min_size=1, max_size=4))
def test_every_sequence_of_pictures_arrives(pictures: list[list[list[tuple[str, object]]]]) -> None:
    shadow = Shadow(WIDTH, HEIGHT, PENS)
    terminal = Terminal()
    for picture in pictures:
        for y, row in enumerate(picture):
            shadow.put(y, 0, [(" " * WIDTH, PENS.plain)])
            shadow.put(y, 0, row)  # type: ignore[arg-type]
        terminal.feed(shadow.flush())
        assert [row.rstrip() for row in terminal.rows()] == [row.rstrip() for row in wanted(shadow)]
        assert not shadow.flush()
