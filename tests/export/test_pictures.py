"""Exported pictures load nothing from the network and keep every character."""

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from perftui.export import svg, text
from perftui.export.glyphs import HEIGHT, WIDTH, rectangles

SVG = "{http://www.w3.org/2000/svg}"


def drawn(lines, size=(40, 4), title="t"):
    return svg.picture(lines, size, title, "#ffffff", "#000000")


def words(made):
    """Column, row and text of every word."""
    found = ET.fromstring(made).iter(f"{SVG}text")
    return [(float(w.get("x")) / WIDTH, int(float(w.get("y")) // HEIGHT), w.text) for w in found]


def test_words_stand_at_their_cells():
    line = [Segment("hit ratio ", Style(color="#00ff00")), Segment("├─▁█⠿ 93 %", Style(bold=True))]
    made = drawn([line, [Segment("日本 ok")]])
    assert words(made) == [
        (0, 0, "hit"),
        (4, 0, "ratio"),
        (16, 0, "93"),
        (19, 0, "%"),
        (0, 1, "日本"),
        (5, 1, "ok"),
    ]
    assert 'font-weight="bold"' in made


def test_it_needs_no_network_and_tells_nothing_of_the_machine():
    made = drawn([[Segment("x")]], title="perftui lab <cache> & more")
    assert made.count("http") == 1
    assert "<!--" not in made
    assert "url(" not in made
    assert "<title>perftui lab &lt;cache&gt; &amp; more</title>" in made


def test_reverse_swaps_and_default_colours_are_the_themes():
    made = drawn([[Segment("a", Style(reverse=True)), Segment("b")]])
    assert '<path fill="#ffffff" d="M0 0h12v24h-12z"/>' in made
    assert '<g fill="#000000"><text x="0" y="18">a</text></g>' in made
    assert '<g fill="#ffffff"><text x="12" y="18">b</text></g>' in made


def test_a_theme_without_colours_gets_a_ground():
    assert 'fill="#0f141a"' in svg.picture([[Segment("x")]], (1, 1), "t", "", "")


@given(st.lists(st.text(st.characters(), max_size=12), max_size=4))
def test_any_text_makes_well_formed_xml_in_its_place(rows):
    made = drawn([[Segment(row)] for row in rows])
    for column, row, word in words(made):
        assert 0 <= column <= cell_len(rows[row])
        assert word


def test_shapes_stay_in_their_cell():
    for char in [*map(chr, (*range(0x2580, 0x25A0), *range(0x2800, 0x2900))), *"─│┌┐└┘├┤┬┴┼━┃╭╮╰╯╌"]:
        for x, y, width, height in rectangles(char):
            assert min(x, y) >= 0, char
            assert x + width <= WIDTH + 1e-9, char
            assert y + height <= HEIGHT + 1e-9, char


def test_blocks_fill_what_they_say():
    def area(char):
        return sum(r.width * r.height for r in rectangles(char)) / (WIDTH * HEIGHT)

    assert [round(area(c) * 8) for c in "▁▂▃▄▅▆▇█▏▎▍▌▋▊▉"] == [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7]
    assert [round(area(c), 2) for c in "▀▐▖▚▟"] == [0.5, 0.5, 0.25, 0.5, 0.75]
    assert rectangles("⠀") == ()
    assert len(rectangles("⣿")) == 8


def test_text_keeps_cells_and_drops_trailing_blanks():
    assert text.of_lines(["a  ", "", " b"]) == "a\n\n b\n"
