"""Every part of an expression is an expression, and together they are all that decides."""

from __future__ import annotations

import pytest

from perftui.analysis.promql import parse
from perftui.analysis.whyparts import MOST, parts


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a > 3", ["a > 3", " a"]),
        ("((a)) > (1)", ["((a)) > (1)", " ((a))"]),
        (
            '(a + b) / c{x="("} > 0.5 unless on (s) sum by (s) ({t=~"a|b"}) >= 1',
            [
                '(a + b) / c{x="("} > 0.5 unless on (s) sum by (s) ({t=~"a|b"}) >= 1',
                ' (a + b) / c{x="("} > 0.5',
                '  (a + b) / c{x="("}',
                "   (a + b)",
                "    a",
                "    b",
                '   c{x="("}',
                ' sum by (s) ({t=~"a|b"}) >= 1',
                '  sum by (s) ({t=~"a|b"})',
                '   {t=~"a|b"}',
            ],
        ),
        (
            "histogram_quantile(0.9, sum by (le) (rate(h[5m]))) > 1",
            [
                "histogram_quantile(0.9, sum by (le) (rate(h[5m]))) > 1",
                " histogram_quantile(0.9, sum by (le) (rate(h[5m])))",
                "  sum by (le) (rate(h[5m]))",
                "   rate(h[5m])",
            ],
        ),
        ("absent(x)", ["absent(x)"]),
        ("topk(3, a) > bool 1", ["topk(3, a) > bool 1", " topk(3, a)", "  a"]),
        ("a\n  and\n  b", ["a and b", " a", " b"]),
    ],
)
def test_parts(text, wanted):
    found = parts(parse(text))
    assert [" " * depth + piece for depth, piece in found] == wanted
    for _, piece in found:
        parse(piece)


def test_not_more_than_one_can_read():
    assert len(parts(parse(" + ".join(f"a{n}" for n in range(40))))) == MOST
