"""Exported pictures load nothing from the network and keep every character."""

import io

import pytest
from rich.console import Console

from perftui.export import svg, text


def picture():
    console = Console(record=True, width=40, file=io.StringIO())
    console.print("hit ratio 93 % ▁▂▃ <&>")
    return console.export_svg(title="made elsewhere")


def test_svg_is_standalone():
    made = svg.standalone(picture(), "perftui lab <cache>")
    assert "http" not in made.replace("http://www.w3.org/2000/svg", "")
    assert "@font-face" not in made
    assert "<!--" not in made
    assert "Fira" not in made
    assert "<title>perftui lab &lt;cache&gt;</title>" in made
    assert "▁▂▃" in made


def test_svg_is_well_formed():
    from xml.etree import ElementTree as ET

    assert ET.fromstring(svg.standalone(picture(), "t")).tag.endswith("svg")


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="no SVG"):
        svg.standalone("<html>", "t")


def test_text_keeps_cells_and_drops_trailing_blanks():
    assert text.of_lines(["a  ", "", " b"]) == "a\n\n b\n"
